"""Taking a run back on the real database: once, by the pinned undo script, by a person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from tests.conftest import RefusedError
from tests.database.approval.proposing import message
from tests.database.steering.steering import events, refused

from pattern_engine.exceptions import NotUndoable

if TYPE_CHECKING:
    from tests.conftest import Person, Rest, Sql
    from tests.database.approval.proposing import Desk
    from tests.database.conftest import Orders, Patterns

ABSENT = "99999999-9999-4999-8999-999999999999"


def change_one(orders: Orders, status: str) -> str:
    """A script that gives the order that the error names a status."""
    return (
        f"update {orders.name} set status = '{status}' "
        "where id = ($2 -> 'captured' ->> 'item')::integer"
    )


@dataclass(frozen=True)
class Run:
    """A run that a person may want back."""

    pattern_id: str
    application_id: str
    text: str


@pytest.fixture
def run(desk: Desk, administrator: Person, orders: Orders, engine: Rest) -> Run:
    """Order 3 was mended, by a fix with an undo script."""
    return heal(desk, administrator, orders, engine, change_one(orders, "broken"))


def heal(
    desk: Desk, administrator: Person, orders: Orders, engine: Rest, undo_script: str | None
) -> Run:
    """Have an error heal by an approved fix."""
    text = f"{message()} at item 3"
    pattern_id, _ = desk.occur(text)
    proposal = desk.propose(
        pattern_id, administrator, change_one(orders, "mended"), undo_script=undo_script
    )
    desk.decide(proposal, administrator)
    _, log_id = desk.occur(text)
    assert desk.heal(log_id).success is True
    assert orders.count("mended") == 1
    (claim,) = engine.select("pattern_claims", system_log_id=f"eq.{log_id}", purpose="eq.heal")
    return Run(pattern_id, claim["application_id"], text)


def test_a_run_is_taken_back_by_its_undo_script(
    desk: Desk, operator: Person, orders: Orders, run: Run, engine: Rest
) -> None:
    """It sees what the fix saw, so that it finds the same row; the record names the run."""
    answer = desk.roll_back(run.application_id, operator)
    assert (answer.success, answer.rows_touched) == (True, 1)
    assert answer.tables == {orders.name: 1}
    assert orders.count("mended") == 0
    (row,) = engine.select("pattern_applications", application_id=f"eq.{answer.application_id}")
    assert row["fix_script_executed"].lower().count("'broken'") == 1
    assert (row["metadata"]["purpose"], row["metadata"]["undoes"]) == ("undo", run.application_id)
    (claim,) = engine.select("pattern_claims", application_id=f"eq.{answer.application_id}")
    assert claim["claimed_by"] == operator.id
    (event,) = events(engine, "rollback_ordered", undoes=run.application_id)
    assert event["actor"] == operator.id


def test_what_the_undo_script_saw_is_forgotten_again(
    desk: Desk, operator: Person, run: Run, engine: Rest
) -> None:
    """As after every run."""
    answer = desk.roll_back(run.application_id, operator)
    (claim,) = engine.select("pattern_claims", application_id=f"eq.{answer.application_id}")
    assert "captured" not in claim["error"]
    assert not engine.call("recall_error_v1", p_application_id=run.application_id, p_error={})


def test_a_run_is_taken_back_once(
    desk: Desk, operator: Person, administrator: Person, run: Run
) -> None:
    """PL021: a second time there is nothing to take back."""
    undone = desk.roll_back(run.application_id, operator)
    with pytest.raises(NotUndoable, match=f"the application {undone.application_id} undid it at 2"):
        desk.roll_back(run.application_id, administrator)


def test_what_took_a_run_back_is_not_taken_back(desk: Desk, operator: Person, run: Run) -> None:
    """PL021: it is on record beside the runs, and somebody will take it for one."""
    undone = desk.roll_back(run.application_id, operator)
    with pytest.raises(NotUndoable, match="itself the undoing of another run"):
        desk.roll_back(str(undone.application_id), operator)


def test_a_roll_back_under_way_is_not_begun_again(operator: Person, run: Run) -> None:
    """PL021: of two persons, one takes it back."""
    start = {"p_application_id": run.application_id}
    operator.rest.call("start_rollback_v1", **start)
    refused("PL021", lambda: operator.rest.call("start_rollback_v1", **start))


def test_the_fix_waits_for_a_person_afterwards(
    desk: Desk, operator: Person, run: Run, patterns: Patterns, engine: Rest
) -> None:
    """Demoted, its outcome failed; the next error is answered with the reason."""
    desk.roll_back(run.application_id, operator)
    fix = patterns.fix(run.pattern_id)
    assert (fix["mode"], fix["mode_changed_by"]) == ("demoted", operator.id)
    (verification,) = engine.select(
        "pattern_verifications", application_id=f"eq.{run.application_id}"
    )
    assert verification["outcome"] == "failed"
    assert "took the run back" in verification["reason"]
    _, log_id = desk.occur(run.text)
    answer = desk.heal(log_id)
    assert (answer.applied, "The fix was demoted" in str(answer.reason)) == (False, True)


def test_an_enabled_fix_is_on_probation_then(
    desk: Desk, operator: Person, administrator: Person, run: Run, patterns: Patterns
) -> None:
    """Who puts it back in use has read it."""
    desk.roll_back(run.application_id, operator)
    digest = patterns.fix(run.pattern_id)["sha256"]
    administrator.rest.call("enable_fix_v1", p_pattern_id=run.pattern_id, p_sha256=digest)
    fix = patterns.fix(run.pattern_id)
    assert (fix["mode"], fix["is_on_probation"]) == ("live", True)


def test_an_undo_that_fails_is_recorded_and_may_be_tried_again(
    desk: Desk, operator: Person, run: Run, orders: Orders, engine: Rest
) -> None:
    """Nothing of it was kept; the second attempt is a run of its own."""
    orders.run("revoke update on {} from ops_fixer")
    failed = desk.roll_back(run.application_id, operator)
    assert (failed.success, failed.rows_touched) == (False, 0)
    assert "permission denied" in str(failed.reason).lower()
    (row,) = engine.select("pattern_applications", application_id=f"eq.{failed.application_id}")
    assert row["success"] is False
    orders.run("grant update on {} to ops_fixer")
    again = desk.roll_back(run.application_id, operator)
    assert again.success is True
    assert again.application_id != failed.application_id
    with pytest.raises(NotUndoable):
        desk.roll_back(run.application_id, operator)


def test_a_pause_does_not_keep_a_person_from_it(
    desk: Desk, operator: Person, run: Run, orders: Orders, database: Sql
) -> None:
    """Pausing and then taking back is what one does when a fix goes wrong."""
    operator.rest.call("pause_fixes_v1", p_reason="it goes wrong", p_seconds=60)
    try:
        assert desk.roll_back(run.application_id, operator).success is True
    finally:
        database.run("update ops.fix_pauses set ended_at = now() where ended_at is null")
    assert orders.count("mended") == 0


def test_a_disabled_fix_is_taken_back_too(
    desk: Desk, operator: Person, run: Run, orders: Orders, patterns: Patterns
) -> None:
    """Its bytes are still those that were approved."""
    patterns.disable(run.pattern_id)
    assert desk.roll_back(run.application_id, operator).success is True
    assert orders.count("mended") == 0


def test_a_changed_undo_script_does_not_run(
    operator: Person, run: Run, orders: Orders, admin: Sql, patterns: Patterns
) -> None:
    """PL006: it is pinned like the fix, and nothing is claimed or demoted by the attempt."""
    with admin.connection.transaction():
        admin.run("alter table ops.pattern_fixes disable trigger keep_approved_fixes")
        admin.run(
            "update ops.pattern_fixes set prepared_undo_script = 'select 1' where pattern_id = %s",
            run.pattern_id,
        )
        admin.run("alter table ops.pattern_fixes enable trigger keep_approved_fixes")
    arguments = {"p_application_id": run.application_id}
    refused("PL006", lambda: operator.rest.call("start_rollback_v1", **arguments))
    assert patterns.fix(run.pattern_id)["mode"] == "live"
    assert orders.count("mended") == 1


def test_a_missing_secret_is_told_before_anything_is_begun(
    operator: Person, patterns: Patterns, engine: Rest, database: Sql
) -> None:
    """PL026: once it is there, the run can still be taken back."""
    name = patterns.word("secret")
    database.run("select vault.create_secret('value', %s)", name)
    database.run("insert into ops.fix_hosts (host) values (%s)", f"{name}.example.com")
    database.run("insert into ops.fix_secrets values (%s, %s)", name, f"{name}.example.com")
    pattern_id = patterns.new()
    patterns.approve(
        pattern_id,
        "{}",
        type="api_call",
        undo_script="[]",
        prepared_undo_script="[]",
        secrets={name: [f"{name}.example.com"]},
    )
    application_id = patterns.claim(pattern_id)["application_id"]
    done = {"success": True, "execution_time_ms": 1}
    engine.call("finish_application_v1", p_application_id=application_id, p_outcome=done)
    database.run("delete from vault.secrets where name = %s", name)
    arguments = {"p_application_id": application_id}
    refused("PL026", lambda: operator.rest.call("start_rollback_v1", **arguments))
    database.run("select vault.create_secret('value', %s)", name)
    undo = operator.rest.call("start_rollback_v1", **arguments)
    job = engine.call("application_job_v1", p_application_id=undo["application_id"])
    assert job["script"] == "[]"
    assert job["secrets"] == {name: {"value": "value", "hosts": [f"{name}.example.com"]}}
    # Of what ran outside the database nobody knows what a failed attempt left.
    failed = {"success": False, "error": "no", "execution_time_ms": 1}
    engine.call("finish_application_v1", p_application_id=undo["application_id"], p_outcome=failed)
    refused("PL021", lambda: operator.rest.call("start_rollback_v1", **arguments))


def test_without_an_undo_script_nothing_is_taken_back(
    desk: Desk, operator: Person, administrator: Person, orders: Orders, engine: Rest
) -> None:
    """PL021, and the fix stays in use."""
    run = heal(desk, administrator, orders, engine, None)
    with pytest.raises(NotUndoable, match="without an undo script"):
        desk.roll_back(run.application_id, operator)
    assert desk.patterns.fix(run.pattern_id)["mode"] == "live"


def test_a_run_that_has_not_ended_or_failed_is_not_taken_back(
    operator: Person, patterns: Patterns, orders: Orders
) -> None:
    """PL021: there is nothing to undo, or not yet."""
    pattern_id = patterns.new()
    patterns.approve(
        pattern_id,
        f"update {orders.name} set id = id / 0 where id = 1",
        undo_script="select 1",
        prepared_undo_script="select 1",
    )
    claim = patterns.claim(pattern_id)
    arguments = {"p_application_id": claim["application_id"]}
    told = refused("PL021", lambda: operator.rest.call("start_rollback_v1", **arguments))
    assert "not ended" in told.words
    assert patterns.run(claim["application_id"])["success"] is False
    told = refused("PL021", lambda: operator.rest.call("start_rollback_v1", **arguments))
    assert "did not succeed" in told.words


def test_what_failed_outside_the_database_may_be_taken_back(
    operator: Person, patterns: Patterns, engine: Rest
) -> None:
    """It may have done the half of its work, which of SQL is never kept."""
    pattern_id = patterns.new()
    undo_script = "echo back"
    patterns.approve(
        pattern_id,
        "echo there; exit 1",
        type="bash",
        undo_script=undo_script,
        prepared_undo_script=undo_script,
    )
    run = patterns.claim(pattern_id)["application_id"]
    outcome = {"success": False, "error": "exit code 1", "execution_time_ms": 1}
    engine.call("finish_application_v1", p_application_id=run, p_outcome=outcome)
    undo = operator.rest.call("start_rollback_v1", p_application_id=run)
    claims = engine.select("pattern_claims", application_id=f"eq.{undo['application_id']}")
    assert [(claim["purpose"], claim["undoes"]) for claim in claims] == [("undo", run)]


def test_what_is_no_run_is_not_taken_back(
    operator: Person, patterns: Patterns, engine: Rest
) -> None:
    """PL010 for what never ran: nothing, a shadow."""
    pattern_id = patterns.new()
    patterns.approve(pattern_id, p_mode="shadow")
    patterns.claim(pattern_id)
    (shadow,) = engine.select("pattern_claims", pattern_id=f"eq.{pattern_id}")
    for application_id in (ABSENT, shadow["application_id"]):
        arguments = {"p_application_id": application_id}
        refused("PL010", lambda: operator.rest.call("start_rollback_v1", **arguments))  # noqa: B023


@pytest.mark.parametrize("who", ["user", "viewer"])
def test_who_may_not_take_a_run_back(
    request: pytest.FixtureRequest, run: Run, patterns: Patterns, who: str
) -> None:
    """PL001: it takes an operator; the fix stays in use."""
    person: Person = request.getfixturevalue(who)
    arguments = {"p_application_id": run.application_id}
    refused("PL001", lambda: person.rest.call("start_rollback_v1", **arguments))
    assert patterns.fix(run.pattern_id)["mode"] == "live"


def test_the_secret_key_takes_nothing_back(
    engine: Rest, anon: Rest, administrator: Person, run: Run
) -> None:
    """PL011; and no person recalls an error, nor does anyone start what is not his."""
    arguments = {"p_application_id": run.application_id}
    refused("PL011", lambda: engine.call("start_rollback_v1", **arguments))
    with pytest.raises(RefusedError) as caught:
        anon.call("start_rollback_v1", **arguments)
    assert caught.value.code == "42501"
    for rest in (anon, administrator.rest):
        with pytest.raises(RefusedError) as caught:
            rest.call("recall_error_v1", **arguments, p_error={})
        assert caught.value.code == "42501"
