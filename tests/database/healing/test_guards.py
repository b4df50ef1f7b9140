"""A guarded fix runs, is verified and is braked for its own errors, and for no others."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from psycopg.types.json import Jsonb
from tests.conftest import RefusedError
from tests.database.approval.proposing import caller, mend, word
from tests.database.healing.outcomes import WINDOW
from tests.database.healing.policy import POLICY, broken

from pattern_engine.healing import application, candidates
from pattern_engine.steering import steering
from pattern_engine.steering.models import ConfirmRequest

if TYPE_CHECKING:
    from tests.conftest import Person, Rest, Sql
    from tests.database.approval.proposing import Desk
    from tests.database.conftest import Orders, Patterns
    from tests.database.healing.outcomes import Outcomes

    from pattern_engine.healing.models import ApplyResponse


class Checks:
    """Violations of constraints of one table: one pattern of its own, whatever the constraint."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.table = word()
        self._cause = word()

    def message(self, constraint: str) -> str:
        """The message of a violation."""
        return f'{self._cause} found relation "{self.table}" against constraint "{constraint}"'

    def occurs(self, constraint: str) -> tuple[str, int]:
        """Have a violation occur and be learned; its pattern and log row."""
        return self._desk.occur(self.message(constraint))

    def heal(self, constraint: str) -> ApplyResponse:
        """Have a violation occur, and the engine look at it."""
        return self._desk.heal(self.occurs(constraint)[1])

    def approve(self, pattern_id: str, person: Person, script: str, **parameters: Any) -> None:
        """Have a person propose a fix and approve it."""
        self._desk.decide(self._desk.propose(pattern_id, person, script, **parameters), person)

    def named(self, constraint: str) -> dict[str, str]:
        """What a violation names."""
        return {"constraint": constraint, "table": self.table}


@pytest.fixture
def checks(desk: Desk) -> Checks:
    """A table whose constraints are violated."""
    return Checks(desk)


@pytest.fixture
def pattern_id(checks: Checks) -> str:
    """The pattern of the violations; of one constraint so far."""
    return checks.occurs("currency_check")[0]


def when(*constraints: str) -> dict[str, Any]:
    """The parameters of a fix for these constraints."""
    return {"when": {"constraint": list(constraints)}}


def test_a_fix_for_one_constraint_does_not_run_for_another(
    desk: Desk, checks: Checks, pattern_id: str, administrator: Person, orders: Orders
) -> None:
    """The refusal says what to confirm, and is noted; what was confirmed runs."""
    checks.approve(pattern_id, administrator, mend(orders))
    other, log_id = checks.occurs("total_check")
    assert other == pattern_id
    refused = desk.heal(log_id)
    assert refused.applied is False
    assert refused.reason is not None
    assert "was not approved for" in refused.reason
    assert 'POST /confirm with "version": 1' in refused.reason
    assert json.dumps(checks.named("total_check")) in refused.reason
    assert orders.count("broken") == 10
    assert checks.heal("currency_check").success is True
    assert orders.count("broken") == 0

    request = {"pattern_id": pattern_id, "identifiers": [checks.named("total_check")]}
    confirmed = steering.confirm(
        ConfirmRequest.model_validate(request), caller(administrator), desk.database
    )
    assert confirmed.confirmed_identifiers == [checks.named("total_check")]
    assert checks.heal("total_check").success is True
    assert checks.heal("third_check").applied is False


def test_a_pattern_shows_its_live_fix_and_not_an_older_shadow(
    engine: Rest,
    patterns: Patterns,
    desk: Desk,
    checks: Checks,
    pattern_id: str,
    administrator: Person,
    orders: Orders,
) -> None:
    """Script and figures are those of the version that runs; the shadow goes on beside it."""
    checks.occurs("total_check")
    script = mend(orders)
    shadow = desk.propose(pattern_id, administrator, script, **when("total_check"))
    desk.decide(shadow, administrator, mode="shadow")
    checks.approve(pattern_id, administrator, script, **when("currency_check"))
    assert checks.heal("currency_check").success is True
    assert checks.heal("total_check").applied is False
    (stored,) = engine.select("error_patterns", pattern_id=f"eq.{pattern_id}")
    assert stored["auto_fix_enabled"] is True
    assert stored["auto_fix_parameters"] == when("currency_check")
    claims = engine.select("pattern_claims", pattern_id=f"eq.{pattern_id}", order="fix_version")
    assert [claim["purpose"] for claim in claims] == ["shadow", "heal"]
    live = patterns.fix(pattern_id)
    assert stored["success_rate"] == live["success_rate"]


def test_a_refusal_is_noted_with_the_error(
    engine: Rest, patterns: Patterns, desk: Desk, checks: Checks, pattern_id: str
) -> None:
    """As other refusals are, so that the error is not sent again."""
    patterns.approve(pattern_id)
    _, log_id = checks.occurs("total_check")
    (found,) = candidates.find(desk.database, [desk.sighting(log_id)])
    healing = application.heal(desk.database, found, desk.settings)
    assert healing.note is not None
    desk.database.record_refusals([healing.note])
    (incident,) = engine.select("pattern_incidents", system_log_id=f"eq.{log_id}")
    assert incident["refusal"] == healing.answer.reason


def test_each_of_two_fixes_runs_for_its_own(
    patterns: Patterns, checks: Checks, pattern_id: str, administrator: Person, orders: Orders
) -> None:
    """Both are live on one pattern; each error finds the fix that was approved for it."""
    for number, constraint in enumerate(("currency_check", "total_check"), start=1):
        script = f"update {orders.name} set note = '{constraint}' where id = {number}"
        checks.approve(pattern_id, administrator, script, **when(constraint))

    def notes() -> list[str]:
        rows = orders.sql.rows(f"select note from {orders.name} where note is not null order by id")
        return [row["note"] for row in rows]

    assert checks.heal("total_check").success is True
    assert notes() == ["total_check"]
    assert checks.heal("currency_check").success is True
    assert notes() == ["currency_check", "total_check"]
    refused = checks.heal("third_check")
    assert (refused.applied, "was not approved for" in str(refused.reason)) == (False, True)
    patterns.disable(pattern_id, p_version=1)
    assert checks.heal("currency_check").applied is False
    assert checks.heal("total_check").success is True


def test_any_value_may_be_approved(
    checks: Checks, pattern_id: str, administrator: Person, orders: Orders
) -> None:
    """`*` lets the fix run for constraints that nobody has seen."""
    checks.approve(pattern_id, administrator, mend(orders), when={"constraint": "*"})
    assert checks.heal("never_seen_check").success is True


def test_an_error_that_names_nothing_comparable_is_refused(
    patterns: Patterns, desk: Desk, checks: Checks, pattern_id: str, engine: Rest
) -> None:
    """There is nothing by which to tell whether the fix is for it."""
    patterns.approve(pattern_id)
    signature = desk.sighting(checks.occurs("currency_check")[1]).group.signature
    for identifiers, confirmable in (
        ({}, {}),
        ({"schema": "public"}, {}),
        ({"table": checks.table}, {"table": checks.table}),
        (None, {}),
    ):
        query = {"signatures": [signature], "system_log_id": None, "identifiers": identifiers}
        found = engine.call("find_candidates_v1", p_errors=[query])[0]
        assert found["fix"] is None
        assert found["outside_guard"] == {"version": 1, "identifiers": confirmable}


def test_a_claim_compares_again(patterns: Patterns, checks: Checks, pattern_id: str) -> None:
    """The database decides last: what is outside the guard is not claimed, whoever found it."""
    patterns.approve(pattern_id)
    outside = {"code": "outside_guard"}
    assert patterns.claim(pattern_id)["refusal"] == outside
    other = checks.named("total_check")
    assert patterns.claim(pattern_id, p_identifiers=other)["refusal"] == outside
    own = checks.named("currency_check")
    assert patterns.claim(pattern_id, p_identifiers=own)["refusal"] is None


def test_a_changed_guard_is_refused(admin: Sql, patterns: Patterns, pattern_id: str) -> None:
    """The guard is part of the digest, so nobody widens it without an approval."""
    patterns.approve(pattern_id)
    with admin.undone():
        admin.run("set local session_replication_role = replica")
        admin.run(
            """update ops.pattern_fixes set guard = '[{"constraint": "*"}]' where pattern_id = %s""",
            pattern_id,
        )
        assert admin.value(
            """select ops_internal.is_as_approved(fixes, patterns) from ops.pattern_fixes as fixes
               join ops.error_patterns as patterns using (pattern_id) where pattern_id = %s""",
            pattern_id,
        ) is False  # fmt: skip
    with pytest.raises(RefusedError):
        patterns.approve(pattern_id, "select 2")


# Verification and brakes, by what errors name.


class Guarded:
    """A pattern with one fix for each of two constraints, versions 1 and 2."""

    def __init__(self, patterns: Patterns, outcomes: Outcomes, database: Sql, engine: Rest) -> None:
        self._patterns, self._outcomes, self._database = patterns, outcomes, database
        self._engine = engine
        self.pattern_id = patterns.new()
        for name in ("a", "b"):
            patterns.approve(self.pattern_id, f"select '{name}'", parameters=when(name))

    def finish(self, version: int, *, success: bool = True) -> str:
        """Have a run of one of the fixes end."""
        run = self.claim(version)["application_id"]
        self._outcomes.record(run, success=success)
        return str(run)

    def claim(self, version: int, **policy: float) -> dict[str, Any]:
        """Claim an error of one of the constraints."""
        fix = self.fix(version)
        return self._patterns.claim(
            self.pattern_id,
            p_fix_version=version,
            p_sha256=fix["sha256"],
            p_identifiers=fix["guard"][0],
            p_policy=POLICY | policy,
        )

    def fix(self, version: int) -> dict[str, Any]:
        """The stored fix."""
        (fix,) = self._engine.select(
            "pattern_fixes", pattern_id=f"eq.{self.pattern_id}", version=f"eq.{version}"
        )
        return fix

    def occurs(self, constraint: str, seconds_ago: float = 0) -> None:
        """Have an error of a constraint occur."""
        self._outcomes.occurs(self.pattern_id, seconds_ago)
        self._database.run(
            """update ops.pattern_incidents set identifiers = %s
               where id = (select max(id) from ops.pattern_incidents where pattern_id = %s)""",
            Jsonb({"constraint": constraint}),
            self.pattern_id,
        )

    def outcome(self, run: str) -> str:
        """What became of a run."""
        self._outcomes.judge(self.pattern_id)
        return str(self._outcomes.of(run)["outcome"])


@pytest.fixture
def guarded(patterns: Patterns, outcomes: Outcomes, database: Sql, engine: Rest) -> Guarded:
    """Two fixes on one pattern."""
    return Guarded(patterns, outcomes, database, engine)


def test_another_constraints_error_is_no_recurrence(guarded: Guarded) -> None:
    """Only an error for which this fix could have run shows that it did not help."""
    run = guarded.finish(1)
    guarded.occurs("b")
    guarded.occurs("c")
    assert guarded.outcome(run) == "pending"
    guarded.occurs("a")
    assert guarded.outcome(run) == "failed"


def test_a_confirmed_identifier_is_a_recurrence(guarded: Guarded, administrator: Person) -> None:
    """The fix was trusted with it, so it counts against the fix."""
    administrator.rest.call(
        "confirm_identifiers_v1",
        p_pattern_id=guarded.pattern_id,
        p_identifiers=[{"constraint": "c"}],
        p_version=1,
    )
    run, other = guarded.finish(1), guarded.finish(2)
    guarded.occurs("c")
    assert (guarded.outcome(run), guarded.outcome(other)) == ("failed", "pending")


def test_a_run_of_another_fix_supersedes_nothing(guarded: Guarded, outcomes: Outcomes) -> None:
    """It follows the run, and says nothing about the errors of the first fix."""
    run, other = guarded.finish(1), guarded.finish(2)
    outcomes.passes(guarded.pattern_id, WINDOW + 1)
    outcomes.traffic("tests", WINDOW / 2)
    assert (guarded.outcome(run), guarded.outcome(other)) == ("verified", "verified")


def test_a_window_is_as_long_as_the_gaps_of_its_own_errors(guarded: Guarded, database: Sql) -> None:
    """Errors of another constraint in between do not make it shorter."""
    for number in range(4):
        guarded.occurs("a", 5_000 * number + 1)
    for number in range(50):
        guarded.occurs("b", 10 * number + 1)
    windows = [
        database.value(
            """select extract(epoch from due_at - started_at)::int
               from ops.pattern_verifications where application_id = %s""",
            guarded.finish(version),
        )
        for version in (1, 2)
    ]
    assert windows == [pytest.approx(15_000, abs=10), 300]


def test_failures_of_one_fix_do_not_touch_the_other(guarded: Guarded, engine: Rest) -> None:
    """Rating, backoff and demotion are the fix's; the pattern stays enabled for the other."""
    for _ in range(3):
        guarded.finish(1, success=False)
    failed, other = guarded.fix(1), guarded.fix(2)
    assert (failed["consecutive_failures"], other["consecutive_failures"]) == (3, 0)
    assert (failed["confidence_outcomes"], other["confidence_outcomes"]) == (3, 0)
    claims = [guarded.claim(version, cooldown_seconds=0) for version in (1, 2)]
    refusals = [claim["refusal"] and claim["refusal"]["code"] for claim in claims]
    assert refusals == ["laws", None], "law 2 forbids what failed more often than it helped"
    guarded.finish(2)
    (row,) = engine.select("error_patterns", pattern_id=f"eq.{guarded.pattern_id}")
    assert row["auto_fix_enabled"] is True
    assert row["consecutive_failures"] == 3, "the pattern shows the figures of its oldest fix"


def test_a_demoted_fix_leaves_the_other_live(
    guarded: Guarded, engine: Rest, administrator: Person
) -> None:
    """And enabling it again, by its digest, puts it on probation alone."""
    for _ in range(2):
        run = guarded.claim(1, demote_after=2)["application_id"]
        outcome = {"success": False, "error": None, "execution_time_ms": 1}
        engine.call("finish_application_v1", p_application_id=run, p_outcome=outcome)
    modes = [guarded.fix(version)["mode"] for version in (1, 2)]
    assert modes == ["demoted", "live"]
    assert guarded.claim(1)["refusal"]["code"] == "demoted"
    assert guarded.claim(2)["refusal"] is None
    pattern = administrator.rest.call(
        "enable_fix_v1", p_pattern_id=guarded.pattern_id, p_sha256=guarded.fix(1)["sha256"]
    )
    assert pattern["auto_fix_enabled"] is True
    probation = [guarded.fix(version)["is_on_probation"] for version in (1, 2)]
    assert probation == [True, False]
    assert guarded.claim(1)["refusal"] is None


def test_each_fix_has_its_own_cooldown(guarded: Guarded) -> None:
    """A run for one constraint does not make the other wait; the budget of runs is the pattern's."""
    cooldown = {"cooldown_seconds": 60}
    assert guarded.claim(1, **cooldown)["refusal"] is None
    assert guarded.claim(2, **cooldown)["refusal"] is None
    assert broken(guarded.claim(1, **cooldown)) == [(4, "cooldown")]
    assert broken(guarded.claim(2, runs_per_hour=2)) == [(3, "runs")]


def test_a_new_version_continues_the_record_of_the_same_errors(
    guarded: Guarded, patterns: Patterns, outcomes: Outcomes
) -> None:
    """What replaces a fix takes over its rate; the other fix's runs do not count for it."""
    guarded.finish(1, success=False)
    guarded.finish(2)
    outcomes.passes(guarded.pattern_id, WINDOW + 1)
    outcomes.traffic("tests", WINDOW / 2)
    outcomes.judge(guarded.pattern_id)
    assert [guarded.fix(version)["success_rate"] for version in (1, 2)] == [0, 100]
    patterns.disable(guarded.pattern_id, p_version=2)
    patterns.approve(guarded.pattern_id, "select 'new'", parameters=when("b", "c"))
    new = guarded.fix(3)
    assert (new["success_rate"], new["confidence_outcomes"]) == (100, 0)
