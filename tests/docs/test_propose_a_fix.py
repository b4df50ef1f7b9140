"""The commands of `docs/how-to/propose-a-fix.md` do what it says: its code blocks are run."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from typing import TYPE_CHECKING, Any

import pytest
from tests.docs.test_commands import ROOT, Shell, blocks
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import Person, Rest, Sql

PAGE = ROOT / "docs" / "how-to" / "propose-a-fix.md"
MESSAGE = "the invoice of an order without a currency cannot be written"
pytestmark = pytest.mark.skipif(
    not (shutil.which("curl") and shutil.which("jq")), reason="curl or jq is not installed"
)


@pytest.fixture
def orders(database: Sql) -> Iterator[Sql]:
    """The table that the page is about: of three orders two have no currency."""
    database.run("create table public.orders (id int primary key, currency text)")
    database.run("insert into public.orders values (1, null), (2, 'USD'), (3, null)")
    database.run("select ops_internal.grant_fixer('public.orders', '{select,update}')")
    yield database
    database.run("drop table public.orders")
    # Whatever failed before, nothing stays paused for the tests that share this stack.
    database.run("update ops.fix_pauses set ended_at = now() where ended_at is null")


@pytest.fixture
def pattern(engine: Rest, database: Sql) -> str:
    """The pattern of the error, once the webhook has brought it."""
    occur(engine)
    query = "select pattern_id::text as id from ops.pattern_signatures where template = %s"
    (found,) = eventually(lambda: database.rows(query, MESSAGE))
    return str(found["id"])


def occur(engine: Rest) -> int:
    """Have the error occur; its log row."""
    row = {"message": MESSAGE, "source": "invoices", "log_level": "error"}
    (stored,) = engine.insert("system_logs", row)
    return int(stored["id"])


def test_the_page_from_the_proposal_to_the_pause(
    orders: Sql,
    pattern: str,
    engine: Rest,
    administrator: Person,
    addresses: dict[str, Any],
    tmp_path: Path,
) -> None:
    """Proposed, tried, approved as a shadow, made live; one run is taken back; all is paused."""
    shell = Shell(tmp_path)
    program = tmp_path / ".venv" / "bin" / "pattern-engine"
    program.parent.mkdir(parents=True)
    program.write_text(
        f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m pattern_engine.cli "$@"\n'
    )
    program.chmod(0o755)
    (tmp_path / "fix.sql").write_text("update orders set currency = 'EUR' where currency is null")
    (tmp_path / "params.json").write_text('{"max_rows": 10}')
    environment = {
        "FUNCTIONS": addresses["functions_url"],
        "KEY": addresses["publishable_key"],
        "TOKEN": administrator.token,
        "PATTERN": pattern,
    }
    head, suggest, check, propose, preview, decide, enable, roll_back, *pause = blocks(PAGE, "sh")

    printed = shell.run(head + suggest + check + propose + preview, **environment)
    assert "sql: accepted" in printed
    assert printed.count('"tables":{"public.orders":2}') >= 2
    assert currencies(orders) == [None, "USD", None]
    again = "export PROPOSAL=$(jq -r .proposal.proposal_id proposal.json) "
    again += "SHA256=$(jq -r .proposal.sha256 proposal.json)\n"
    printed = shell.run(head + again + decide + enable, **environment)
    assert '"decision":"approved"' in printed
    # The shadow runs nothing; the call after it makes it live.
    assert re.findall(r'"auto_fix_enabled":(true|false)', printed) == ["false", "true"]

    log_id = occur(engine)
    (run,) = eventually(
        lambda: engine.select("pattern_applications", system_log_id=f"eq.{log_id}"), seconds=30
    )
    assert run["success"] is True, run["error_after"]
    assert currencies(orders) == ["EUR", "USD", "EUR"]
    printed = shell.run(head + roll_back, APPLICATION=run["application_id"], **environment)
    assert '"success":true' in printed
    assert '"rows_touched":2' in printed
    assert currencies(orders) == [None, "USD", None]

    printed = shell.run(head + "".join(pause), **environment)
    assert '"reason":"The warehouse is being counted"' in printed
    assert orders.value("select count(*) from ops.fix_pauses where ended_at is null") == 0


def currencies(orders: Sql) -> list[str | None]:
    """The currency of each order."""
    return [
        row["currency"] for row in orders.rows("select currency from public.orders order by id")
    ]
