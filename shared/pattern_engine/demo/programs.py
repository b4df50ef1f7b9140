"""One error as five programs log it.

Each function fails to invoice an order and returns the text that is logged. All texts but the last
one are what the program really says. The demo's server speaks English, so `by_german` fills the
names into PostgreSQL's own German wording.
"""

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from postgrest.exceptions import APIError
from supabase import Client

from pattern_engine.demo.shop import DemoFailedError
from pattern_engine.local.node import find_node

_INSERT = "insert into public.invoices (order_id, amount, currency) values (%s, %s, %s)"
GERMAN = "FEHLER:  NULL-Wert in Spalte »{}« von Relation »{}« verletzt Not-Null-Constraint"
_JAVASCRIPT = Path(__file__).with_name("invoice.mjs")
_LOG_ENTRY = ("ERROR:", "DETAIL:", "STATEMENT:")

Row = dict[str, Any]


@dataclass(frozen=True)
class Programs:
    """The ways in which one error reaches the log.

    Attributes:
        client: supabase-py with the secret key.
        stack: The status of the stack: its addresses, keys and directory.
    """

    client: Client
    stack: dict[str, Any]

    def all(self) -> dict[str, Callable[[Row], str]]:
        """Return each way by the name that is shown."""
        return {
            "supabase-py": self.by_supabase_py,
            "supabase-js": self.by_supabase_js,
            "psycopg": self.by_psycopg,
            "PostgreSQL log": self.by_server_log,
            "German server": self.by_german,
        }

    def by_supabase_py(self, invoice: Row) -> str:
        """Python through the API."""
        try:
            self.client.table("invoices").insert(invoice).execute()
        except APIError as error:
            return str(error)
        raise _invoiced(invoice)

    def by_supabase_js(self, invoice: Row) -> str:
        """JavaScript through the API."""
        addresses = [self.stack["api_url"], self.stack["secret_key"]]
        command = [str(find_node()), str(_JAVASCRIPT), *addresses, json.dumps(invoice)]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        if ran.returncode != 0:
            raise DemoFailedError(f"supabase-js could not be run: {ran.stderr}")
        return _required(ran.stderr.strip(), invoice)

    def by_psycopg(self, invoice: Row) -> str:
        """Python with a connection of its own to the database."""
        try:
            with psycopg.connect(self.stack["db_url"]) as connection:
                connection.execute(_INSERT, list(invoice.values()))
        except psycopg.Error as error:
            return str(error)
        raise _invoiced(invoice)

    def by_server_log(self, invoice: Row) -> str:
        """What the server itself wrote, as a log collector delivers it."""
        path = Path(self.stack["data_dir"], "logs", "postgres.log")
        before = path.stat().st_size
        self.by_psycopg(invoice)
        with path.open(encoding="utf-8") as log:
            log.seek(before)
            lines = [line for line in log if any(part in line for part in _LOG_ENTRY)]
        return _required("".join(lines).strip(), invoice)

    def by_german(self, invoice: Row) -> str:
        """What a server says that speaks German."""
        self.by_psycopg(invoice)
        return GERMAN.format("currency", "invoices")


def _required(text: str, invoice: Row) -> str:
    if not text:
        raise _invoiced(invoice)
    return text


def _invoiced(invoice: Row) -> DemoFailedError:
    return DemoFailedError(f"{invoice} was stored, although it has no currency")
