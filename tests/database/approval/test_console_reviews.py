"""What the database computes for the pages on which people read and decide on fixes."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from tests.database.approval.proposing import mend
from tests.database.healing.policy import POLICY
from tests.database.steering.steering import refused

if TYPE_CHECKING:
    from tests.conftest import Person, Sql
    from tests.database.approval.proposing import Desk
    from tests.database.conftest import Orders, Patterns

ABSENT = "99999999-9999-4999-8999-999999999999"


def review(person: Person, proposal_id: str, *, two_people: bool = False) -> dict[str, Any]:
    """What the page of a proposal reads."""
    found: dict[str, Any] = person.rest.call(
        "console_proposal_v1", p_proposal_id=proposal_id, p_policy=POLICY, p_two_people=two_people
    )
    return found


def version(person: Person, pattern_id: str, number: int) -> dict[str, Any]:
    """What the page of an approved version reads."""
    found: dict[str, Any] = person.rest.call(
        "console_fix_v1", p_pattern_id=pattern_id, p_version=number, p_policy=POLICY
    )
    return found


def call(person: Person, *, function: str, **arguments: Any) -> Any:
    """Call a function in a person's name."""
    return person.rest.call(function, **arguments)


def outcomes(database: Sql, pattern_id: str, fix_version: int, *decided: str) -> None:
    """Record decided runs of a version, a minute apart, the oldest first."""
    for minutes, outcome in enumerate(reversed(decided), 1):
        database.run(
            """
            with claim as (
              insert into ops.pattern_claims (pattern_id, fix_version, sha256, error, policy, finished_at)
              values (%s, %s, 'x', '{}', '{}', now()) returning *
            )
            insert into ops.pattern_verifications (
              application_id, pattern_id, fix_version, mode, started_at, due_at, late_until, outcome,
              reason, decided_at, policy
            )
            select
              claim.application_id, claim.pattern_id, claim.fix_version, 'live',
              now() - make_interval(mins => %s), now(), now(), %s, 'because', now(), '{}'
            from claim
            """,
            pattern_id,
            fix_version,
            minutes,
            outcome,
        )


def named(table: str) -> str:
    """A message of one pattern that names a table."""
    return f'relation "{table}" does not exist'


@pytest.fixture
def of_tables(desk: Desk) -> tuple[str, str]:
    """A pattern whose errors named two tables, each once."""
    pattern_id, _ = desk.occur(named("review_one"), error_data={"code": "42P01"})
    other, _ = desk.occur(named("review_two"), error_data={"code": "42P01"})
    assert pattern_id == other
    return pattern_id, "review_one"


def test_a_review_tells_what_a_decision_rests_on(
    desk: Desk,
    operator: Person,
    viewer: Person,
    orders: Orders,
    database: Sql,
) -> None:
    """Counts, limits, the laws by earlier errors, the window, and who may decide."""
    pattern_id, log_id = desk.occur(f"order of {orders.name} is broken in {orders.name}")
    proposal = desk.propose(pattern_id, operator, mend(orders), max_rows=7)
    found = review(viewer, proposal.proposal_id)
    assert found["proposal"]["author"] == operator.email
    assert found["proposal"]["closed_because"] is None
    assert found["proposal"]["is_as_proposed"] is True
    assert (found["limits"]["max_rows"], found["limits"]["timeout_ms"]) == (7, 5000)
    assert found["pattern"]["example"] == database.value(
        "select message from ops.system_logs where id = %s", log_id
    )
    assert found["trend"] == {"last_hour": 1, "last_day": 1, "day_before": 0, "is_cut": False}
    assert (found["previous"], found["latest_version"]) == (None, None)
    assert found["record"]["latest"] == []
    assert found["record"]["lower_bound"] is None
    parts = {part["part"]: part["holds"] for part in found["parts"]}
    assert parts["confidence"] is True
    assert parts["cooldown"] is None
    assert {part["law"] for part in found["parts"]} == {2, 3, 4}
    assert found["window_seconds"] > 0


def test_two_people_leave_the_author_out_of_those_who_decide(
    desk: Desk, administrator: Person, orders: Orders, database: Sql
) -> None:
    """An administrator who wrote the fix decides on it only where one person may."""
    database.run(
        "delete from ops.operators where role = 'ops_admin' and user_id <> %s", administrator.id
    )
    pattern_id, _ = desk.occur(f"order of {orders.name} is broken in {orders.name}")
    proposal = desk.propose(pattern_id, administrator, mend(orders))
    assert review(administrator, proposal.proposal_id)["deciders"] == [administrator.email]
    assert review(administrator, proposal.proposal_id, two_people=True)["deciders"] == []


def test_changed_bytes_are_told_before_anybody_decides(
    desk: Desk, operator: Person, orders: Orders, database: Sql
) -> None:
    """The page says that what is stored is not what was proposed."""
    pattern_id, _ = desk.occur(f"order of {orders.name} is broken in {orders.name}")
    proposal = desk.propose(pattern_id, operator, mend(orders))
    database.run(
        "update ops.fix_proposals set fix = jsonb_set(fix, '{script}', '\"select 2\"')"
        " where proposal_id = %s",
        proposal.proposal_id,
    )
    found = review(operator, proposal.proposal_id)
    assert found["proposal"]["is_as_proposed"] is False
    assert found["limits"]["sha256"] != proposal.sha256


def test_only_versions_for_the_same_errors_are_compared_and_counted(
    desk: Desk, patterns: Patterns, administrator: Person, of_tables: tuple[str, str], database: Sql
) -> None:
    """A fix for other errors of the pattern is neither the version before nor in the record."""
    pattern_id, table = of_tables
    patterns.approve(pattern_id, "select 1", parameters={"when": {"table": [table]}})
    patterns.approve(pattern_id, "select 2", parameters={"when": {"table": ["review_two"]}})
    outcomes(database, pattern_id, 1, "failed", "verified", "verified", "verified")
    outcomes(database, pattern_id, 2, "failed", "failed")
    proposal = desk.propose(pattern_id, administrator, "select 3", when={"table": [table]})
    found = review(administrator, proposal.proposal_id)
    assert found["previous"]["version"] == 1
    assert found["previous"]["state"] == "live"
    assert found["latest_version"] == 2
    record = found["record"]
    assert record["versions"] == [1]
    assert (record["verified"], record["failed"]) == (3, 1)
    assert 0.30 < record["lower_bound"] < 0.35  # Beta(4, 2) has its 5 % quantile at 0.343.
    assert 0.92 < record["upper_bound"] < 0.93  # And its 95 % quantile at 0.924.
    assert [each["outcome"] for each in record["latest"]] == [*["verified"] * 3, "failed"]
    assert found["coverage"]["outside"] == 1
    assert found["coverage"]["samples"][0]["identifiers"]["table"] == "review_two"


def test_a_version_is_shown_with_its_runs_and_its_state(
    patterns: Patterns, administrator: Person, viewer: Person
) -> None:
    """The latest run comes first, and who switched it off and why is told."""
    pattern_id = patterns.new()
    patterns.approve(pattern_id, "select 7")
    patterns.apply(pattern_id)
    (run,) = version(viewer, pattern_id, 1)["runs"]
    assert (run["purpose"], run["success"], run["outcome"]) == ("heal", True, "pending")
    patterns.disable(pattern_id, "no longer needed")
    fix = version(viewer, pattern_id, 1)["fix"]
    assert (fix["state"], fix["disabled_reason"]) == ("disabled", "no longer needed")
    assert fix["disabled_by"] == fix["approved_by"] == administrator.email
    assert fix["is_pinned"] is True


def test_the_form_starts_from_what_errors_named_and_from_another_version(
    desk: Desk, patterns: Patterns, operator: Person, of_tables: tuple[str, str]
) -> None:
    """The tuples that would guard the fix, earlier versions, open proposals, and the copied one."""
    pattern_id, table = of_tables
    patterns.approve(pattern_id, "select 1", parameters={"when": {"table": [table]}})
    proposal = desk.propose(pattern_id, operator, "select 3")
    found = operator.rest.call(
        "console_propose_v1",
        p_pattern_id=pattern_id,
        p_from_pattern_id=pattern_id,
        p_from_version=1,
    )
    assert {each["table"] for each in found["seen"]} >= {table, "review_two"}
    assert [each["version"] for each in found["versions"]][-1] == 1
    assert proposal.proposal_id in {each["proposal_id"] for each in found["open_proposals"]}
    assert found["source"]["script"] == "select 1"


def test_what_is_not_there_and_who_may_not_look(user: Person, viewer: Person) -> None:
    """Unknown ids have their own codes, and somebody without a role reads nothing."""
    absent: dict[str, dict[str, Any]] = {
        "console_proposal_v1": {"p_proposal_id": ABSENT, "p_policy": POLICY},
        "console_fix_v1": {"p_pattern_id": ABSENT, "p_version": 1, "p_policy": POLICY},
        "console_propose_v1": {"p_pattern_id": ABSENT},
    }
    for function, code in zip(absent, ("PL027", "PL002", "PL002"), strict=True):
        ask = partial(call, function=function, **absent[function])
        refused(code, partial(ask, viewer))
        refused("PL001", partial(ask, user))
