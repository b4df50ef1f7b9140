"""What holds claims back: cooldown, budgets, the breaker. See also test_storms and test_pauses."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from tests.conftest import RefusedError
from tests.database.healing.policy import PARTS, POLICY, broken, number

if TYPE_CHECKING:
    from tests.conftest import Person, Rest, Sql
    from tests.database.conftest import Orders, Patterns
    from tests.database.healing.outcomes import Outcomes


@pytest.fixture
def pattern_id(patterns: Patterns) -> str:
    """A pattern with an approved fix, seen once."""
    made = patterns.new()
    patterns.approve(made)
    return made


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
    """Within the cooldown a claim is refused by Law 4, and after it, granted."""
    policy = POLICY | {"cooldown_seconds": 60}
    assert patterns.claim(pattern_id, patterns.log_row(), p_policy=policy)["refusal"] is None
    refused = patterns.claim(pattern_id, patterns.log_row(), p_policy=policy)
    assert (refused["refusal"], refused["application_id"]) == ({"code": "laws"}, None)
    assert broken(refused) == [(4, "cooldown")]
    assert number(refused, "pause_seconds") == 60
    outcomes.passes(pattern_id, 59)
    assert patterns.claim(pattern_id, patterns.log_row(), p_policy=policy)["refusal"]
    outcomes.passes(pattern_id, 2)
    assert patterns.claim(pattern_id, patterns.log_row(), p_policy=policy)["refusal"] is None


def test_errors_without_a_log_row_wait_as_well(patterns: Patterns, pattern_id: str) -> None:
    """Nothing tells two of them apart, and all the more so the cooldown holds."""
    policy = POLICY | {"cooldown_seconds": 60}
    claims = [patterns.claim(pattern_id, p_policy=policy) for _ in range(3)]
    assert [broken(claim) for claim in claims] == [[], [(4, "cooldown")], [(4, "cooldown")]]


def test_each_target_has_its_own_cooldown(patterns: Patterns, pattern_id: str) -> None:
    """A fix that ran for one target may run for another at once."""
    policy = POLICY | {"cooldown_seconds": 60}
    targets = ["one", "two", "one", "two", ""]
    claims = [patterns.claim(pattern_id, p_target=name, p_policy=policy) for name in targets]
    assert [claim["refusal"] is None for claim in claims] == [True, True, False, False, True]


def test_a_cooldown_may_be_longer_than_a_day(
    patterns: Patterns, outcomes: Outcomes, pattern_id: str
) -> None:
    """The last run is found however long ago it was."""
    policy = POLICY | {"cooldown_seconds": 86_400}
    for _ in range(2):
        outcomes.settle(pattern_id, "-")
    outcomes.passes(pattern_id, 86_400 + 60)
    refused = patterns.claim(pattern_id, p_policy=policy)
    assert broken(refused) == [(4, "cooldown")]
    assert number(refused, "pause_seconds") == 172_800
    outcomes.passes(pattern_id, 86_400)
    assert patterns.claim(pattern_id, p_policy=policy)["refusal"] is None


@pytest.mark.parametrize(("failures", "factor"), [(0, 1), (1, 1), (2, 2), (3, 3), (4, 5), (5, 8)])
def test_the_cooldown_grows_with_failures_in_a_row(
    patterns: Patterns, outcomes: Outcomes, pattern_id: str, failures: int, factor: int
) -> None:
    """The Fibonacci sequence: 1, 1, 2, 3, 5, 8 cooldowns; a verified run ends it."""
    policy = POLICY | {"cooldown_seconds": 100}
    # Law 2 forbids more failures than successes.
    for letter in "+" * failures + "-" * failures:
        outcomes.settle(pattern_id, letter)
    outcomes.begin(pattern_id)
    outcomes.passes(pattern_id, 100 * factor - 2)
    refused = patterns.claim(pattern_id, p_policy=policy)
    assert broken(refused) == [(4, "cooldown")]
    assert number(refused, "pause_seconds") == 100 * factor
    assert number(refused, "consecutive_failures") == failures
    outcomes.passes(pattern_id, 3)
    assert patterns.claim(pattern_id, p_policy=policy)["refusal"] is None
    outcomes.passes(pattern_id, 3600)
    outcomes.settle(pattern_id, "+")
    patterns.claim(pattern_id)
    assert number(patterns.claim(pattern_id, p_policy=policy), "pause_seconds") == 100


def test_runs_of_an_hour_are_counted(
    patterns: Patterns, outcomes: Outcomes, pattern_id: str
) -> None:
    """The budget of runs is the pattern's, whatever the target; an hour later it is there again."""
    policy = POLICY | {"runs_per_hour": 3}
    for place in range(3):
        claim = patterns.claim(pattern_id, p_policy=policy, p_target=str(place))
        assert claim["refusal"] is None
    refused = patterns.claim(pattern_id, p_policy=policy)
    assert (broken(refused), number(refused, "runs_last_hour")) == ([(3, "runs")], 3)
    patterns.disable(pattern_id)
    patterns.approve(pattern_id, "select 2")
    refused = patterns.claim(pattern_id, p_policy=policy)
    assert broken(refused) == [(3, "runs")], "a new version has no budget of its own"
    outcomes.passes(pattern_id, 3601)
    assert patterns.claim(pattern_id, p_policy=policy)["refusal"] is None


def test_rows_of_an_hour_are_counted(
    patterns: Patterns, outcomes: Outcomes, orders: Orders
) -> None:
    """A fix may touch as many rows as its budget has; with one more it waits for the hour's end."""
    pattern_id = patterns.new()
    patterns.approve(pattern_id, f"update {orders.name} set note = 'x' where id <= 3")
    policy = POLICY | {"rows_per_hour": 6}
    for _ in range(3):
        claim = patterns.claim(pattern_id, p_policy=policy)
        assert patterns.run(claim["application_id"])["rows_touched"] == 3
    refused = patterns.claim(pattern_id, p_policy=policy)
    assert (broken(refused), number(refused, "rows_last_hour")) == ([(3, "rows")], 9)
    outcomes.passes(pattern_id, 3601)
    assert patterns.claim(pattern_id, p_policy=policy)["refusal"] is None


BREAKER = POLICY | {"demote_after": 2, "disable_after": 3}


def _failed(outcomes: Outcomes, pattern_id: str, letters: str) -> None:
    for letter in letters:
        outcomes.settle(pattern_id, letter, policy=BREAKER)


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
    refused = patterns.claim(pattern_id, p_policy=BREAKER)["refusal"]
    assert refused == {"code": "demoted", "reason": "2 failed outcomes in a row"}
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
    outcomes.finish(pattern_id, policy=BREAKER)
    outcomes.passes(pattern_id, 10)
    outcomes.occurs(pattern_id)
    assert patterns.claim(pattern_id, p_policy=BREAKER)["refusal"]["code"] == "demoted"
    assert patterns.fix(pattern_id)["mode"] == "demoted"


def test_a_demoted_fix_does_not_run_what_it_had_claimed(
    patterns: Patterns, outcomes: Outcomes, orders: Orders
) -> None:
    """PL014 between claim and run, as with a disabled one."""
    pattern_id = patterns.new()
    patterns.approve(pattern_id, f"update {orders.name} set status = 'fixed' where id = 1")
    claim = patterns.claim(pattern_id, p_policy=BREAKER)
    _failed(outcomes, pattern_id, "--")
    assert patterns.fix(pattern_id)["mode"] == "demoted"
    assert patterns.run(claim["application_id"])["success"] is False
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
    assert fix["disabled_reason"] == "1 failed outcomes in a row after it was enabled again"
    events = _events(engine, "pattern_disabled", pattern_id)
    assert [(event["severity"], event["actor"]) for event in events] == [("warning", None)]
    assert patterns.claim(pattern_id)["refusal"] == {"code": "not_live"}
    with pytest.raises(RefusedError) as refused:
        administrator.rest.call(
            "enable_fix_v1", p_pattern_id=pattern_id, p_sha256=digest, p_reason=None
        )
    assert refused.value.code == "PL014"


def test_a_fix_that_is_put_back_begins_anew(
    patterns: Patterns, outcomes: Outcomes, administrator: Person, pattern_id: str
) -> None:
    """On probation Law 2 does not see the failures that demoted it: it could never run again."""
    for letter in "+---":
        outcomes.settle(pattern_id, letter)
    assert broken(patterns.claim(pattern_id)) == [(2, "history")]
    outcomes.settle(pattern_id, "-", policy=BREAKER)
    fix = patterns.fix(pattern_id)
    assert fix["mode"] == "demoted"
    administrator.rest.call("enable_fix_v1", p_pattern_id=pattern_id, p_sha256=fix["sha256"])
    claim = patterns.claim(pattern_id)
    assert claim["refusal"] is None
    assert (number(claim, "verified_outcomes"), number(claim, "failed_outcomes")) == (0, 0)


def test_a_verdict_tells_how_the_fix_did_of_late(
    patterns: Patterns, outcomes: Outcomes, pattern_id: str
) -> None:
    """The latest ten decided outcomes and the flaps of a day; a pending run is no outcome."""
    names = ("verified_outcomes", "failed_outcomes", "flaps_last_day")
    for letter in "--?" + "+" * 9:
        last = outcomes.settle(pattern_id, letter)
    claim = patterns.claim(pattern_id)
    assert [number(claim, name) for name in names] == [9, 1, 0]
    outcomes.occurs(pattern_id)
    assert outcomes.judge(pattern_id) == 1
    assert outcomes.of(last)["outcome"] == "failed"
    outcomes.finish(pattern_id)
    claim = patterns.claim(pattern_id)
    assert [number(claim, name) for name in names] == [8, 2, 1]


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
    assert patterns.claim(pattern_id)["refusal"]["code"] == "demoted"
    assert patterns.fix(pattern_id)["mode"] == "demoted"


# -- Several at once ----------------------------------------------------------------------------


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
    refusals = [claim["refusal"]["code"] for claim in claims if claim["refusal"]]
    assert len(refusals) == 31
    assert set(refusals) == {"in_hand" if rows == "one log row" else "laws"}


OBJECTION = {
    "law": 1,
    "part": "analysis",
    "holds": False,
    "numbers": {"findings": ["x"]},
    "risk": 1,
}


def test_what_the_laws_forbid_is_recorded(
    engine: Rest, patterns: Patterns, pattern_id: str
) -> None:
    """The event and the pattern keep the verdict that was answered; nothing was claimed."""
    parts = [OBJECTION if part["part"] == "analysis" else part for part in PARTS]
    refused = patterns.claim(pattern_id, patterns.log_row(), p_parts=parts)
    verdict = refused["validation"]
    assert refused == {
        "application_id": None,
        "refusal": {"code": "laws"},
        "validation": verdict,
        "job": None,
    }
    assert broken(refused) == [(1, "analysis")]
    (event,) = _events(engine, "constitutional_violation", pattern_id)
    assert event["severity"] == "warning"
    assert event["constitutional_validation"] == verdict
    assert event["metadata"]["constitutional_validation"] == verdict
    stored = engine.select("error_patterns", pattern_id=f"eq.{pattern_id}")[0]
    assert stored["constitutional_violations"] == verdict
    assert engine.select("pattern_claims", pattern_id=f"eq.{pattern_id}") == []


def test_a_burst_of_violations_is_told_once(
    engine: Rest, patterns: Patterns, database: Sql, pattern_id: str
) -> None:
    """Once a minute for the same laws; other laws are told by themselves."""
    patterns.claim(pattern_id)
    wait, spent = {"cooldown_seconds": 60}, {"runs_per_hour": 1}
    for policy in (wait, wait, wait | spent, wait, wait | spent):
        assert patterns.claim(pattern_id, p_policy=POLICY | policy)["refusal"] == {"code": "laws"}
    told = _events(engine, "constitutional_violation", pattern_id)
    failed = [
        [
            law["law"]
            for law in event["constitutional_validation"]["laws"]
            if law["outcome"] == "fail"
        ]
        for event in told
    ]
    assert failed == [[4], [3, 4]]
    database.run(
        "update ops.roman_events set created_at = created_at - interval '61 s' where id = any(%s)",
        [event["id"] for event in told],
    )
    patterns.claim(pattern_id, p_policy=POLICY | wait)
    assert len(_events(engine, "constitutional_violation", pattern_id)) == 3
