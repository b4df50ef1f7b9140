"""What happens makes one notification, in the transaction in which it happens."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from tests.database.healing.policy import PARTS, POLICY

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Person, Sql
    from tests.database.conftest import Patterns
    from tests.database.healing.outcomes import Outcomes

    Change = Callable[[str, object], dict[str, Any]]
    Told = Callable[[str], list[tuple[str, str]]]

FIX = {"type": "sql", "script": "select 1", "prepared_script": "select 1"}


@pytest.fixture
def told(database: Sql) -> Callable[[str], list[tuple[str, str]]]:
    """The kind and severity of each notification about a pattern, oldest first.

    Each has the event that it tells of, and was written by the transaction that wrote the event.
    """

    def told(pattern_id: str) -> list[tuple[str, str]]:
        rows = database.rows(
            """select told.kind, told.severity, told.xmin = events.xmin or events.seal_id is not null
                 as is_together
               from ops.notifications as told
               left join ops.roman_events as events on events.event_id = told.event_id
               where told.pattern_id = %s order by told.id""",
            pattern_id,
        )
        assert all(row["is_together"] for row in rows)
        return [(row["kind"], row["severity"]) for row in rows]

    return told


def test_the_fifth_error_that_counts_asks_for_a_review(
    patterns: Patterns, told: Told, user: Person
) -> None:
    """Not the fourth, not the sixth, and not what a signed-in user wrote."""
    error = patterns.error()
    foreign = error | {"claimed_by": user.id}
    pattern_id = patterns.learn(*[error] * 4, *[foreign] * 4)[0]["pattern_id"]
    assert told(pattern_id) == []
    patterns.learn(error)
    assert told(pattern_id) == [("threshold_reached", "error")]
    patterns.learn(error, error)
    assert len(told(pattern_id)) == 1


def test_a_batch_passes_the_threshold_once(patterns: Patterns, told: Told) -> None:
    """It may lie within a batch; with the severity of the pattern, if that is more than a warning."""
    assert told(patterns.new(12)) == [("threshold_reached", "error")]
    error = patterns.error(severity="critical")
    pattern_id = patterns.learn(*[error] * 7)[0]["pattern_id"]
    assert told(pattern_id) == [("threshold_reached", "critical")]


def test_a_pattern_that_nobody_has_to_look_at_asks_for_nothing(
    patterns: Patterns, told: Told, operator: Person
) -> None:
    """It is ignored, or has a fix that runs."""
    ignored, fixed = patterns.error(), patterns.error()
    ids = [patterns.learn(error)[0]["pattern_id"] for error in (ignored, fixed)]
    operator.rest.call("ignore_pattern_v1", p_pattern_id=ids[0])
    patterns.approve(ids[1])
    patterns.learn(*[ignored] * 9, *[fixed] * 9)
    assert [told(pattern_id) for pattern_id in ids] == [[], []]


def test_patterns_reach_the_threshold_together(
    patterns: Patterns, told: Told, operator: Person
) -> None:
    """A merge whose sum reaches it tells of it, as an error would."""
    ids = [patterns.new(3), patterns.new(3)]
    merged = operator.rest.call("merge_patterns_v1", p_pattern_ids=ids)
    assert told(merged["pattern"]["pattern_id"]) == [("threshold_reached", "error")]


def test_the_threshold_is_a_setting(patterns: Patterns, told: Told, change_setting: Change) -> None:
    """review_occurrences decides."""
    change_setting("review_occurrences", 2)
    assert told(patterns.new(1)) == []
    assert told(patterns.new(2)) == [("threshold_reached", "error")]


def test_a_proposed_fix_asks_for_approval_and_tells_before_it_expires(
    patterns: Patterns, told: Told, operator: Person, database: Sql
) -> None:
    """Each once; nobody is told of a proposal that was decided."""
    pattern_ids = [patterns.new(), patterns.new()]
    arguments = {"p_fix": FIX, "p_analysis": {}, "p_seconds": 86_400}
    for pattern_id in pattern_ids:
        proposal = operator.rest.call("propose_fix_v1", p_pattern_id=pattern_id, **arguments)
        assert told(pattern_id) == [("approval_requested", "warning")]
    watch = "select ops_internal.watch()"
    database.value(watch)
    assert len(told(pattern_id)) == 1

    soon = datetime.now(UTC) + timedelta(minutes=30)
    for each in pattern_ids:
        past = {"expires_at": soon, "proposed_at": soon - timedelta(days=1)}
        database.change("fix_proposals", past, pattern_id=each)
    database.run(
        """update ops.fix_proposals set decision = 'rejected', decided_by = %s, decided_at = now()
           where proposal_id = %s""",
        operator.id,
        proposal["proposal_id"],
    )
    database.value(watch)
    database.value(watch)
    asked = ("approval_requested", "warning")
    assert told(pattern_ids[0]) == [asked, ("approval_expiring", "warning")]
    assert told(pattern_ids[1]) == [asked]


def test_an_approval_that_ends_soon_is_told_once(
    patterns: Patterns, told: Told, database: Sql
) -> None:
    """Before it ends, and once more when it has ended: then the fix asks for approval again."""
    pattern_id = patterns.new()
    soon = datetime.now(UTC) + timedelta(minutes=30)
    patterns.approve(pattern_id, p_ends_at=soon.isoformat())
    database.change(
        "pattern_fixes", {"mode_changed_at": soon - timedelta(days=1)}, pattern_id=pattern_id
    )
    for _ in range(2):
        database.value("select ops_internal.watch()")
    expiring = ("approval_expiring", "warning")
    assert told(pattern_id) == [expiring]
    database.change("pattern_fixes", {"ends_at": datetime.now(UTC)}, pattern_id=pattern_id)
    database.value("select ops_internal.expire_fixes()")
    assert told(pattern_id) == [expiring, ("approval_requested", "warning")]


def test_a_blocked_fix_is_told_once_a_minute(patterns: Patterns, told: Told) -> None:
    """As the journal tells of it."""
    pattern_id = patterns.new()
    patterns.approve(pattern_id)
    parts = [part | {"holds": part["part"] != "cap" and part["holds"]} for part in PARTS]
    for _ in range(3):
        patterns.claim(pattern_id, p_parts=parts)
    assert told(pattern_id) == [("violation", "warning")]


def test_a_failed_run_is_told_and_one_that_went_well_is_not(patterns: Patterns, told: Told) -> None:
    """Each failure by itself."""
    pattern_id = patterns.new()
    patterns.approve(pattern_id, "select 1 / (select 0)")
    assert patterns.apply(pattern_id)["success"] is False
    assert told(pattern_id) == [("fix_failed", "error")]
    well = patterns.new()
    patterns.approve(well)
    assert patterns.apply(well)["success"] is True
    assert told(well) == []


def test_an_error_that_came_back_after_a_run_is_told(
    patterns: Patterns, told: Told, outcomes: Outcomes, database: Sql
) -> None:
    """The run failed then; of a shadow, which ran nothing, nobody is told."""
    pattern_id, shadow = patterns.new(), patterns.new()
    patterns.approve(pattern_id)
    patterns.approve(shadow, p_mode="shadow")
    for each in (pattern_id, shadow):
        patterns.claim(each, patterns.log_row())
        if each == pattern_id:
            outcomes.finish(each, True)
        outcomes.passes(each, 100)
        outcomes.occurs(each)
        outcomes.judge(each)
    assert told(pattern_id) == [("fix_failed", "error")]
    assert told(shadow) == []
    failed = "event_type = 'fix_failed' and metadata ->> 'pattern_id' = %s"
    for each in (pattern_id, shadow):
        assert database.value(f"select count(*) from ops.roman_events where {failed}", each) == 1


def test_a_demotion_by_the_engine_is_told_and_a_persons_is_not(
    patterns: Patterns, told: Told, outcomes: Outcomes
) -> None:
    """A person who switches a fix off knows it."""
    pattern_id = patterns.new()
    patterns.approve(pattern_id)
    policy = POLICY | {"demote_after": 2, "disable_after": 3}
    for _ in range(2):
        outcomes.settle(pattern_id, "-", policy=policy)
    assert ("fix_demoted", "error") in told(pattern_id)
    assert [kind for kind, _ in told(pattern_id)].count("fix_demoted") == 1
    by_hand = patterns.new()
    patterns.approve(by_hand)
    patterns.disable(by_hand)
    assert told(by_hand) == []


def test_a_fix_that_heals_often_is_told_once_a_week(
    patterns: Patterns, told: Told, database: Sql, change_setting: Change
) -> None:
    """It works, and the cause is still there."""
    change_setting("heals_per_week", 3)
    pattern_id = patterns.new()
    patterns.approve(pattern_id)
    for count in range(1, 6):
        patterns.apply(pattern_id)
        database.value("select ops_internal.watch()")
        assert len(told(pattern_id)) == (count >= 3)
    assert told(pattern_id) == [("healed_often", "warning")]


def test_a_storm_is_critical(database: Sql) -> None:
    """One notification for the pause, about no pattern."""
    with database.undone():
        database.run("update ops.fix_pauses set ended_at = now() where ended_at is null")
        before = database.value("select count(*) from ops.notifications where kind = 'storm_stop'")
        for _ in range(2):
            database.run(
                "select ops_internal.stop_for_storm(12, %s)",
                '{"storm_seconds": 60, "storm_pause_seconds": 300}',
            )
        rows = database.rows(
            "select severity, pattern_id from ops.notifications where kind = 'storm_stop' order by id"
        )
        assert rows[before:] == [{"severity": "critical", "pattern_id": None}]


def test_a_resolved_pattern_that_is_back_is_a_regression_or_a_recurrence(
    patterns: Patterns, told: Told, operator: Person
) -> None:
    """It is a regression where the release that was to be free of it is known."""
    for release, kind in (("1.4.0", "regression"), (None, "recurrence")):
        error = patterns.error()
        pattern_id = patterns.learn(error)[0]["pattern_id"]
        operator.rest.call("resolve_pattern_v1", p_pattern_id=pattern_id, p_release=release)
        for _ in range(2):
            log_id = patterns.log_row(release="1.5.0")
            patterns.learn(error | {"system_log_id": log_id})
        assert told(pattern_id) == [(kind, "error")]


def test_a_spike_is_told_once_an_hour(
    patterns: Patterns, told: Told, database: Sql, change_setting: Change
) -> None:
    """Many errors of one pattern in five minutes; not where that many are usual."""
    change_setting("spike_errors", 6)
    change_setting("review_occurrences", 1_000_000)
    spike, usual = patterns.error(), patterns.error()
    for error in (spike, usual):
        for log_id in patterns.log_rows(6):
            patterns.learn(error | {"system_log_id": log_id})
    ids = [patterns.learn(error)[0]["pattern_id"] for error in (spike, usual)]
    database.run(
        """insert into ops.pattern_incidents (pattern_id, signature, occurred_at, counts)
           select %s, 'usual', now() - interval '1 minute' * (6 + n), true
           from generate_series(1, 1000) as n""",
        ids[1],
    )
    for _ in range(2):
        database.value("select ops_internal.watch()")
    assert told(ids[0]) == [("spike", "error")]
    assert told(ids[1]) == []


def test_errors_that_nobody_learns_are_told_once_an_hour(patterns: Patterns, database: Sql) -> None:
    """After the minutes of the setting, not before."""
    stalled = "select count(*) from ops.notifications where kind = 'delivery_stalled'"
    with database.undone():
        database.run(
            """insert into ops.pattern_incidents (pattern_id, signature, system_log_id)
               select gone.pattern_id, 'x', ids
               from (select pattern_id from ops.error_patterns limit 1) as gone,
                 ops_internal.unlearned_ids(0, 9223372036854775807, 1000000) as ids"""
        )
        database.run("delete from ops.notifications where kind = 'delivery_stalled'")
        id_ = database.value(
            """insert into ops.system_logs (message, log_level, created_at)
               values ('x', 'error', now() - interval '9 minutes') returning id"""
        )
        database.value("select ops_internal.watch()")
        assert database.value(stalled) == 0
        database.run(
            "update ops.system_logs set created_at = now() - interval '11 minutes' where id = %s",
            id_,
        )
        for _ in range(2):
            database.value("select ops_internal.watch()")
        assert database.value(stalled) == 1
    assert patterns


def test_what_is_rolled_back_tells_nobody(database: Sql, patterns: Patterns, told: Told) -> None:
    """The outbox is written in the transaction of what it tells of."""
    pattern_id = patterns.new(4)
    with database.undone():
        database.run("select ops_internal.tell_reached(array[%s::uuid])", pattern_id)
        assert len(told(pattern_id)) == 1
    assert told(pattern_id) == []
