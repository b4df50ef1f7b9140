"""One cause is one pattern, whether `logging`, structlog, Node, Deno or a page logs it."""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import threading
import uuid
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import structlog
from postgrest import APIError, SyncPostgrestClient
from psycopg import sql
from tests.waiting import eventually

from pattern_engine.fixes.typescript import deno
from pattern_engine.handlers import PatternEngineHandler, PatternEngineProcessor
from pattern_engine.local.node import find_node

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser
    from tests.conftest import Rest, Sql

ROOT = Path(__file__).parents[3]
SUPABASE_JS = ROOT / "node_modules/@supabase/supabase-js/dist/umd/supabase.js"
#: Node and Deno load the same bundle as a page does.
MAIN = """
import { readFileSync } from "node:fs";
(0, eval)(readFileSync("supabase.js", "utf8"));
const { run } = await import("./logging.mjs");
console.log(JSON.stringify(await run(globalThis.supabase, JSON.parse(process.argv[2]))));
"""
PAGE = '<!doctype html><title>x</title><script src="/supabase.js"></script>'


@dataclass(frozen=True)
class Shop:
    """Tables of an application, and the programs that fail to write them.

    Attributes:
        invoices: A table with a column that may not be null.
        locked: A table that the secret key may not write.
        hidden: A table with row-level security and without a policy.
    """

    word: str
    addresses: dict[str, Any]
    folder: Path

    @property
    def tables(self) -> tuple[str, str, str]:
        """The names of the tables."""
        return f"invoices_{self.word}", f"locked_{self.word}", f"hidden_{self.word}"

    def arguments(self, source: str, *, signs_up: bool) -> dict[str, Any]:
        """What logging.mjs takes."""
        invoices, locked, hidden = self.tables
        key = self.addresses["publishable_key" if signs_up else "secret_key"]
        return {
            "url": self.addresses["api_url"],
            "key": key,
            "signsUp": signs_up,
            "invoices": invoices,
            "locked": hidden if signs_up else locked,
            "source": source,
        }


@pytest.fixture
def shop(database: Sql, addresses: dict[str, Any], tmp_path: Path) -> Iterator[Shop]:
    """The tables, in the API's cache, and a folder with the programs."""
    shop = Shop(uuid.uuid4().hex[:12], addresses, tmp_path)
    run = database.connection.execute
    for name in shop.tables:
        table = sql.Identifier("public", name)
        run(sql.SQL("create table {} (id integer, currency text not null)").format(table))
        run(sql.SQL("revoke all on {} from anon, authenticated, service_role").format(table))
    invoices, _, hidden = (sql.Identifier("public", name) for name in shop.tables)
    run(sql.SQL("grant insert, select on {} to authenticated, service_role").format(invoices))
    run(sql.SQL("grant insert on {} to authenticated").format(hidden))
    run(sql.SQL("alter table {} enable row level security").format(hidden))
    run("notify pgrst, 'reload schema'")
    for path in (
        ROOT / "clients/pattern-engine-js/index.js",
        Path(__file__).with_name("logging.mjs"),
        SUPABASE_JS,
    ):
        shutil.copy(path, tmp_path)
    (tmp_path / "main.mjs").write_text(MAIN)
    (tmp_path / "index.html").write_text(PAGE)
    yield shop
    for name in shop.tables:
        run(sql.SQL("drop table {}").format(sql.Identifier("public", name)))


def _by_api(shop: Shop, table: str) -> APIError:
    """Insert through the API, as soon as it knows the table; return its error."""
    headers = {"apikey": shop.addresses["secret_key"]}
    client = SyncPostgrestClient(f"{shop.addresses['api_url']}/rest/v1", headers=headers)

    def refused() -> APIError | None:
        with pytest.raises(APIError) as caught:
            client.from_(table).insert({"id": 1}).execute()
        return None if str(caught.value.code).startswith("PGRST") else caught.value

    error = eventually(refused)
    client.session.close()
    assert error is not None
    return error


def _by_python(shop: Shop, source: str) -> None:
    """Fail through the API and through the driver, and log it with both handlers."""
    invoices, locked, _ = shop.tables
    project = {"url": shop.addresses["api_url"], "key": shop.addresses["secret_key"]}
    rest = SyncPostgrestClient(
        f"{project['url']}/rest/v1", headers={"apikey": shop.addresses["secret_key"]}
    )
    by_key = PatternEngineHandler(**project, source=source)
    by_client = PatternEngineHandler(client=rest, source=source)
    processor = PatternEngineProcessor(**project, source=source)
    log = logging.Logger("shop")  # noqa: LOG001  no other test has its handlers
    log.addHandler(by_key)
    log.addHandler(by_client)
    log.error("could not invoice: %s", _by_api(shop, invoices))
    log.critical("could not lock: %s", _by_api(shop, locked))
    with (
        structlog.testing.capture_logs(processors=[processor]),
        psycopg.connect(shop.addresses["db_url"]) as connection,
    ):
        statement = sql.SQL("insert into {} (id) values (1)").format(
            sql.Identifier("public", invoices)
        )
        try:
            try:
                connection.execute(statement)
            except psycopg.Error as error:
                raise RuntimeError("could not invoice order 17") from error
        except RuntimeError:
            structlog.get_logger().exception("request failed", request=4711)
            log.exception("request failed")
    for each in (by_key, by_client, processor):
        assert each.flush(20)
        assert each.dropped == 0
    rest.session.close()


def _by_script(shop: Shop, source: str, *command: str) -> None:
    """Fail in Node or in Deno."""
    arguments = json.dumps(shop.arguments(source, signs_up=False))
    environment = os.environ | {"DENO_DIR": str(shop.folder / "deno"), "DENO_NO_UPDATE_CHECK": "1"}
    done = subprocess.run(
        [*command, "main.mjs", arguments],
        cwd=shop.folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"sent": True, "dropped": 0}


def _by_page(shop: Shop, source: str, browser: Browser) -> None:
    """Fail in a page of somebody who has signed up."""
    quiet = type("Quiet", (SimpleHTTPRequestHandler,), {"log_message": lambda *_: None})
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(quiet, directory=str(shop.folder))) as http:
        threading.Thread(target=http.serve_forever, args=[0.02], daemon=True).start()
        with browser.new_page() as page:
            page.goto(f"http://127.0.0.1:{http.server_address[1]}")
            answer = page.evaluate(
                "async (given) => (await import('/logging.mjs')).run(supabase, given)",
                shop.arguments(source, signs_up=True),
            )
        http.shutdown()
    assert answer == {"sent": True, "dropped": 0}


def _learned(engine: Rest, source: str) -> dict[str, set[tuple[str, str]]]:
    """Return what each pattern of a source's errors names, by the message; each as sorted JSON."""
    rows = engine.select("system_logs", source=f"eq.{source}")
    found: dict[str, set[tuple[str, str]]] = {}
    for row in rows:
        (incident,) = eventually(
            lambda row=row: engine.select("pattern_incidents", system_log_id=f"eq.{row['id']}")  # type: ignore[misc]
        )
        names = json.dumps(incident["identifiers"], sort_keys=True)
        found.setdefault(row["message"], set()).add((incident["pattern_id"], names))
    return found


def test_one_cause_is_one_pattern_whoever_logs_it(
    engine: Rest, shop: Shop, browser: Browser
) -> None:
    """With what the bare message names, so that one guard is right for all.

    A missing grant and a policy, which have the same code, are two others.
    """
    source = f"shop_{shop.word}"
    invoices, locked, hidden = shop.tables
    null = f'null value in column "currency" of relation "{invoices}" violates not-null constraint'
    grant = f"permission denied for table {locked}"
    policy = f'new row violates row-level security policy for table "{hidden}"'
    for message in (null, grant, policy):
        engine.insert("system_logs", {"message": message, "source": f"plain_{shop.word}"})
    plain = _learned(engine, f"plain_{shop.word}")

    _by_python(shop, source)
    _by_script(shop, source, str(find_node()))
    _by_script(shop, source, str(deno.find()), "run", "--allow-all", "--no-lock")
    _by_page(shop, source, browser)

    assert _learned(engine, source) == plain
    assert len({pattern for found in plain.values() for pattern, _ in found}) == 3
    rows = engine.select("system_logs", source=f"eq.{source}", order="id")
    # The two handlers of logging see three errors, structlog one, and each script and the page four.
    assert len(rows) == 2 * 3 + 1 + 3 * 4
    by_page = [row for row in rows if row["written_by"] == "authenticated"]
    assert [row["message"] for row in by_page] == [null, null, null, policy]
    assert {row["log_level"] for row in rows if row["message"] in {grant, policy}} == {"critical"}
    raised = [row["metadata"]["raised_as"] for row in by_page]
    assert raised == [
        [],
        ["could not invoice order 17"],
        ["AggregateError: one of the invoices failed"],
        [],
    ]
    scripts = [row for row in rows if row["release"]]
    assert {(row["release"], row["environment"]) for row in scripts} == {("1.4.0", "test")}
