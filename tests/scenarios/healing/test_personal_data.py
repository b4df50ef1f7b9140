"""Nothing personal leaves an error by a fix that fails: not in a table, not in a log."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from psycopg import sql
from tests.scenarios.healing.test_fixes import Life, life
from tests.scenarios.learning.test_loop import applications, log_error
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Sql

    from pattern_engine.local.stack import Stack

__all__ = ["life"]

PASSWORD = "correct-horse-battery"
EMAIL = "anna.kowalska@example.com"
KEY = "sk_live_4eC39HqLyjWDarjtT1zdp7dc"

THROWS = {
    "typescript": (
        "export default async function fix(params: unknown, error: { message: string;\n"
        "  captured: Record<string, string> }) {\n"
        "  console.log(error.captured.password);\n"
        "  throw new Error(`cannot mend: ${error.message} ${error.captured.password}`);\n}\n"
    ),
    "bash": "jq -r '.message, .captured' error.json\njq -r .message error.json >&2\nexit 1\n",
}
RETURNS = (
    "export default async function fix(params: unknown, error: { message: string;\n"
    "  captured: Record<string, string> }) {\n"
    "  return { said: error.message.split(/[ =,]+/), [error.captured.password]: true };\n}\n"
)


def message(life: Life, number: int) -> str:
    """Return the fault's message with what is nobody's business."""
    return (
        f"{life.fault.message(number)} for {EMAIL}: retry with password={PASSWORD}, api key {KEY}"
    )


def leaks(database: Sql) -> list[str]:
    """Return the tables of the engine that hold one of the secrets; the log is the application's."""
    tables = database.rows(
        "select tablename from pg_tables where schemaname = 'ops' and tablename <> 'system_logs'"
    )
    found = []
    for table in (row["tablename"] for row in tables):
        statement = sql.SQL("select count(*) as n from ops.{} as t where t::text ~ %s")
        expression = f"{PASSWORD}|{EMAIL}|{KEY}"
        row = database.connection.execute(
            statement.format(sql.Identifier(table)), (expression,)
        ).fetchone()
        if row and row["n"]:
            found.append(table)
    return found


def logged(stack: Stack) -> str:
    """Return what the functions have logged."""
    return (stack.data_dir / "logs" / "functions.log").read_text(errors="replace")


def heal(life: Life, number: int) -> dict[str, Any]:
    """Let the fault occur and wait until its fix has run; return the application."""
    log_id = log_error(life.engine, life.fault, message=message(life, number))
    (application,) = eventually(lambda: applications(life.engine, log_id))
    return application


@pytest.fixture
def approve(life: Life) -> Callable[[str, str], None]:
    """Approves a fix for a fault whose message has personal data in it."""

    def approve(fix_type: str, script: str) -> None:
        log_id = log_error(life.engine, life.fault, message=message(life, 1))
        (incident,) = eventually(
            lambda: life.engine.select("pattern_incidents", system_log_id=f"eq.{log_id}")
        )
        life.pattern_id = incident["pattern_id"]
        life.post(
            "approve",
            pattern_id=life.pattern_id,
            auto_fix_script=script,
            auto_fix_type=fix_type,
            auto_fix_parameters={},
            approved_by=life.administrator.id,
        )

    return approve


@pytest.mark.parametrize("fix_type", THROWS)
def test_a_fix_that_throws_its_input_leaks_nothing(
    life: Life, approve: Callable[[str, str], None], database: Sql, stack: Stack, fix_type: str
) -> None:
    """What scrubbing removed from the message is removed from whatever repeats it."""
    approve(fix_type, THROWS[fix_type])
    application = heal(life, 2)
    assert application["success"] is False
    assert "[removed]" in json.dumps(application)
    assert leaks(database) == []
    assert not any(secret in logged(stack) for secret in (PASSWORD, EMAIL, KEY))


def test_a_fix_that_returns_its_input_leaks_nothing(
    life: Life, approve: Callable[[str, str], None], database: Sql
) -> None:
    """Cut into words, a password has no word beside it that tells what it is."""
    approve("typescript", RETURNS)
    application = heal(life, 2)
    assert application["success"] is True, application["error_after"]
    assert application["system_state_after"]["output"]["[removed]"] is True
    assert leaks(database) == []


def test_what_a_trigger_raises_is_scrubbed_before_it_is_stored(
    life: Life, approve: Callable[[str, str], None], database: Sql, stack: Stack
) -> None:
    """The database records the state alone, and the engine adds the text without what is personal."""
    function = sql.Identifier("public", f"refuse_{life.fault.table}")
    table = sql.Identifier("public", life.fault.table)
    run = database.connection.execute
    run(
        sql.SQL(
            "create function {}() returns trigger language plpgsql as $$ begin "
            "raise exception 'no status %, told to x.y@example.org', new.status "
            "using errcode = 'check_violation'; end $$"
        ).format(function)
    )
    run(
        sql.SQL(
            "create trigger refuse before update on {} for each row execute function {}()"
        ).format(table, function)
    )
    approve("sql", f"update {life.fault.table} set status = $2 ->> 'message' where id = 1")
    application = heal(life, 2)
    run(sql.SQL("drop function {} cascade").format(function))

    assert application["success"] is False
    stored = eventually(
        lambda: [
            each
            for each in life.engine.select(
                "pattern_applications", application_id=f"eq.{application['application_id']}"
            )
            if each["error_after"].startswith("no status")
        ]
    )
    assert "x.y@example.org" not in stored[0]["error_after"]
    (verification,) = life.engine.select(
        "pattern_verifications", application_id=f"eq.{application['application_id']}"
    )
    assert verification["reason"] == stored[0]["error_after"]
    assert leaks(database) == []
    assert not any(secret in logged(stack) for secret in (PASSWORD, EMAIL, KEY))
