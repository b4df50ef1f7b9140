"""What the console shows of runs, of errors for which none ran, and of both over time."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from psycopg.types.json import Jsonb
from tests.conftest import RefusedError, Sql
from tests.database.healing.policy import POLICY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Person, Rest
    from tests.database.conftest import Patterns
    from tests.database.healing.outcomes import Outcomes

PAGES: dict[str, dict[str, Any]] = {
    "console_applications_v1": {},
    "console_application_v1": {"p_application_id": "00000000-0000-0000-0000-000000000000"},
    "console_held_back_v1": {},
    "console_statistics_v1": {},
    "console_review_v1": {"p_week": "2026-01-01"},
    "console_constitution_v1": {},
}


@pytest.mark.parametrize("page", PAGES)
def test_pages_are_for_operators(user: Person, engine: Rest, page: str) -> None:
    """A signed-up user is refused, and so is the engine's key: pages are read in person."""
    for rest in (user.rest, engine):
        with pytest.raises(RefusedError) as refused:
            rest.call(page, **PAGES[page])
        assert refused.value.code in ("PL001", "PL011")


@pytest.fixture
def pattern(patterns: Patterns) -> str:
    """A pattern that was learned just before."""
    return patterns.new()


@pytest.fixture
def quiet(admin: Sql, pattern: str) -> Iterator[Sql]:
    """The superuser in a transaction without triggers; what was there before is not counted."""
    assert pattern
    with admin.undone():
        admin.run("set local session_replication_role = replica")
        admin.run("delete from ops_internal.daily_figures")
        admin.run("delete from ops_internal.daily_runs")
        admin.run("""
            update ops_internal.figures_counting set
              last_incident_id = (select coalesce(max(id), 0) from ops.pattern_incidents),
              last_event_id = (select coalesce(max(id), 0) from ops.roman_events)
        """)
        yield admin


def test_errors_patterns_and_violations_are_counted_once_by_day(quiet: Sql, pattern: str) -> None:
    """What counts, by the day in UTC on which it happened; what is too new waits for the next run."""
    for day, learned, counts in (
        ("2026-03-01 23:59:59+00", "2 minutes", True),
        ("2026-03-01 00:00:00+00", "2 minutes", True),
        ("2026-03-02 00:00:00+00", "2 minutes", True),
        ("2026-03-02 00:00:00+00", "2 minutes", False),
        ("2026-03-02 00:00:00+00", "10 seconds", True),
    ):
        quiet.run(
            """insert into ops.pattern_incidents (pattern_id, signature, occurred_at, learned_at, counts)
               values (%s, 'x', %s, now() - %s::interval, %s)""",
            pattern,
            day,
            learned,
            counts,
        )
    failed = {"laws": [{"law": 2, "outcome": "fail"}, {"law": 4, "outcome": "fail"}]}
    for kind, validation in (
        ("pattern_learned", None),
        ("pattern_learned", None),
        ("constitutional_violation", Jsonb(failed)),
        ("fix_refused", None),
    ):
        quiet.run(
            """insert into ops.roman_events (event_type, constitutional_validation, metadata, created_at)
               values (%s, %s, '{}', '2026-03-03 12:00+00')""",
            kind,
            validation,
        )
    expected = [
        ("errors", "2026-03-01", 2),
        ("errors", "2026-03-02", 1),
        ("law_2", "2026-03-03", 1),
        ("law_4", "2026-03-03", 1),
        ("new_patterns", "2026-03-03", 2),
    ]
    for counted in (7, 0):
        assert quiet.value("select ops_internal.count_figures()") == counted
        rows = quiet.rows(
            "select figure, day::text, number from ops_internal.daily_figures order by figure, day"
        )
        assert [tuple(row.values()) for row in rows] == expected
    quiet.run("update ops.pattern_incidents set learned_at = now() - interval '1 hour'")
    assert quiet.value("select ops_internal.count_figures()") == 1


def test_a_day_of_runs_has_its_outcomes_and_the_time_to_heal(quiet: Sql, pattern: str) -> None:
    """By type and in all; only live runs, and the time of verified ones alone."""
    for outcome, seconds, mode in (
        ("verified", 10, "live"),
        ("verified", 20, "live"),
        ("verified", 60, "live"),
        ("failed", 500, "live"),
        ("inconclusive", 500, "live"),
        ("pending", 500, "live"),
        ("verified", 500, "shadow"),
    ):
        quiet.run(
            """insert into ops.pattern_verifications
                 (application_id, pattern_id, fix_version, mode, error_at, started_at, due_at,
                  late_until, outcome, decided_at, policy)
               select gen_random_uuid(), %s, 1, %s, at - make_interval(secs => %s), at, at, at, %s,
                 case when %s <> 'pending' then at end, '{}'
               from (select '2026-03-01 23:59:59+00'::timestamptz as at) as moment""",
            pattern,
            mode,
            seconds,
            outcome,
            outcome,
        )
    quiet.run("select ops_internal.count_runs('{2026-03-01,2026-03-02}')")
    rows = quiet.rows("select * from ops_internal.daily_runs order by pattern_type")
    assert [(row["pattern_type"], str(row["day"])) for row in rows] == [
        ("all", "2026-03-01"),
        ("database", "2026-03-01"),
    ]
    for row in rows:
        assert [row[name] for name in ("runs", "healed", "failed", "inconclusive", "pending")] == [
            *(6, 3, 1, 1, 1)
        ]
        assert row["heal_median"] == 20
        assert row["heal_p95"] == pytest.approx(56)


def _runs_of_today(admin: Sql) -> dict[str, int]:
    """What the job counts of today's runs, though they ended less than a minute ago."""
    with admin.undone():
        admin.run("set local session_replication_role = replica")
        admin.run("update ops.roman_events set created_at = created_at - interval '1 hour'")
        admin.run("update ops_internal.figures_counting set last_event_id = 0")
        admin.run("select ops_internal.count_figures()")
        return admin.row("""
            select coalesce(sum(healed), 0)::int as healed, coalesce(sum(failed), 0)::int as failed
            from ops_internal.daily_runs where pattern_type = 'all'
        """)


def test_a_verdict_that_is_overturned_is_counted_anew(
    admin: Sql, patterns: Patterns, outcomes: Outcomes
) -> None:
    """The run moves from healed to failed, on the day on which it ran."""
    pattern = patterns.new()
    patterns.approve(pattern)
    before = _runs_of_today(admin)
    outcomes.settle(pattern, "+")
    healed = _runs_of_today(admin)
    assert healed == {"healed": before["healed"] + 1, "failed": before["failed"]}
    outcomes.occurs(pattern)
    outcomes.judge(pattern)
    assert _runs_of_today(admin) == {"healed": before["healed"], "failed": before["failed"] + 1}


@pytest.fixture
def archive(database: Sql) -> None:
    """Puts away what other tests left to be reviewed: a list shows the 200 most frequent."""
    database.run("update ops.error_patterns set status = 'archived' where status = 'open'")


@pytest.mark.usefixtures("archive")
def test_the_key_figures_are_those_of_statistics(
    viewer: Person, database: Sql, patterns: Patterns
) -> None:
    """The seven of the specification, whether counted by the job or at once."""
    pattern = patterns.new(7)
    patterns.approve(pattern)
    patterns.new(9)
    database.run("select ops_internal.count_figures()")
    key = viewer.rest.call("console_statistics_v1", p_days=7)["key"]
    statistics = viewer.rest.call("statistics_v1")
    for name in (
        *("total_patterns", "enabled_patterns", "avg_success_rate", "total_applications"),
        "patterns_by_type",
    ):
        assert key[name] == statistics[name], name
    assert key["awaiting_approval"] == len(statistics["awaiting_approval"])
    named = [[each["pattern_id"] for each in found["top_patterns"]] for found in (key, statistics)]
    assert named[0] == named[1]


def _listed(viewer: Person, **filters: str) -> list[str]:
    found = viewer.rest.call("console_applications_v1", p_filters=filters)
    return [run["application_id"] for run in found["runs"]]


def test_runs_are_found_by_what_became_of_them(
    viewer: Person, patterns: Patterns, outcomes: Outcomes
) -> None:
    """Each outcome finds its runs, the latest first; an overturned run is also a failed one."""
    pattern = patterns.new()
    patterns.approve(pattern)
    ended = {sign: outcomes.settle(pattern, sign) for sign in "+-?"}
    overturned = outcomes.settle(pattern, "+")
    outcomes.occurs(pattern)
    outcomes.judge(pattern)
    pending = outcomes.finish(pattern)
    running = outcomes.begin(pattern)
    for outcome, runs in {
        "verified": [ended["+"]],
        "failed": [overturned, ended["-"]],
        "inconclusive": [ended["?"]],
        "overturned": [overturned],
        "pending": [pending],
        "running": [running],
        "undone": [],
    }.items():
        assert _listed(viewer, pattern=pattern, outcome=outcome) == runs, outcome
    assert len(_listed(viewer, pattern=pattern)) == 6
    assert _listed(viewer, pattern=pattern, type="rls") == []
    assert len(_listed(viewer, pattern=pattern, type="database", mode="heal")) == 6
    assert _listed(viewer, pattern=pattern, mode="shadow") == []
    found = viewer.rest.call("console_applications_v1", p_filters={"pattern": pattern})
    assert [run["state"] for run in found["runs"]] == [
        *("running", "pending", "overturned", "inconclusive", "failed", "verified")
    ]


def test_a_list_goes_on_where_the_last_page_ended(
    database: Sql, patterns: Patterns, outcomes: Outcomes
) -> None:
    """Nothing is left out and nothing shown twice, even of runs of the same moment."""
    pattern = patterns.new()
    patterns.approve(pattern)
    runs = {outcomes.begin(pattern) for _ in range(5)}
    database.run("update ops.pattern_claims set claimed_at = now() where pattern_id = %s", pattern)
    seen: list[str] = []
    place: dict[str, str] = {}
    for _ in range(3):
        page = database.rows(
            "select application_id::text as id, moment::text from ops_internal.run_page(%s, 2)",
            Jsonb({"pattern": pattern} | place),
        )
        seen += [row["id"] for row in page]
        place = {"before": page[-1]["moment"], "before_id": page[-1]["id"]}
    assert len(seen) == len(runs)
    assert set(seen) == runs


def test_the_evidence_counts_rows_of_the_source_in_the_window(
    viewer: Person, patterns: Patterns, outcomes: Outcomes
) -> None:
    """Of writers that the fix trusts, after the run and until its window was over."""
    pattern, source = patterns.new(), patterns.word("source")
    patterns.approve(pattern)
    run = outcomes.finish(pattern, source=source)
    outcomes.passes(pattern, 600)
    for seconds_ago in (700, 500, 400, 100):
        outcomes.traffic(source, seconds_ago)
    outcomes.traffic(source, 450, "authenticated")
    outcomes.judge(pattern)
    found = viewer.rest.call("console_application_v1", p_application_id=run)
    assert found["run"]["state"] == "verified"
    assert found["evidence"]["rows_of_source"] == 2
    assert found["evidence"]["seconds"] == pytest.approx(300, abs=1)
    assert found["evidence"]["recurred_at"] is None


def test_a_review_has_what_failed_and_what_was_tried_after_it(
    viewer: Person, patterns: Patterns, outcomes: Outcomes
) -> None:
    """By fix, with the state of the fix now and the versions that came later."""
    pattern = patterns.new()
    patterns.approve(pattern)
    first, second = outcomes.settle(pattern, "-"), outcomes.settle(pattern, "+")
    last = outcomes.settle(pattern, "-")
    patterns.disable(pattern, "it does not help")
    patterns.approve(pattern, "select 2")
    week = datetime.now(UTC).date().isoformat()
    found = viewer.rest.call("console_review_v1", p_week=week)
    (fix,) = [each for each in found["fixes"] if each["pattern_id"] == pattern]
    assert (fix["failures"], fix["state"], fix["state_reason"]) == (
        2,
        "disabled",
        "it does not help",
    )
    assert [newer["version"] for newer in fix["newer"]] == [2]
    assert [run["application_id"] for run in fix["runs"]] == [last, first]
    assert fix["runs"][1]["next"]["application_id"] == second
    assert fix["runs"][1]["next"]["outcome"] == "verified"
    assert fix["runs"][0]["next"] is None
    past = viewer.rest.call("console_review_v1", p_week="2026-01-01")
    assert (past["week"], past["fixes"]) == ("2025-12-29", [])


def test_what_held_errors_back_is_found_by_its_gate(
    viewer: Person, engine: Rest, patterns: Patterns
) -> None:
    """With the reason; an error without a fix is found too, and one that was healed is not."""
    error = patterns.error()
    logs = patterns.log_rows(4, log_level="error")
    pattern = patterns.learn(*[error | {"system_log_id": log_id} for log_id in logs])[0][
        "pattern_id"
    ]
    patterns.approve(pattern)
    patterns.run(patterns.claim(pattern, logs[0])["application_id"])
    notes = [
        {
            "system_log_id": logs[1],
            "gate": "paused",
            "reason": "All fixes are paused",
            "target": None,
        },
        {"system_log_id": logs[2], "gate": "laws", "reason": "Too soon", "target": None},
    ]
    engine.call("record_refusals_v1", p_refusals=notes)

    def held(**filters: str) -> list[tuple[int, str | None]]:
        found = viewer.rest.call("console_held_back_v1", p_filters=filters)
        return [(each["system_log_id"], each["gate"]) for each in found["errors"]]

    assert sorted(held(pattern=pattern)) == [
        (logs[1], "paused"),
        (logs[2], "laws"),
        (logs[3], None),
    ]
    assert held(pattern=pattern, gate="laws") == [(logs[2], "laws")]
    assert held(gate="laws")[0] == (logs[2], "laws")
    assert [log_id for log_id, _ in held()[:2]] == [logs[2], logs[1]]
    unfixed = [log_id for log_id, _ in held(gate="no_fix")]
    assert logs[3] in unfixed
    assert logs[0] not in unfixed


def test_violations_come_with_their_verdict_and_the_thresholds_in_force(
    viewer: Person, patterns: Patterns, database: Sql
) -> None:
    """The latest first, page after page; the thresholds are those of the latest claim."""
    pattern = patterns.new()
    patterns.approve(pattern)
    patterns.claim(pattern)
    for policy in ({"runs_per_hour": 0}, {"rows_per_incident": 0, "flaps_per_day": 0}):
        patterns.claim(pattern, p_policy=POLICY | policy)
    found = viewer.rest.call("console_constitution_v1", p_days=7)
    mine = [each for each in found["violations"] if each["pattern_id"] == pattern]
    failed = [
        [law["law"] for law in each["validation"]["laws"] if law["outcome"] == "fail"]
        for each in mine
    ]
    assert failed == [[4], [3]]
    assert found["latest_claim"]["policy"]["runs_per_hour"] == POLICY["runs_per_hour"]
    last = database.row(
        "select id, created_at::text as at from ops.roman_events where metadata ->> 'pattern_id' = %s"
        " and event_type = 'constitutional_violation' order by id desc limit 1",
        pattern,
    )
    place = {"before": last["at"], "before_id": last["id"]}
    further = viewer.rest.call("console_constitution_v1", p_before=place)["violations"]
    assert [law["law"] for law in further[0]["validation"]["laws"] if law["outcome"] == "fail"] == [
        3
    ]
