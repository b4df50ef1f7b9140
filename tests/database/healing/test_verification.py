"""A run is verified, failed or inconclusive by whether the error stopped, and by nothing else."""

from __future__ import annotations

import random
import statistics
from typing import TYPE_CHECKING, Any, LiteralString

import pytest
from psycopg.types.json import Jsonb
from tests.conftest import RefusedError
from tests.database.healing.outcomes import DAY, WINDOW
from tests.database.healing.policy import POLICY

from pattern_engine.limits import FIX_TYPES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.conftest import Person, Rest, Sql
    from tests.database.conftest import Orders, Patterns
    from tests.database.healing.outcomes import Outcomes


@pytest.fixture
def source(patterns: Patterns) -> str:
    """A source that nobody else writes from."""
    return patterns.word("source")


@pytest.fixture
def pattern_id(patterns: Patterns) -> str:
    """A pattern with an approved fix, seen once."""
    made = patterns.new()
    patterns.approve(made)
    return made


def _pattern(engine: Rest, pattern_id: str) -> dict[str, Any]:
    return engine.select("error_patterns", pattern_id=f"eq.{pattern_id}")[0]


def _events(engine: Rest, pattern_id: str, *kinds: str) -> list[str]:
    rows = engine.select(
        "roman_events",
        order="id",
        event_type=f"in.({','.join(kinds)})",
        **{"metadata->>pattern_id": f"eq.{pattern_id}"},
    )
    return [row["event_type"] for row in rows]


def test_silence_with_traffic_for_the_window_is_verified(
    engine: Rest, outcomes: Outcomes, pattern_id: str, source: str
) -> None:
    """The source went on writing, the error stayed away: verified, and not a second earlier."""
    run = outcomes.finish(pattern_id, source=source)
    outcomes.traffic(source)
    outcomes.passes(pattern_id, WINDOW - 10)
    assert outcomes.judge(pattern_id) == 0
    assert outcomes.of(run)["outcome"] == "pending"
    outcomes.passes(pattern_id, 11)
    outcomes.traffic(source, WINDOW / 2)
    assert outcomes.judge(pattern_id) == 1
    found = outcomes.of(run)
    assert (found["outcome"], found["recurrence"]) == ("verified", None)
    assert found["decided_at"] is not None
    assert _pattern(engine, pattern_id)["success_rate"] == 100
    assert _events(engine, pattern_id, "fix_verified", "fix_failed") == ["fix_verified"]


@pytest.mark.parametrize(
    "where", ["nowhere", "another source", "another writer", "before", "after"]
)
def test_without_traffic_nothing_is_proved(
    engine: Rest, patterns: Patterns, outcomes: Outcomes, pattern_id: str, source: str, where: str
) -> None:
    """No log row at all from that source within the window: inconclusive, never a success."""
    run = outcomes.finish(pattern_id, source=source)
    outcomes.passes(pattern_id, WINDOW + 10)
    if where == "another source":
        outcomes.traffic(patterns.word(), WINDOW / 2)
    elif where == "another writer":
        outcomes.traffic(source, WINDOW / 2, "authenticated")
    elif where == "before":
        outcomes.traffic(source, WINDOW + 20)
    elif where == "after":
        outcomes.traffic(source, 5)
    assert outcomes.judge(pattern_id) == 1
    assert outcomes.of(run)["outcome"] == "inconclusive"
    assert f"{source} logged nothing in that time" in outcomes.of(run)["reason"]
    assert (_pattern(engine, pattern_id)["success_rate"], outcomes.judge(pattern_id)) == (0, 0)


def test_an_error_without_a_source_is_judged_by_rows_without_one(
    patterns: Patterns, outcomes: Outcomes, database: Sql, pattern_id: str
) -> None:
    """Where the source is unknown, log rows of unknown source are its traffic."""
    claimed = patterns.claim(pattern_id, error={"message": "x"})["application_id"]
    patterns.run(claimed)
    outcomes.passes(pattern_id, WINDOW + 1)
    with database.undone():
        database.run("delete from ops.system_logs where source is null")
        judged: LiteralString = "select outcome from ops_internal.verdicts(array[%s]::uuid[])"
        assert database.value(judged, claimed) == "inconclusive"
        database.run(
            "insert into ops.system_logs (message, created_at) values ('x', now() - interval '9 s')"
        )
        assert database.value(judged, claimed) == "inconclusive", "another role vouched for it"
        database.run("update ops.system_logs set written_by = 'service_role' where source is null")
        assert database.value(judged, claimed) == "verified"


def test_what_a_signed_up_user_writes_fails_no_fix(
    patterns: Patterns, outcomes: Outcomes, source: str
) -> None:
    """Rows that could not fire the fix do not speak against it; an approval may trust users."""
    for trusted, expected in ((["service_role"], "pending"), (["authenticated"], "failed")):
        pattern_id = patterns.new()
        patterns.approve(pattern_id, parameters={"trusted_writers": trusted})
        run = outcomes.finish(pattern_id, source=source)
        outcomes.passes(pattern_id, 10)
        outcomes.occurs(pattern_id, 5, writer="authenticated")
        outcomes.judge(pattern_id)
        assert outcomes.of(run)["outcome"] == expected


def test_an_alias_that_fires_no_fix_fails_none(
    patterns: Patterns, outcomes: Outcomes, database: Sql, pattern_id: str, source: str
) -> None:
    """A wrong merge takes no good fix out of use; once the alias is confirmed, it counts."""
    alias = patterns.word("pattern")
    database.run(
        """insert into ops.pattern_signatures (signature, pattern_id, algorithm, template, created_at)
           values (%s, %s, 'grouping/v1', 'alias', clock_timestamp())""",
        alias,
        pattern_id,
    )
    run = outcomes.finish(pattern_id, source=source)
    outcomes.passes(pattern_id, 10)
    outcomes.occurs(pattern_id, 5, signature=alias)
    outcomes.judge(pattern_id)
    assert outcomes.of(run)["outcome"] == "pending"
    database.run(
        "update ops.pattern_signatures set confirmed_at = now() where signature = %s", alias
    )
    outcomes.judge(pattern_id)
    assert outcomes.of(run)["outcome"] == "failed"


def test_a_recurrence_is_failed_at_once(
    patterns: Patterns, outcomes: Outcomes, database: Sql, source: str
) -> None:
    """Nobody waits for the window to end: the error that came back is named."""
    error = patterns.error()
    pattern_id = patterns.learn(error)[0]["pattern_id"]
    patterns.approve(pattern_id)
    run = outcomes.finish(pattern_id, source=source)
    outcomes.passes(pattern_id, 10)
    log_id = patterns.log_row()
    patterns.learn(error | {"system_log_id": log_id})
    assert database.call("verify_applications_v1") >= 1
    found = outcomes.of(run)
    assert (found["outcome"], found["recurrence"]) == ("failed", log_id)
    assert found["decided_at"] < found["due_at"]
    assert "came back at" in found["reason"]


def test_errors_that_were_under_way_are_no_recurrence(
    outcomes: Outcomes, pattern_id: str, source: str
) -> None:
    """Only what happened a moment after the end of the run speaks against it."""
    policy = POLICY | {"settle_seconds": 5}
    run = outcomes.finish(pattern_id, source=source, policy=policy)
    outcomes.passes(pattern_id, 20)
    for seconds_ago in (30, 21, 16):
        outcomes.occurs(pattern_id, seconds_ago)
    assert outcomes.judge(pattern_id) == 0
    outcomes.occurs(pattern_id, 14)
    assert outcomes.judge(pattern_id) == 1
    assert outcomes.of(run)["outcome"] == "failed"


@pytest.mark.parametrize(("seconds", "outcome"), [(4, "inconclusive"), (6, "verified")])
def test_errors_that_were_under_way_are_no_sign_of_life(
    outcomes: Outcomes, pattern_id: str, source: str, seconds: int, outcome: str
) -> None:
    """They count for neither side: a source that fell silent after its burst proves nothing."""
    policy = POLICY | {"settle_seconds": 5}
    run = outcomes.finish(pattern_id, source=source, policy=policy)
    outcomes.passes(pattern_id, WINDOW + 1)
    outcomes.traffic(source, WINDOW + 1 - seconds)
    assert outcomes.judge(pattern_id) == 1
    assert outcomes.of(run)["outcome"] == outcome


def _quantile(values: Sequence[float], share: float) -> float:
    """The quantile between the two values next to its place, as percentile_cont has it."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def _poisson(seed: int, count: int, mean: float) -> list[float]:
    dice = random.Random(seed)
    return [dice.expovariate(1 / mean) for _ in range(count)]


@pytest.mark.parametrize(
    ("gaps", "least", "most"),
    [
        ([], 300, DAY),
        ([60.0], 300, DAY),
        ([1000.0], 300, DAY),
        ([100.0] * 20, 1, DAY),
        (_poisson(1, 50, 200), 1, DAY),
        (_poisson(2, 150, 2000), 1, 10 * DAY),
        # Bursts with long pauses: the 95th percentile is above three times the mean.
        (([1.0] * 17 + [9000.0]) * 3, 1, DAY),
        ([10.0] * 30, 300, DAY),
        ([50_000.0] * 10, 300, DAY),
        # Of 300 gaps the latest 199 count.
        ([5000.0] * 101 + _poisson(3, 199, 10), 1, DAY),
    ],
)
def test_the_window_follows_the_errors_own_rhythm(
    patterns: Patterns,
    database: Sql,
    gaps: list[float],
    least: float,
    most: float,
) -> None:
    """Three mean distances or the 95th percentile of the gaps, the larger, within the bounds."""
    pattern_id = patterns.new()
    policy = POLICY | {"min_window_seconds": least, "max_window_seconds": most}
    with database.undone():
        database.run("delete from ops.pattern_incidents where pattern_id = %s", pattern_id)
        moments = [0.0]
        for gap in gaps:
            moments.append(moments[-1] + gap)
        database.run(
            """insert into ops.pattern_incidents (pattern_id, signature, occurred_at)
               select %s, 'x', '2026-01-01'::timestamptz + make_interval(secs => seconds)
               from unnest(%s::double precision[]) as seconds""",
            pattern_id,
            moments,
        )
        found = database.value(
            "select extract(epoch from ops_internal.silence_window(%s, %s))::double precision",
            pattern_id,
            Jsonb(policy),
        )
    latest = gaps[-199:]
    needed = max(3 * statistics.fmean(latest), _quantile(latest, 0.95)) if latest else 0.0
    assert found == pytest.approx(min(max(needed, least), most), abs=1e-3)


def test_a_late_recurrence_overturns_what_was_verified_once(
    engine: Rest, outcomes: Outcomes, pattern_id: str
) -> None:
    """The last verified run fails after all, the one before it does not, and nothing twice."""
    first, last = (outcomes.settle(pattern_id, "+") for _ in range(2))
    outcomes.occurs(pattern_id)
    assert outcomes.judge(pattern_id) == 1
    assert outcomes.of(first)["outcome"] == "verified"
    found = outcomes.of(last)
    assert (found["outcome"], found["overturned_at"] is not None) == ("failed", True)
    assert "came back late" in found["reason"]
    outcomes.occurs(pattern_id)
    assert outcomes.judge(pattern_id) == 0
    assert _events(engine, pattern_id, "verification_overturned") == ["verification_overturned"]
    stored = _pattern(engine, pattern_id)
    assert (stored["success_rate"], stored["consecutive_failures"]) == (50, 1)


def test_what_comes_after_the_late_time_is_a_new_story(outcomes: Outcomes, pattern_id: str) -> None:
    """A verified run stays verified once its time is over."""
    run = outcomes.settle(pattern_id, "+", policy=POLICY | {"late_seconds": 60})
    outcomes.passes(pattern_id, 61)
    outcomes.occurs(pattern_id)
    assert outcomes.judge(pattern_id) == 0
    assert outcomes.of(run)["outcome"] == "verified"


def test_a_recurrence_that_was_learned_late_counts(outcomes: Outcomes, pattern_id: str) -> None:
    """It happened within the window, and was learned of only after the run was verified."""
    run = outcomes.settle(pattern_id, "+")
    outcomes.occurs(pattern_id, WINDOW / 2)
    assert outcomes.judge(pattern_id) == 1
    assert outcomes.of(run)["outcome"] == "failed"


def test_a_run_that_another_follows_is_inconclusive(
    outcomes: Outcomes, pattern_id: str, source: str
) -> None:
    """Which of two runs stopped the error nobody can tell; the later one is judged."""
    first, second = (outcomes.finish(pattern_id, source=source) for _ in range(2))
    assert outcomes.of(first)["outcome"] == "inconclusive"
    assert "Another run" in outcomes.of(first)["reason"]
    assert outcomes.of(second)["outcome"] == "pending"


def test_runs_for_different_targets_do_not_follow_each_other(
    outcomes: Outcomes, pattern_id: str
) -> None:
    """Each target is watched by itself."""
    one, other = (outcomes.finish(pattern_id, target=target) for target in ("one", "other"))
    outcomes.judge(pattern_id)
    assert [outcomes.of(run)["outcome"] for run in (one, other)] == ["pending"] * 2
    outcomes.passes(pattern_id, 10)
    outcomes.occurs(pattern_id, target="other")
    outcomes.occurs(pattern_id, target=None)
    outcomes.judge(pattern_id)
    assert [outcomes.of(run)["outcome"] for run in (one, other)] == ["pending", "failed"]


def test_errors_count_where_a_merged_pattern_went(
    patterns: Patterns, outcomes: Outcomes, operator: Person, pattern_id: str, source: str
) -> None:
    """Merged away, and the one that it went into merged again: its run still sees the errors."""
    kept, last = patterns.new(), patterns.new()
    run = outcomes.finish(pattern_id, source=source)
    patterns.disable(pattern_id)
    for into, gone in ((kept, pattern_id), (last, kept)):
        operator.rest.call("merge_patterns_v1", p_pattern_ids=[into, gone])
    for one in (pattern_id, kept, last):
        outcomes.passes(one, 10)
    outcomes.judge(pattern_id)
    assert outcomes.of(run)["outcome"] == "pending"
    outcomes.occurs(last)
    outcomes.judge(pattern_id)
    assert outcomes.of(run)["outcome"] == "failed"


def test_a_script_that_fails_by_itself_has_failed(
    engine: Rest, patterns: Patterns, outcomes: Outcomes
) -> None:
    """It is decided when it is recorded, and counts at once."""
    pattern_id = patterns.new()
    patterns.approve(pattern_id, "select 1 / 0")
    run = patterns.claim(pattern_id)["application_id"]
    patterns.run(run)
    found = outcomes.of(run)
    assert (found["outcome"], found["reason"]) == ("failed", "division by zero")
    assert found["decided_at"] == found["started_at"]
    assert _pattern(engine, pattern_id)["consecutive_failures"] == 1


@pytest.mark.parametrize("why", ["PL006", "PL008", "PL014", "PL024"])
def test_what_was_refused_proves_nothing(
    engine: Rest,
    database: Sql,
    patterns: Patterns,
    outcomes: Outcomes,
    orders: Orders,
    operator: Person,
    why: str,
) -> None:
    """A run that never began is inconclusive, whatever held it back."""
    pattern_id = patterns.new()
    script = f"update {orders.name} set status = 'fixed' where id = 1"
    patterns.approve(pattern_id, script, tables=(orders.name,))
    run = patterns.claim(pattern_id)["application_id"]
    if why == "PL006":
        database.change("error_patterns", {"auto_fix_script": "select 2"}, pattern_id=pattern_id)
    elif why == "PL008":
        orders.run("alter table {} enable row level security")
    elif why == "PL014":
        patterns.disable(pattern_id)
    elif why == "PL024":
        operator.rest.call("pause_fixes_v1", p_reason="test", p_seconds=60)
    try:
        outcome = patterns.run(run)
    finally:
        operator.rest.call("resume_fixes_v1")
    assert outcome["success"] is False
    row = engine.select("pattern_applications", application_id=f"eq.{run}")[0]
    assert row["metadata"]["sqlstate"] == why
    assert outcomes.of(run)["outcome"] == "inconclusive"
    stored = _pattern(engine, pattern_id)
    assert (stored["success_rate"], stored["consecutive_failures"]) == (0, 0)
    assert stored["confidence_lower_bound"] is None
    assert orders.count("fixed") == 0


def test_one_run_that_cannot_be_judged_holds_no_other_back(
    patterns: Patterns, outcomes: Outcomes, database: Sql, pattern_id: str, source: str
) -> None:
    """The cron job goes on with the next pattern."""
    broken = patterns.new()
    patterns.approve(broken)
    runs = [outcomes.finish(one, source=source) for one in (broken, pattern_id)]
    for one in (broken, pattern_id):
        outcomes.passes(one, WINDOW + 1)
    outcomes.traffic(source, WINDOW / 2)
    with database.undone():
        # A trigger of somebody's that fails.
        database.run("""
            create function pg_temp.fail() returns trigger language plpgsql as
            $$ begin raise exception 'not this one'; end $$""")
        database.run("""
            create trigger fail before update on ops.pattern_verifications
            for each row when (old.reason is not distinct from 'fails')
            execute function pg_temp.fail()""")
        database.run(
            "update ops.pattern_verifications set reason = 'fails' where application_id = %s",
            runs[0],
        )
        database.call("verify_applications_v1")
        assert outcomes.of(runs[0])["outcome"] == "pending"
        assert outcomes.of(runs[1])["outcome"] == "verified"


OF_THE_ENGINE = {"max_rows", "max_tables", "max_hosts", "proposal_seconds"}
"""Thresholds that the engine decides by, before it claims."""


@pytest.mark.parametrize("missing", sorted(POLICY.keys() - OF_THE_ENGINE))
def test_nothing_is_claimed_by_a_policy_that_lacks_something(
    patterns: Patterns, pattern_id: str, missing: str
) -> None:
    """PL022: what is missed only when a run is to be judged is missed too late."""
    for policy in (
        {name: value for name, value in POLICY.items() if name != missing},
        POLICY | {missing: "60"},
        POLICY | {missing: None},
        POLICY | {missing: -1},
        POLICY | {missing: 1e300},
    ):
        with pytest.raises(RefusedError) as refused:
            patterns.claim(pattern_id, p_policy=policy)
        assert refused.value.code == "PL022"


def test_no_function_reads_a_threshold_that_no_claim_has_to_have(database: Sql) -> None:
    """What the functions read of a policy is what require_policy asks for, no more and no less."""
    read = database.rows(
        r"""select distinct names.name[1] as name
            from pg_proc as functions,
              regexp_matches(functions.prosrc, '(?:policy, |policy -> )''(\w+)''', 'g') as names (name)
            where functions.pronamespace in ('ops'::regnamespace, 'ops_internal'::regnamespace)"""
    )
    names = {row["name"] for row in read}
    names.remove("min_confidence_")
    names |= {f"min_confidence_{fix_type}" for fix_type in FIX_TYPES}
    assert names == POLICY.keys() - OF_THE_ENGINE
