"""What holds a fix back: cooldown, budgets, the breaker, and a storm; pauses: see test_pauses."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from tests.conftest import RefusedError
from tests.database.conftest import POLICY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Person, Rest, Sql
    from tests.database.conftest import Orders, Patterns
    from tests.database.healing.outcomes import Outcomes


@pytest.fixture
def pattern_id(patterns: Patterns) -> str:
    """A pattern with an approved fix, seen once."""
    made = patterns.new()
    patterns.approve(made)
    return made


@pytest.fixture
def resumed(operator: Person) -> Iterator[None]:
    """Whatever pause a test brings about ends with it."""
    yield
    operator.rest.call("resume_fixes_v1")


def _events(engine: Rest, kind: str, pattern_id: str) -> list[dict[str, Any]]:
    return engine.select(
        "roman_events",
        order="id",
        event_type=f"eq.{kind}",
        **{"metadata->>pattern_id": f"eq.{pattern_id}"},
    )


def test_a_fix_waits_between_two_runs(
    patterns: Patterns, outcomes: Outcomes, pattern_id: str
) -> None:
    """Within the cooldown a claim is refused with the reason, and after it, granted."""
    policy = POLICY | {"cooldown_seconds": 60}
    assert patterns.claim(pattern_id, patterns.log_row(), p_policy=policy)["claimed"]
    refused = patterns.claim(pattern_id, patterns.log_row(), p_policy=policy)
    assert (refused["claimed"], refused["application_id"]) == (False, None)
    assert "it waits 60 s between two runs" in refused["reason"]
    outcomes.passes(pattern_id, 59)
    assert not patterns.claim(pattern_id, patterns.log_row(), p_policy=policy)["claimed"]
    outcomes.passes(pattern_id, 2)
    assert patterns.claim(pattern_id, patterns.log_row(), p_policy=policy)["claimed"]


def test_errors_without_a_log_row_wait_as_well(patterns: Patterns, pattern_id: str) -> None:
    """Nothing tells two of them apart, and all the more so the cooldown holds."""
    policy = POLICY | {"cooldown_seconds": 60}
    assert [patterns.claim(pattern_id, p_policy=policy)["claimed"] for _ in range(3)] == [
        True,
        False,
        False,
    ]


def test_each_target_has_its_own_cooldown(patterns: Patterns, pattern_id: str) -> None:
    """A fix that ran for one target may run for another at once."""
    policy = POLICY | {"cooldown_seconds": 60}
    targets = ["one", "two", "one", "two", ""]
    claims = [patterns.claim(pattern_id, p_target=name, p_policy=policy) for name in targets]
    assert [claim["claimed"] for claim in claims] == [True, True, False, False, True]


def test_a_cooldown_may_be_longer_than_a_day(
    patterns: Patterns, outcomes: Outcomes, pattern_id: str
) -> None:
    """The last run is found however long ago it was."""
    policy = POLICY | {"cooldown_seconds": 86_400}
    for _ in range(2):
        outcomes.settle(pattern_id, "-")
    outcomes.passes(pattern_id, 86_400 + 60)
    assert "it waits 172800 s" in patterns.claim(pattern_id, p_policy=policy)["reason"]
    outcomes.passes(pattern_id, 86_400)
    assert patterns.claim(pattern_id, p_policy=policy)["claimed"]


@pytest.mark.parametrize(
    ("failures", "factor"), [(0, 1), (1, 1), (2, 2), (3, 3), (4, 5), (5, 8), (6, 13)]
)
def test_the_cooldown_grows_with_failures_in_a_row(
    patterns: Patterns, outcomes: Outcomes, pattern_id: str, failures: int, factor: int
) -> None:
    """The Fibonacci sequence: 1, 1, 2, 3, 5, 8, 13 cooldowns; a verified run ends it."""
    policy = POLICY | {"cooldown_seconds": 100}
    for _ in range(failures):
        outcomes.settle(pattern_id, "-")
    patterns.claim(pattern_id)
    outcomes.passes(pattern_id, 100 * factor - 2)
    refused = patterns.claim(pattern_id, p_policy=policy)
    assert f"it waits {100 * factor} s" in refused["reason"]
    outcomes.passes(pattern_id, 3)
    assert patterns.claim(pattern_id, p_policy=policy)["claimed"]
    outcomes.passes(pattern_id, 3600)
    outcomes.settle(pattern_id, "+")
    patterns.claim(pattern_id)
    assert "it waits 100 s" in patterns.claim(pattern_id, p_policy=policy)["reason"]


def test_runs_of_an_hour_are_counted(
    patterns: Patterns, outcomes: Outcomes, pattern_id: str
) -> None:
    """The budget of runs is the pattern's, whatever the target; an hour later it is there again."""
    policy = POLICY | {"runs_per_hour": 3}
    for place in range(3):
        assert patterns.claim(pattern_id, p_policy=policy, p_target=str(place))["claimed"]
    assert "ran 3 times within an hour" in patterns.claim(pattern_id, p_policy=policy)["reason"]
    patterns.disable(pattern_id)
    patterns.approve(pattern_id, "select 2")
    assert not patterns.claim(pattern_id, p_policy=policy)["claimed"], "a new version is no budget"
    outcomes.passes(pattern_id, 3601)
    assert patterns.claim(pattern_id, p_policy=policy)["claimed"]


def test_rows_of_an_hour_are_counted(
    patterns: Patterns, outcomes: Outcomes, orders: Orders
) -> None:
    """A fix that has touched its rows waits until the hour is over."""
    pattern_id = patterns.new()
    patterns.approve(pattern_id, f"update {orders.name} set note = 'x' where id <= 3")
    policy = POLICY | {"rows_per_hour": 6}
    for _ in range(2):
        claim = patterns.claim(pattern_id, p_policy=policy)
        assert patterns.run(claim["application_id"])["rows_touched"] == 3
    assert "touched 6 rows within an hour" in patterns.claim(pattern_id, p_policy=policy)["reason"]
    outcomes.passes(pattern_id, 3601)
    assert patterns.claim(pattern_id, p_policy=policy)["claimed"]


BREAKER = POLICY | {"demote_after": 2, "disable_after": 3}


def _failed(outcomes: Outcomes, pattern_id: str, letters: str) -> None:
    for letter in letters:
        outcomes.settle(pattern_id, letter, p_policy=BREAKER)


def test_failures_in_a_row_demote_a_fix(
    engine: Rest, patterns: Patterns, outcomes: Outcomes, pattern_id: str
) -> None:
    """One failure, or two with a verified run between them, does not; two in a row do, once."""
    _failed(outcomes, pattern_id, "-+-?")
    assert patterns.fix(pattern_id)["mode"] == "live"
    _failed(outcomes, pattern_id, "-")
    fix = patterns.fix(pattern_id)
    assert (fix["mode"], fix["mode_changed_by"]) == ("demoted", None)
    assert fix["mode_reason"] == "2 failed outcomes in a row"
    assert fix["disabled_at"] is None
    refused = patterns.claim(pattern_id, p_policy=BREAKER)
    assert refused["reason"] == "The fix waits for a person: 2 failed outcomes in a row"
    outcomes.judge(pattern_id)
    events = _events(engine, "fix_demoted", pattern_id)
    assert [(event["severity"], event["actor"]) for event in events] == [("warning", None)]
    stored = engine.select("error_patterns", pattern_id=f"eq.{pattern_id}")[0]
    assert stored["auto_fix_enabled"] is False


def test_a_recurrence_demotes_before_the_next_run(
    patterns: Patterns, outcomes: Outcomes, pattern_id: str
) -> None:
    """The error that fires the third run is what proves that the second failed: it does not run."""
    _failed(outcomes, pattern_id, "-")
    outcomes.finish(pattern_id, p_policy=BREAKER)
    outcomes.passes(pattern_id, 10)
    outcomes.occurs(pattern_id)
    refused = patterns.claim(pattern_id, p_policy=BREAKER)
    assert "waits for a person" in refused["reason"]
    assert patterns.fix(pattern_id)["mode"] == "demoted"


def test_a_demoted_fix_does_not_run_what_it_had_claimed(
    patterns: Patterns, outcomes: Outcomes, orders: Orders
) -> None:
    """PL014 between claim and run, as with a disabled one."""
    pattern_id = patterns.new()
    patterns.approve(pattern_id, f"update {orders.name} set status = 'fixed' where id = 1")
    claimed = patterns.claim(pattern_id, p_policy=BREAKER)
    _failed(outcomes, pattern_id, "--")
    assert patterns.fix(pattern_id)["mode"] == "demoted"
    assert patterns.run(claimed["application_id"])["success"] is False
    assert orders.count("fixed") == 0


def test_a_fix_on_probation_that_fails_is_disabled(
    engine: Rest, patterns: Patterns, outcomes: Outcomes, administrator: Person, pattern_id: str
) -> None:
    """A person puts it back, with no failures against it; one more, and it needs a new approval."""
    _failed(outcomes, pattern_id, "--")
    digest = patterns.fix(pattern_id)["sha256"]
    stored = administrator.rest.call(
        "enable_fix_v1", p_pattern_id=pattern_id, p_sha256=digest, p_reason="mended"
    )
    assert (stored["auto_fix_enabled"], stored["consecutive_failures"]) == (True, 0)
    fix = patterns.fix(pattern_id)
    assert (fix["mode"], fix["is_on_probation"]) == ("live", True)
    assert (fix["mode_changed_by"], fix["mode_reason"]) == (administrator.id, "mended")
    _failed(outcomes, pattern_id, "-")
    fix = patterns.fix(pattern_id)
    assert fix["disabled_at"] is not None
    assert fix["disabled_by"] is None
    assert fix["disabled_reason"] == "1 failed outcomes in a row after it was put back in use"
    events = _events(engine, "pattern_disabled", pattern_id)
    assert [(event["severity"], event["actor"]) for event in events] == [("warning", None)]
    assert not patterns.claim(pattern_id)["claimed"]
    with pytest.raises(RefusedError) as refused:
        administrator.rest.call(
            "enable_fix_v1", p_pattern_id=pattern_id, p_sha256=digest, p_reason=None
        )
    assert refused.value.code == "PL014"


def test_probation_ends_when_the_fix_helps(
    patterns: Patterns, outcomes: Outcomes, administrator: Person, pattern_id: str
) -> None:
    """Verified once, it is a fix like any other: it takes two failures in a row again."""
    _failed(outcomes, pattern_id, "--")
    digest = patterns.fix(pattern_id)["sha256"]
    administrator.rest.call(
        "enable_fix_v1", p_pattern_id=pattern_id, p_sha256=digest, p_reason="mended"
    )
    _failed(outcomes, pattern_id, "+-")
    fix = patterns.fix(pattern_id)
    assert (fix["mode"], fix["disabled_at"]) == ("live", None)
    _failed(outcomes, pattern_id, "-")
    fix = patterns.fix(pattern_id)
    assert (fix["mode"], fix["disabled_at"]) == ("demoted", None)


@pytest.mark.parametrize("who", ["user", "viewer", "operator", "engine"])
def test_only_an_administrator_puts_a_fix_back(
    request: pytest.FixtureRequest,
    patterns: Patterns,
    outcomes: Outcomes,
    pattern_id: str,
    who: str,
) -> None:
    """PL001, or PL011 for the secret key; nor does any time that passes bring it back."""
    _failed(outcomes, pattern_id, "--")
    caller = request.getfixturevalue(who)
    rest: Rest = getattr(caller, "rest", caller)
    with pytest.raises(RefusedError) as refused:
        rest.call(
            "enable_fix_v1",
            p_pattern_id=pattern_id,
            p_sha256=patterns.fix(pattern_id)["sha256"],
            p_reason="x",
        )
    assert refused.value.code == ("PL011" if who == "engine" else "PL001")
    outcomes.passes(pattern_id, 100 * 86_400)
    outcomes.judge(pattern_id)
    assert not patterns.claim(pattern_id)["claimed"]
    assert patterns.fix(pattern_id)["mode"] == "demoted"


# -- Several at once ----------------------------------------------------------------------------


@pytest.mark.usefixtures("resumed")
def test_a_storm_pauses_all_fixes_once(engine: Rest, patterns: Patterns, database: Sql) -> None:
    """16 patterns fire at the same moment: those below the threshold run, one pause, one event."""
    database.run("update ops.pattern_claims set claimed_at = claimed_at - interval '1 hour'")
    made = [patterns.new() for _ in range(16)]
    for pattern_id in made:
        patterns.approve(pattern_id)
    policy = POLICY | {"storm_patterns": 6, "storm_seconds": 60, "storm_pause_seconds": 300}
    before = {row["pause_id"] for row in engine.select("fix_pauses")}

    def claim(pattern_id: str) -> dict[str, Any]:
        return patterns.claim(pattern_id, p_policy=policy)

    with ThreadPoolExecutor(16) as pool:
        claims = list(pool.map(claim, made))
    assert sum(claim["claimed"] for claim in claims) == 5
    assert all("paused" in claim["reason"] for claim in claims if not claim["claimed"])
    (pause,) = [row for row in engine.select("fix_pauses") if row["pause_id"] not in before]
    assert (pause["cause"], pause["started_by"]) == ("storm", None)
    assert pause["reason"] == "6 patterns with a fix fired within 60 seconds"
    events = engine.select(
        "roman_events",
        event_type="eq.storm_stop",
        **{"metadata->>pause_id": f"eq.{pause['pause_id']}"},
    )
    assert [event["severity"] for event in events] == ["critical"]


@pytest.mark.usefixtures("resumed")
def test_one_pattern_however_often_is_no_storm(patterns: Patterns, database: Sql) -> None:
    """Different patterns count, and those within the seconds alone."""
    database.run("update ops.pattern_claims set claimed_at = claimed_at - interval '1 hour'")
    policy = POLICY | {"storm_patterns": 3, "storm_seconds": 60, "storm_pause_seconds": 300}
    made = [patterns.new() for _ in range(3)]
    for pattern_id in made:
        patterns.approve(pattern_id)
    for pattern_id in (*[made[0]] * 5, made[1]):
        assert patterns.claim(pattern_id, p_policy=policy)["claimed"]
    database.run(
        "update ops.pattern_claims set claimed_at = claimed_at - interval '61 s' "
        "where pattern_id = %s",
        made[1],
    )
    assert patterns.claim(made[2], p_policy=policy)["claimed"]
    assert not patterns.claim(made[1], p_policy=policy)["claimed"]


@pytest.mark.usefixtures("resumed")
def test_the_engine_stops_a_storm_that_it_sees(engine: Rest) -> None:
    """stop_for_storm_v1 pauses once, however often it is called; a missing threshold is PL022."""
    policy = POLICY | {"storm_pause_seconds": 300}
    with ThreadPoolExecutor(8) as pool:
        told = list(
            pool.map(
                lambda _: engine.call("stop_for_storm_v1", p_patterns=12, p_policy=policy),
                range(8),
            )
        )
    assert len(set(told)) == 1
    assert "12 patterns with a fix fired" in told[0]
    with pytest.raises(RefusedError) as refused:
        engine.call("stop_for_storm_v1", p_patterns=12, p_policy={})
    assert refused.value.code == "PL022"


@pytest.mark.parametrize("rows", ["one log row", "many log rows", "no log row"])
def test_of_32_claims_at_once_the_cooldown_lets_one_through(
    patterns: Patterns, pattern_id: str, rows: str
) -> None:
    """Different errors of one pattern at the same moment are one run."""
    policy = POLICY | {"cooldown_seconds": 60}
    log_ids: list[int | None] = [None] * 32
    if rows == "one log row":
        log_ids = [patterns.log_row()] * 32
    elif rows == "many log rows":
        log_ids = list(patterns.log_rows(32))
    with ThreadPoolExecutor(32) as pool:
        claims = list(
            pool.map(lambda log_id: patterns.claim(pattern_id, log_id, p_policy=policy), log_ids)
        )
    assert sum(claim["claimed"] for claim in claims) == 1
    assert all(claim["reason"] for claim in claims if not claim["claimed"])


def test_a_burst_of_violations_is_told_once(engine: Rest, pattern_id: str) -> None:
    """Once a minute for the same laws; other laws are another story."""

    def violate(*laws: int) -> None:
        verdict = {"laws": [{"law": law, "outcome": "fail"} for law in laws], "compliant": False}
        engine.call("record_violation_v1", p_pattern_id=pattern_id, p_validation=verdict)

    for laws in ((4,), (4,), (2, 4), (4,), (2, 4)):
        violate(*laws)
    assert len(_events(engine, "constitutional_violation", pattern_id)) == 2
