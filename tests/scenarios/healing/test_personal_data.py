"""Nothing personal leaves an error by a fix that fails: not in a table, not in a log."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from psycopg import sql
from tests.scenarios.healing.test_fixes import Life, life
from tests.scenarios.learning.test_loop import applications, log_error, pattern_of
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import httpx
    from tests.conftest import Sql

    from pattern_engine.local.stack import Stack

__all__ = ["life"]

PASSWORD = "correct-horse-battery"
EMAIL = "anna.kowalska@example.com"
KEY = "sk_live_4eC39HqLyjWDarjtT1zdp7dc"

THROWS = {
    "typescript": (
        "export default async function fix(params: unknown, error: {{ message: string;\n"
        "  captured: Record<string, string> }}) {{\n"
        "  if (error.captured.order !== '{order}') return;\n"
        "  console.log(error.captured.password);\n"
        "  throw new Error(`cannot mend: ${{error.message}} ${{error.captured.password}}`);\n}}\n"
    ),
    "bash": (
        '[ "$(jq -r .captured.order error.json)" = {order} ] || exit 0\n'
        "jq -r '.message, .captured' error.json\njq -r .message error.json >&2\nexit 1\n"
    ),
}
"""Fixes that fail for one order; the rehearsal at the approval has order 1."""
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
def answer_of(life: Life) -> Callable[[str, str], httpx.Response]:
    """Asks to approve a fix for a fault whose message has personal data in it."""

    def answer_of(fix_type: str, script: str) -> httpx.Response:
        log_id = log_error(life.engine, life.fault, message=message(life, 1))
        life.pattern_id = pattern_of(life.engine, log_id)["pattern_id"]
        fix = {
            "pattern_id": life.pattern_id,
            "auto_fix_script": script,
            "auto_fix_type": fix_type,
            "auto_fix_parameters": {},
            "approved_by": life.administrator.id,
        }
        return life.functions.call("approve", fix, token=life.administrator.token)

    return answer_of


@pytest.fixture
def approve(answer_of: Callable[[str, str], httpx.Response]) -> Callable[[str, str], None]:
    """Approves a fix for a fault whose message has personal data in it."""

    def approve(fix_type: str, script: str) -> None:
        answer = answer_of(fix_type, script)
        assert answer.status_code == 200, answer.text

    return approve


@pytest.fixture
def refuse_updates(life: Life, database: Sql) -> Iterator[Callable[[int], str]]:
    """Makes a trigger raise what a fix writes for an order, and returns that fix."""
    function = sql.Identifier("public", f"refuse_{life.fault.table}")
    table = sql.Identifier("public", life.fault.table)
    run = database.connection.execute

    def refuse_updates(order: int) -> str:
        run(
            sql.SQL(
                "create function {}() returns trigger language plpgsql as $$ begin "
                "if new.status like {} then "
                "raise exception 'no status %, told to x.y@example.org', new.status "
                "using errcode = 'check_violation'; end if; return new; end $$"
            ).format(function, sql.Literal(f"order {order} %"))
        )
        run(
            sql.SQL(
                "create trigger refuse before update on {} for each row execute function {}()"
            ).format(table, function)
        )
        return f"update {life.fault.table} set status = $2 ->> 'message' where id = 1"

    yield refuse_updates
    run(sql.SQL("drop function if exists {} cascade").format(function))


@pytest.mark.parametrize("fix_type", THROWS)
def test_a_fix_that_throws_its_input_leaks_nothing(
    life: Life, approve: Callable[[str, str], None], database: Sql, stack: Stack, fix_type: str
) -> None:
    """What scrubbing removed from the message is removed from whatever repeats it."""
    approve(fix_type, THROWS[fix_type].format(order=2))
    application = heal(life, 2)
    assert application["success"] is False
    assert "[removed]" in json.dumps(application)
    assert leaks(database) == []
    assert not any(secret in logged(stack) for secret in (PASSWORD, EMAIL, KEY))


@pytest.mark.parametrize("fix_type", ["typescript", "sql"])
def test_the_refusal_of_a_fix_leaks_nothing(
    answer_of: Callable[[str, str], httpx.Response],
    refuse_updates: Callable[[int], str],
    database: Sql,
    stack: Stack,
    fix_type: str,
) -> None:
    """Its rehearsal failed with what is personal; the answer and the record are without it."""
    script = refuse_updates(1) if fix_type == "sql" else THROWS[fix_type].format(order=1)
    answer = answer_of(fix_type, script)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "fix_refused")
    assert "[removed]" in answer.json()["error"]["message"]
    personal = (PASSWORD, EMAIL, KEY, "x.y@example.org")
    assert not any(secret in answer.text for secret in personal)
    assert leaks(database) == []
    assert not any(secret in logged(stack) for secret in personal)


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
    life: Life,
    approve: Callable[[str, str], None],
    refuse_updates: Callable[[int], str],
    database: Sql,
    stack: Stack,
) -> None:
    """The database records the state alone, and the engine adds the text without what is personal."""
    approve("sql", refuse_updates(2))
    application = heal(life, 2)
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
