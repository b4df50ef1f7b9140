"""Request, review, decide on the real database: tried for real, undone, and approved by its hash."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from psycopg.sql import SQL, Identifier
from tests.conftest import RefusedError
from tests.database.approval.proposing import mend, message
from tests.database.steering.steering import events, refused

from pattern_engine.approval.previews import NO_ERROR
from pattern_engine.exceptions import (
    FixNotPinned,
    InvalidParameters,
    OwnFix,
    ProposalClosed,
    UnknownPattern,
)
from pattern_engine.fixes.execution import Limits

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import People, Person, Rest, Sql
    from tests.database.approval.proposing import Desk
    from tests.database.conftest import Orders, Patterns

ABSENT = "99999999-9999-4999-8999-999999999999"
FIX: dict[str, Any] = {
    "type": "sql",
    "script": "select 1",
    "prepared_script": "select 1",
    "parameters": {},
    "tables": [],
}


def propose(person: Person, pattern_id: str, *, seconds: float = 3600, **fix: object) -> Any:
    """Propose a fix directly; the proposal."""
    return person.rest.call(
        "propose_fix_v1",
        p_pattern_id=pattern_id,
        p_fix=FIX | fix,
        p_analysis={"operations": []},
        p_seconds=seconds,
    )


def decide(person: Person, proposal: dict[str, Any], **changes: object) -> Any:
    """Approve a proposal directly, unless the changes say otherwise; proposal and pattern."""
    arguments = {
        "p_proposal_id": proposal["proposal_id"],
        "p_sha256": proposal["sha256"],
        "p_decision": "approve",
        "p_reason": None,
    }
    return person.rest.call("decide_fix_v1", **(arguments | changes))


def stored(engine: Rest, proposal_id: str) -> dict[str, Any]:
    """A proposal as it is stored."""
    (row,) = engine.select("fix_proposals", proposal_id=f"eq.{proposal_id}")
    return row


# -- from the request to the run ------------------------------------------------------------------


def test_a_fix_is_proposed_looked_at_approved_and_runs(
    desk: Desk, orders: Orders, operator: Person, administrator: Person, patterns: Patterns
) -> None:
    """The very bytes that were tried are pinned, with who proposed and who approved them."""
    pattern_id, _ = desk.occur(message())
    proposal = desk.propose(pattern_id, operator, mend(orders))
    assert proposal.dry_run is not None
    assert (proposal.dry_run["success"], proposal.dry_run["rows_touched"]) == (True, 10)
    assert orders.count("broken") == 10
    decided = desk.decide(proposal, administrator, reason="right")
    assert (decided.decision, decided.decided_by) == ("approved", administrator.id)
    fix = patterns.fix(pattern_id)
    assert (fix["sha256"], fix["mode"]) == (proposal.sha256, "live")
    assert (fix["proposed_by"], fix["approved_by"]) == (operator.id, administrator.id)
    assert (fix["proposal_id"], fix["dry_run_rows"]) == (proposal.proposal_id, 10)
    assert patterns.apply(pattern_id)["rows_touched"] == 10
    assert orders.count("mended") == 10


def test_a_dry_run_leaves_nothing_and_counts_cascades(
    desk: Desk, orders: Orders, operator: Person, administrator: Person, database: Sql
) -> None:
    """Rows that go with others count, by table; afterwards all of them are there."""
    lines = f"{orders.name}_lines"
    table = Identifier(*lines.split("."))
    for statement in (
        SQL("create table {} (order_id int references {} on delete cascade)").format(
            table, orders.identifier
        ),
        SQL("insert into {} select n % 10 + 1 from generate_series(1, 30) as n").format(table),
    ):
        database.connection.execute(statement)
    orders.grant("select", "update", "delete")
    pattern_id, _ = desk.occur(message())
    proposal = desk.propose(
        pattern_id, operator, f"delete from {orders.name} where id <= 2", max_rows=7
    )
    assert proposal.dry_run is not None
    assert proposal.dry_run["tables"] == {orders.name: 2, lines: 6}
    assert (proposal.dry_run["rows_touched"], proposal.dry_run["is_over_cap"]) == (8, True)
    with pytest.raises(InvalidParameters, match="touched 8 rows"):
        desk.decide(proposal, administrator)
    assert orders.count("broken") == 10
    left = database.connection.execute(SQL("select count(*) as n from {}").format(table))
    assert left.fetchone() == {"n": 30}
    database.connection.execute(SQL("drop table {}").format(table))


def test_the_dry_run_sees_the_latest_error(desk: Desk, orders: Orders, operator: Person) -> None:
    """The replay sees each stored one, with what was captured of it."""
    text = message()
    for number in (3, 4):
        pattern_id, _ = desk.occur(f"{text} at item {number}")
    script = (
        f"update {orders.name} set status = 'mended' "
        "where id = ($2 -> 'captured' ->> 'item')::integer and id > $1 ->> 'above'"
    ).replace("$1 ->> 'above'", "($1 ->> 'above')::integer")
    proposal = desk.propose(pattern_id, operator, script, above=3)
    assert proposal.dry_run is not None
    assert proposal.replay is not None
    assert proposal.dry_run["rows_touched"] == 1
    assert [each["rows_touched"] for each in proposal.replay["incidents"]] == [1, 0]
    assert proposal.replay["totals"]["would_run"] == 2
    assert orders.count("mended") == 0


def test_a_proposal_shows_what_errors_named(
    desk: Desk, patterns: Patterns, operator: Person
) -> None:
    """The approver sees which identifiers the errors of the pattern had, most often first."""
    table = patterns.word("orders")
    error = patterns.error()
    named = {"identifiers": {"table": table}}
    (first, *_) = patterns.learn(error | {"identifiers": {"table": "x"}}, *[error | named] * 2)
    proposal = desk.propose(first["pattern_id"], operator, "select 1")
    seen = [(each.identifiers, each.occurrences) for each in proposal.identifiers]
    assert seen == [({"table": table}, 2), ({"table": "x"}, 1)]


def test_a_replay_tells_who_would_be_refused(
    desk: Desk, orders: Orders, operator: Person, database: Sql
) -> None:
    """By the writer of the row, as the trigger recorded him."""
    text = message()
    pattern_id, log_id = desk.occur(text)
    database.run(
        "insert into ops.system_logs (message, source, log_level) values (%s, 'tests', 'error')",
        text,
    )
    other = database.value("select max(id) from ops.system_logs where message = %s", text)
    desk.patterns.learn(
        {
            "signature": database.value(
                "select signature from ops.pattern_incidents where system_log_id = %s", log_id
            ),
            "older": [],
            "system_log_id": other,
            "claimed_by": None,
            "error_message": None,
        }
    )
    proposal = desk.propose(pattern_id, operator, mend(orders))
    assert proposal.replay is not None
    first, second = proposal.replay["incidents"]
    assert (first["system_log_id"], second["system_log_id"]) == (other, log_id)
    assert "written by the role postgres" in first["refusal"]
    assert (second["refusal"], second["rows_touched"]) == (None, 10)


def test_a_script_that_fails_is_a_proposal_with_that_outcome(
    desk: Desk, orders: Orders, operator: Person, engine: Rest
) -> None:
    """What the database says is stored as the dry-run; no number of rows is made up."""
    pattern_id, _ = desk.occur(message())
    proposal = desk.propose(
        pattern_id, operator, f"update {orders.name} set id = id / 0 where status = 'broken'"
    )
    row = stored(engine, proposal.proposal_id)
    assert row["dry_run"]["success"] is False
    assert "division by zero" in row["dry_run"]["error"].lower()
    assert row["dry_run"]["rows_touched"] is None
    assert row["previewed_at"] is not None


def test_a_preview_is_of_the_data_of_today(desk: Desk, orders: Orders, operator: Person) -> None:
    """Made anew it may say something else; the digest stays."""
    pattern_id, _ = desk.occur(message())
    proposal = desk.propose(pattern_id, operator, mend(orders))
    orders.run("delete from {} where id > 4")
    again = desk.preview(proposal, operator)
    assert again.dry_run is not None
    assert again.dry_run["rows_touched"] == 4
    assert again.sha256 == proposal.sha256


def test_default_limits_are_those_of_the_database(
    operator: Person, administrator: Person, patterns: Patterns
) -> None:
    """Whoever plans a run says the same limits as whoever pins it."""
    pattern_id = patterns.new()
    decide(administrator, propose(operator, pattern_id))
    fix, limits = patterns.fix(pattern_id), Limits()
    assert fix["timeout_ms"] == limits.timeout_ms
    assert fix["max_retries"] == limits.max_retries
    assert fix["max_rows"] == limits.max_rows


# -- what is refused -------------------------------------------------------------------------------


def test_another_digest_is_refused(
    operator: Person, administrator: Person, patterns: Patterns, engine: Rest
) -> None:
    """PL006: who read something else decides nothing."""
    proposal = propose(operator, patterns.new())
    for digest in ("a" * 64, None):
        refused("PL006", lambda: decide(administrator, proposal, p_sha256=digest))  # noqa: B023
    assert stored(engine, proposal["proposal_id"])["decision"] is None


def test_an_expired_proposal_is_refused(
    operator: Person, administrator: Person, patterns: Patterns, database: Sql
) -> None:
    """PL028: neither tried nor decided, nor listed as open."""
    pattern_id = patterns.new()
    proposal = propose(operator, pattern_id, seconds=60)
    assert proposal["closed_because"] is None
    database.run(
        "update ops.fix_proposals set expires_at = now() - interval '1 s' where proposal_id = %s",
        proposal["proposal_id"],
    )
    assert "expired" in refused("PL028", lambda: decide(administrator, proposal)).words
    refused(
        "PL028",
        lambda: operator.rest.call("open_proposal_v1", p_proposal_id=proposal["proposal_id"]),
    )
    assert listed(operator, pattern_id) == []


def test_a_stale_proposal_is_refused(
    operator: Person, administrator: Person, patterns: Patterns
) -> None:
    """PL028: another version was approved since, even if it was disabled again."""
    pattern_id = patterns.new()
    proposal = propose(operator, pattern_id)
    patterns.approve(pattern_id, "select 2")
    patterns.disable(pattern_id)
    problem = refused("PL028", lambda: decide(administrator, proposal))
    assert "version 1" in problem.words
    assert listed(operator, pattern_id) == []
    assert [each["closed_because"] for each in listed(operator, pattern_id, open_only=False)] == [
        "version 1 of the fix was approved since"
    ]


@pytest.mark.parametrize("first", ["approve", "reject"])
@pytest.mark.parametrize("second", ["approve", "reject"])
def test_a_proposal_is_decided_once(
    operator: Person, administrator: Person, patterns: Patterns, first: str, second: str
) -> None:
    """PL028, whichever way it went."""
    pattern_id = patterns.new()
    proposal = propose(operator, pattern_id)
    decide(administrator, proposal, p_decision=first, p_reason="x")
    refused("PL028", lambda: decide(administrator, proposal, p_decision=second, p_reason="x"))


def test_a_rejection_is_kept_with_its_reason(
    operator: Person, administrator: Person, patterns: Patterns, engine: Rest
) -> None:
    """Who, when, why; no version of a fix comes of it, and there is an event."""
    pattern_id = patterns.new()
    proposal = propose(operator, pattern_id)
    decide(administrator, proposal, p_decision="reject", p_reason="touches refunds")
    row = stored(engine, proposal["proposal_id"])
    assert (row["decision"], row["decided_by"]) == ("rejected", administrator.id)
    assert (row["decision_reason"], row["decided_at"] is None) == ("touches refunds", False)
    assert engine.select("pattern_fixes", pattern_id=f"eq.{pattern_id}") == []
    (event,) = events(engine, "fix_rejected", proposal_id=proposal["proposal_id"])
    assert event["actor"] == administrator.id


def test_a_live_fix_stands_in_the_way(
    operator: Person, administrator: Person, patterns: Patterns
) -> None:
    """PL003: one pattern has one fix, a shadow included."""
    pattern_id = patterns.new()
    patterns.approve(pattern_id, "select 2", p_mode="shadow")
    proposal = propose(operator, pattern_id)
    refused("PL003", lambda: decide(administrator, proposal))


def test_a_proposal_that_was_changed_in_the_table_is_refused(
    operator: Person, administrator: Person, patterns: Patterns, database: Sql
) -> None:
    """PL006: the digest is worked out again before anything is pinned."""
    pattern_id = patterns.new()
    proposal = propose(operator, pattern_id)
    database.run(
        'update ops.fix_proposals set fix = fix || \'{"prepared_script": "select 3"}\' '
        "where proposal_id = %s",
        proposal["proposal_id"],
    )
    refused("PL006", lambda: decide(administrator, proposal))


def test_an_analysis_that_says_something_else_today_stops_an_approval(
    desk: Desk, administrator: Person, orders: Orders, database: Sql
) -> None:
    """The engine derives what would run once more."""
    pattern_id, _ = desk.occur(message())
    proposal = desk.propose(pattern_id, administrator, mend(orders))
    database.run(
        'update ops.fix_proposals set fix = fix || \'{"prepared_script": "select 3"}\' '
        "where proposal_id = %s",
        proposal.proposal_id,
    )
    with pytest.raises(FixNotPinned):
        desk.decide(proposal, administrator)
    with pytest.raises(FixNotPinned):
        desk.preview(proposal, administrator)


def test_two_people_are_two(
    desk: Desk,
    administrator: Person,
    people: People,
    orders: Orders,
    patterns: Patterns,
) -> None:
    """PL029: where two are asked for, the proposer does not approve, and may still reject."""
    strict = desk.with_thresholds(two_people=True)
    pattern_id, _ = desk.occur(message())
    proposal = strict.propose(pattern_id, administrator, mend(orders))
    with pytest.raises(OwnFix):
        strict.decide(proposal, administrator)
    other = people.new("ops_admin")
    assert strict.decide(proposal, other).decision == "approved"
    patterns.disable(pattern_id)
    mine = strict.propose(pattern_id, administrator, mend(orders))
    assert strict.decide(mine, administrator, decision="reject", reason="x").decision == "rejected"


def test_one_person_who_went_round_the_engine_gets_nothing_run(
    desk: Desk, administrator: Person, orders: Orders
) -> None:
    """The database is told by the engine that two are asked for; the engine looks again."""
    text = message()
    pattern_id, _ = desk.occur(text)
    desk.decide(desk.propose(pattern_id, administrator, mend(orders)), administrator)
    _, log_id = desk.occur(text)
    answer = desk.with_thresholds(two_people=True).heal(log_id)
    assert (answer.applied, "Approval takes two people" in str(answer.reason)) == (False, True)
    assert orders.count("broken") == 10
    assert desk.heal(log_id).applied is True


# -- shadows ---------------------------------------------------------------------------------------


def test_a_shadow_does_all_but_run_until_it_is_enabled(
    desk: Desk,
    operator: Person,
    administrator: Person,
    orders: Orders,
    patterns: Patterns,
    engine: Rest,
) -> None:
    """What would have run is on record; one call makes the same bytes live."""
    text = message()
    pattern_id, _ = desk.occur(text)
    proposal = desk.propose(pattern_id, operator, mend(orders))
    desk.decide(proposal, administrator, mode="shadow")
    _, log_id = desk.occur(text)
    answer = desk.heal(log_id)
    assert (answer.applied, "would have run" in str(answer.reason)) == (False, True)
    assert orders.count("broken") == 10
    (shadow,) = engine.select("pattern_verifications", pattern_id=f"eq.{pattern_id}")
    assert shadow["mode"] == "shadow"
    (event,) = events(engine, "fix_shadowed", pattern_id=pattern_id)
    assert event["metadata"]["sha256"] == proposal.sha256

    administrator.rest.call("enable_fix_v1", p_pattern_id=pattern_id, p_sha256=proposal.sha256)
    assert patterns.fix(pattern_id)["is_on_probation"] is False
    _, log_id = desk.occur(text)
    assert desk.heal(log_id).success is True
    assert orders.count("mended") == 10


def test_only_what_was_read_is_enabled(administrator: Person, patterns: Patterns) -> None:
    """PL006 for another digest, PL014 for a disabled one; it stays a shadow."""
    pattern_id = patterns.new()
    patterns.approve(pattern_id, p_mode="shadow")
    fix = patterns.fix(pattern_id)

    def enable(digest: str) -> Callable[[], object]:
        return lambda: administrator.rest.call(
            "enable_fix_v1", p_pattern_id=pattern_id, p_sha256=digest
        )

    refused("PL006", enable("a" * 64))
    assert patterns.fix(pattern_id)["mode"] == "shadow"
    patterns.disable(pattern_id)
    refused("PL014", enable(fix["sha256"]))


def test_who_proposed_a_shadow_does_not_make_it_live_where_two_are_asked_for(
    people: People, administrator: Person, patterns: Patterns
) -> None:
    """PL029: else one approves that nothing runs, and the other that it does, alone."""
    pattern_id, other = patterns.new(), people.new("ops_admin")
    proposal = propose(administrator, pattern_id)
    decide(other, proposal, p_mode="shadow", p_two_people=True)
    arguments = {
        "p_pattern_id": pattern_id,
        "p_sha256": proposal["sha256"],
        "p_two_people": True,
    }
    refused("PL029", lambda: administrator.rest.call("enable_fix_v1", **arguments))
    assert patterns.fix(pattern_id)["mode"] == "shadow"
    other.rest.call("enable_fix_v1", **arguments)
    assert patterns.fix(pattern_id)["mode"] == "live"


# -- who may ---------------------------------------------------------------------------------------


def listed(person: Person, pattern_id: str, *, open_only: bool = True) -> list[dict[str, Any]]:
    """The proposals for a pattern."""
    found: list[dict[str, Any]] = person.rest.call(
        "fix_proposals_v1", p_pattern_id=pattern_id, p_open_only=open_only
    )
    return found


@pytest.mark.parametrize("who", ["user", "viewer"])
def test_who_may_not_propose(
    request: pytest.FixtureRequest, patterns: Patterns, operator: Person, who: str
) -> None:
    """PL001: proposing, and having a proposal tried, takes an operator."""
    person: Person = request.getfixturevalue(who)
    pattern_id = patterns.new()
    refused("PL001", lambda: propose(person, pattern_id))
    proposal = propose(operator, pattern_id)
    refused(
        "PL001",
        lambda: person.rest.call("open_proposal_v1", p_proposal_id=proposal["proposal_id"]),
    )


@pytest.mark.parametrize("who", ["user", "viewer", "operator"])
def test_only_an_administrator_decides_and_enables(
    request: pytest.FixtureRequest, patterns: Patterns, operator: Person, engine: Rest, who: str
) -> None:
    """PL001 for everyone else; the proposal stays open, the shadow a shadow."""
    person: Person = request.getfixturevalue(who)
    proposal = propose(operator, patterns.new())
    for decision in ("approve", "reject"):
        refused("PL001", lambda: decide(person, proposal, p_decision=decision))  # noqa: B023
    assert stored(engine, proposal["proposal_id"])["decision"] is None
    shadow = patterns.new()
    patterns.approve(shadow, p_mode="shadow")
    digest = patterns.fix(shadow)["sha256"]
    refused(
        "PL001",
        lambda: person.rest.call("enable_fix_v1", p_pattern_id=shadow, p_sha256=digest),
    )


def test_operators_of_any_role_read_proposals(
    viewer: Person, operator: Person, administrator: Person, user: Person, patterns: Patterns
) -> None:
    """Users of the application do not."""
    pattern_id = patterns.new()
    proposal = propose(operator, pattern_id)
    for person in (viewer, operator, administrator):
        (found,) = listed(person, pattern_id)
        assert found["proposal_id"] == proposal["proposal_id"]
        assert "id" not in found
    refused("PL001", lambda: listed(user, pattern_id))
    assert user.rest.select("fix_proposals", pattern_id=f"eq.{pattern_id}") == []


def test_the_secret_key_is_no_person(engine: Rest, operator: Person, patterns: Patterns) -> None:
    """PL011: with it nobody proposes, has tried or decides."""
    pattern_id = patterns.new()
    proposal = propose(operator, pattern_id)
    calls: dict[str, dict[str, Any]] = {
        "propose_fix_v1": {
            "p_pattern_id": pattern_id,
            "p_fix": FIX,
            "p_analysis": {},
            "p_seconds": 60,
        },
        "open_proposal_v1": {"p_proposal_id": proposal["proposal_id"]},
        "decide_fix_v1": {
            "p_proposal_id": proposal["proposal_id"],
            "p_sha256": proposal["sha256"],
            "p_decision": "approve",
            "p_reason": None,
        },
        "enable_fix_v1": {"p_pattern_id": pattern_id, "p_sha256": "x"},
    }
    for name, arguments in calls.items():
        refused("PL011", lambda: engine.call(name, **arguments))  # noqa: B023


@pytest.mark.parametrize("function", ["rehearse_proposal_v1", "note_preview_v1", "incidents"])
def test_rehearsing_is_the_engines_alone(
    administrator: Person, operator: Person, patterns: Patterns, anon: Rest, function: str
) -> None:
    """Not even an administrator calls it: a rehearsal runs on real tables."""
    proposal_id = propose(operator, patterns.new())["proposal_id"]
    calls: dict[str, tuple[str, dict[str, Any]]] = {
        "rehearse_proposal_v1": (
            "rehearse_proposal_v1",
            {"p_proposal_id": proposal_id, "p_errors": [{}]},
        ),
        "note_preview_v1": (
            "note_preview_v1",
            {"p_proposal_id": proposal_id, "p_dry_run": {}, "p_replay": {}},
        ),
        "incidents": (
            "incidents_for_replay_v1",
            {"p_pattern_id": ABSENT, "p_guard": None, "p_limit": 1, "p_policy": {}},
        ),
    }
    name, arguments = calls[function]
    for rest in (administrator.rest, anon):
        with pytest.raises(RefusedError) as caught:
            rest.call(name, **arguments)
        assert caught.value.code == "42501"


def test_nothing_is_known_of_a_proposal_that_is_not_there(
    administrator: Person, engine: Rest, desk: Desk
) -> None:
    """PL027 for a proposal, PL002 for a pattern."""
    absent = {"proposal_id": ABSENT, "sha256": "a" * 64}
    refused("PL027", lambda: decide(administrator, absent))
    refused("PL027", lambda: administrator.rest.call("open_proposal_v1", p_proposal_id=ABSENT))
    refused(
        "PL027",
        lambda: engine.call("rehearse_proposal_v1", p_proposal_id=ABSENT, p_errors=[{}]),
    )
    with pytest.raises(UnknownPattern):
        desk.propose(ABSENT, administrator, "select 1")


def test_nothing_is_rehearsed_of_a_proposal_that_is_closed(
    desk: Desk, operator: Person, administrator: Person, orders: Orders
) -> None:
    """PL028: what nobody can approve any more needs no trying."""
    pattern_id, _ = desk.occur(message())
    proposal = desk.propose(pattern_id, operator, mend(orders))
    desk.decide(proposal, administrator, decision="reject", reason="x")
    with pytest.raises(ProposalClosed):
        desk.preview(proposal, operator)
    with pytest.raises(ProposalClosed):
        desk.database.rehearse_proposal(proposal.proposal_id, [NO_ERROR])
