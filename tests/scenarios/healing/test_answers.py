"""What `apply` answers: to whom, about which rows, and when the webhook was first."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from psycopg import sql
from tests.scenarios.learning.test_loop import (
    applications,
    approved,
    faulty_rows,
    log_error,
    pattern_of,
)
from tests.waiting import eventually

from pattern_engine.healing.answering import FOR_OPERATORS, STILL_RUNNING
from pattern_engine.healing.refusals import NO_ERROR

if TYPE_CHECKING:
    from tests.conftest import Person, Rest, Sql
    from tests.scenarios.conftest import Fault, Functions
    from tests.scenarios.learning.test_loop import Approve

USERS_TOO = {"trusted_writers": ["service_role", "authenticated"]}


def _apply(
    functions: Functions, fault: Fault, log_id: int, person: Person | None = None, number: int = 2
) -> dict[str, Any]:
    body = {"error_message": fault.message(number), "system_log_id": log_id}
    answer = functions.call("apply", body, token=person.token if person else None)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def _log_as(person: Person, fault: Fault, **changes: object) -> int:
    row = {"message": fault.message(2), "source": "shop", "user_id": person.id} | changes
    log_id: int = person.rest.insert("system_logs", row)[0]["id"]
    return log_id


def test_where_the_webhook_was_first_its_outcome_is_the_answer(
    engine: Rest, functions: Functions, approve: Approve, fault: Fault, user: Person
) -> None:
    """So a client learns that it may try again; a user that it is healed, and no more."""
    pattern = approved(engine, approve, fault, **USERS_TOO)
    log_id = _log_as(user, fault)
    eventually(lambda: applications(engine, log_id))
    assert _apply(functions, fault, log_id, user) == {"applied": True, "success": True}
    answer = _apply(functions, fault, log_id)
    assert (answer["applied"], answer["success"]) == (True, True)
    assert answer["pattern"]["pattern_id"] == pattern["pattern_id"]
    assert answer["pattern"]["auto_fix_script"] == fault.fix
    assert len(applications(engine, log_id)) == 1


def test_a_failure_of_the_webhooks_run_is_the_answer_as_well(
    engine: Rest,
    functions: Functions,
    approve: Approve,
    fault: Fault,
    database: Sql,
    *,
    user: Person,
    viewer: Person,
) -> None:
    """A user is told that it failed and not why; the secret key and an operator are."""
    approved(engine, approve, fault, **USERS_TOO)
    database.connection.execute(
        sql.SQL("alter table {} add check (status <> 'new')").format(
            sql.Identifier("public", fault.table)
        )
    )
    log_id = _log_as(user, fault)
    eventually(lambda: applications(engine, log_id))
    told = _apply(functions, fault, log_id, user)
    assert told == {"applied": True, "success": False, "reason": FOR_OPERATORS}
    assert "check constraint" in _apply(functions, fault, log_id)["reason"]
    own = _log_as(viewer, fault)
    eventually(lambda: applications(engine, own))
    assert "check constraint" in _apply(functions, fault, own, viewer)["reason"]


def test_a_run_that_is_under_way_is_waited_for(
    engine: Rest, functions: Functions, approve: Approve, fault: Fault, database: Sql
) -> None:
    """The second caller gets the outcome of the one run, or is told that it is still running."""
    approved(engine, approve, fault, timeout_ms=8_000)
    table = sql.Identifier("public", fault.table)
    with ThreadPoolExecutor(1) as pool:
        with database.connection.transaction():
            database.connection.execute(sql.SQL("lock table {} in share mode").format(table))
            log_id = log_error(engine, fault, 2)
            claimed = {"system_log_id": f"eq.{log_id}"}
            eventually(lambda: engine.select("pattern_claims", **claimed))
            second = pool.submit(_apply, functions, fault, log_id)
            time.sleep(1)
            assert not second.done()
        answer = second.result(20)
    assert (answer["applied"], answer["success"]) == (True, True)
    assert len(applications(engine, log_id)) == 1
    assert faulty_rows(database, fault) == 0


@pytest.mark.slow
def test_a_run_is_not_waited_for_without_end(
    engine: Rest, functions: Functions, approve: Approve, fault: Fault, database: Sql
) -> None:
    """After some seconds the answer is that it is still running, and the run goes on."""
    approved(engine, approve, fault, timeout_ms=8_000)
    table = sql.Identifier("public", fault.table)
    with database.connection.transaction():
        database.connection.execute(sql.SQL("lock table {} in share mode").format(table))
        log_id = log_error(engine, fault, 2)
        claimed = {"system_log_id": f"eq.{log_id}"}
        eventually(lambda: engine.select("pattern_claims", **claimed))
        assert _apply(functions, fault, log_id) == {"applied": False, "reason": STILL_RUNNING}


@pytest.mark.parametrize("level", ["debug", "info", "warning"])
def test_rows_below_error_heal_nothing(
    engine: Rest,
    functions: Functions,
    approve: Approve,
    fault: Fault,
    database: Sql,
    *,
    user: Person,
    level: str,
) -> None:
    """Neither by the webhook nor by `apply`, whoever asks, and whatever severity is sent with it."""
    pattern = approved(engine, approve, fault, **USERS_TOO)
    log_id, own = (
        log_error(engine, fault, 2, log_level=level),
        _log_as(user, fault, log_level=level),
    )
    assert _apply(functions, fault, log_id) == {"applied": False, "reason": NO_ERROR}
    assert _apply(functions, fault, own, user) == {"applied": False, "reason": FOR_OPERATORS}
    body = {"error_message": fault.message(2), "system_log_id": log_id, "severity": "error"}
    assert functions.call("apply", body).json()["applied"] is False
    hook = {"type": "INSERT", "table": "system_logs", "schema": "ops", "ids": [log_id, own]}
    assert functions.webhook(hook).json()["applied"] == 0
    claims = engine.select("pattern_claims", pattern_id=f"eq.{pattern['pattern_id']}")
    assert claims == []
    assert faulty_rows(database, fault) == 5


def test_an_engines_own_row_heals_nothing(
    engine: Rest, functions: Functions, approve: Approve, fault: Fault, database: Sql
) -> None:
    """Not even where somebody asks for it: the engine does not react to itself."""
    approved(engine, approve, fault)
    log_id = log_error(engine, fault, 2, source="pattern-engine/tests")
    assert _apply(functions, fault, log_id) == {"applied": False, "reason": NO_ERROR}
    assert faulty_rows(database, fault) == 5


def test_a_user_learns_nothing_of_what_holds_a_fix(
    engine: Rest, functions: Functions, approve: Approve, fault: Fault, user: Person
) -> None:
    """Whose rows a fix trusts is told to operators and the secret key."""
    approved(engine, approve, fault)
    log_id = _log_as(user, fault)
    pattern_of(engine, log_id)
    assert _apply(functions, fault, log_id, user) == {"applied": False, "reason": FOR_OPERATORS}
    assert "trusts only rows of: service_role" in _apply(functions, fault, log_id)["reason"]
