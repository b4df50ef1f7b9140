"""A table of an application, a fix for it, and calls to the functions by their public address."""

from __future__ import annotations

import shutil
import tempfile
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from psycopg import sql

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import httpx
    from tests.conftest import Person, Rest, Sql


@dataclass(frozen=True)
class Functions:
    """Calls the functions of a stack."""

    http: httpx.Client
    addresses: dict[str, Any]

    def call(
        self,
        path: str,
        body: object = None,
        *,
        token: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:
        """Call below /pattern-analyzer: GET without a body, else POST; with the secret key by default."""
        key = self.addresses["publishable_key"] if token else self.addresses["secret_key"]
        return self.http.request(
            "GET" if body is None else "POST",
            f"{self.addresses['functions_url']}/pattern-analyzer/{path}",
            json=body,
            headers=headers
            or {"apikey": key, **({"Authorization": f"Bearer {token}"} if token else {})},
        )

    def webhook(self, body: object) -> httpx.Response:
        """Deliver a webhook, as the database does."""
        return self.call(
            "webhook", body, headers={"x-webhook-secret": self.addresses["webhook_secret"]}
        )


@pytest.fixture
def functions(http_client: httpx.Client, addresses: dict[str, Any]) -> Functions:
    """The functions of the stack."""
    return Functions(http_client, addresses)


@dataclass(frozen=True)
class Fault:
    """An error of its own and the table whose rows cause it."""

    table: str
    word: str

    def message(self, number: int = 1) -> str:
        """Return the message; all numbers share a pattern, which no other fault has.

        The word stands in two places: many words in one place alone are a variable of one pattern.
        """
        return f"order {number} of {self.word} has no status in {self.word}"

    @property
    def fix(self) -> str:
        """The fix: give the rows their status."""
        return f"update {self.table} set status = $1 ->> 'status' where status is null"


@pytest.fixture
def fault(database: Sql) -> Iterator[Fault]:
    """A fresh table with five faulty rows, granted to the fixer, and an error nobody else has."""
    # The tests before this one are history: together their errors would be a storm, which the Laws
    # forbid to heal in.
    database.run("update ops.system_logs set created_at = created_at - interval '10 minutes'")
    database.run("update ops.pattern_claims set claimed_at = claimed_at - interval '10 minutes'")
    word = "".join(chr(97 + int(digit, 16)) for digit in uuid.uuid4().hex)
    table = sql.Identifier("public", f"orders_{word}")
    run = database.connection.execute
    run(sql.SQL("create table {} (id integer primary key, status text)").format(table))
    run(sql.SQL("insert into {} (id) select generate_series(1, 5)").format(table))
    run("select ops_internal.grant_fixer(%s, '{select,update}')", (f"public.orders_{word}",))
    yield Fault(f"orders_{word}", word)
    run(sql.SQL("drop table {}").format(table))


@pytest.fixture
def approve(
    functions: Functions, administrator: Person
) -> Callable[[Fault, str, dict[str, Any]], httpx.Response]:
    """Approves a script for a pattern in the administrator's name."""

    def approve(fault: Fault, pattern_id: str, parameters: dict[str, Any]) -> httpx.Response:
        return functions.call(
            "approve",
            {
                "pattern_id": pattern_id,
                "auto_fix_script": fault.fix,
                "auto_fix_type": "sql",
                "auto_fix_parameters": {"status": "new", **parameters},
                "approved_by": administrator.id,
            },
            token=administrator.token,
        )

    return approve


@pytest.fixture
def occur(engine: Rest) -> Callable[[str], int]:
    """Logs a message as the application does."""

    def occur(message: str) -> int:
        row = {"message": message, "source": "shop", "log_level": "error"}
        log_id: int = engine.insert("system_logs", row)[0]["id"]
        return log_id

    return occur


@pytest.fixture
def post(functions: Functions, administrator: Person) -> Callable[..., dict[str, Any]]:
    """Calls a function as the administrator."""

    def post(path: str, **body: object) -> dict[str, Any]:
        answer = functions.call(path, body, token=administrator.token)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    return post


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """A directory that the system user of the database server may enter; pytest's own is closed."""
    directory = Path(tempfile.mkdtemp(prefix="pattern-engine-test-"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory, ignore_errors=True)
