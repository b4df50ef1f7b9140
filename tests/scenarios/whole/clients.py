"""Real clients that run one statement each, and what an application logs of their errors."""

from __future__ import annotations

import io
import json
import logging
import os
import subprocess
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import psycopg
import pytest
import supabase
from postgrest.exceptions import APIError
from psycopg import sql
from supabase import ClientOptions
from tests.waiting import eventually

from pattern_engine.local.node import find_node
from pattern_engine.local.project import Project

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Project.find(Path(__file__).parent).root
INSERT = sql.SQL("insert into {table} (id) values (1)")
JAVASCRIPT = """
import { createClient } from "@supabase/supabase-js";
const { API_URL, KEY, TABLE } = process.env;
const options = {
  auth: { persistSession: false, autoRefreshToken: false },
  realtime: { transport: globalThis.WebSocket ?? class {} }, // Node 20 has none, and none is used
};
const { error } = await createClient(API_URL, KEY, options).from(TABLE).insert({ id: 1 });
console.error(error);
"""


@dataclass(frozen=True)
class Clients:
    """Clients of a server's: each inserts the row with id 1, and an error is what they return."""

    addresses: dict[str, Any]
    table: str
    directory: Path

    def all(self) -> dict[str, Callable[[], str]]:
        """Each way in which the error reaches the log, by its name."""
        return {
            "psycopg, str(error)": lambda: str(self._psycopg()),
            "psycopg, logging.exception": self._logged,
            "supabase-py, str(error)": self._supabase_py,
            "supabase-js, console.error": self._supabase_js,
            "the server's log, one line": lambda: self._server_log("ERROR:"),
            "the server's log, an entry": lambda: self._server_log(
                "ERROR:", "DETAIL:", "STATEMENT:"
            ),
        }

    def _psycopg(self) -> psycopg.Error:
        with psycopg.connect(self.addresses["db_url"]) as connection:
            connection.execute("set role service_role")
            with pytest.raises(psycopg.Error) as refused:
                connection.execute(INSERT.format(table=sql.Identifier(self.table)))
        return refused.value

    def _logged(self) -> str:
        """What Python's logging writes with a traceback, as an application configures it."""
        written = io.StringIO()
        handler = logging.StreamHandler(written)
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        logger = logging.getLogger("shop.checkout")
        logger.addHandler(handler)
        try:
            raise self._psycopg()
        except psycopg.Error:
            logger.exception("could not store the order")
        finally:
            logger.removeHandler(handler)
        return written.getvalue()

    def _supabase_py(self) -> str:
        url, key = self.addresses["api_url"], self.addresses["secret_key"]
        with httpx.Client() as http, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # supabase-py uses a parameter that it calls deprecated
            client = supabase.create_client(url, key, ClientOptions(httpx_client=http))
            with pytest.raises(APIError) as refused:
                client.table(self.table).insert({"id": 1}).execute()
        return str(refused.value)

    def _supabase_js(self) -> str:
        script = self.directory / "insert.mjs"
        if not script.exists():
            script.write_text(JAVASCRIPT)
            (self.directory / "node_modules").symlink_to(ROOT / "node_modules")
        addresses = {"API_URL": self.addresses["api_url"], "KEY": self.addresses["secret_key"]}
        ran = subprocess.run(
            [str(find_node()), str(script)],
            env={"PATH": os.environ["PATH"], "TABLE": self.table, **addresses},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return ran.stderr

    def _server_log(self, *severities: str) -> str:
        """The lines that PostgreSQL itself wrote about the error to its standard error."""
        path = Path(self.addresses["data_dir"], "logs", "postgres.log")
        start = path.stat().st_size
        said = str(self._psycopg()).splitlines()[0]

        def lines() -> list[str]:
            with path.open("rb") as log:
                log.seek(start)
                entries = log.read().decode().splitlines()
            process = next((line.partition("[")[2] for line in entries if said in line), None)
            own = f"[{process.partition(']')[0]}]" if process else ""
            return [
                line
                for line in entries
                if own and own in line and any(each in line for each in severities)
            ]

        return "\n".join(eventually(lines))

    def wait_until_known(self) -> None:
        """Wait until the API knows the table, which it reads anew after a migration."""

        def known() -> bool:
            return "PGRST" not in json.dumps(self._supabase_py())

        eventually(known)
