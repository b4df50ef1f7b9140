"""A stack without functions, so that nobody but the test learns or heals; patterns and fixes."""

# ruff: noqa: F811  a fixture is imported and then taken as an argument
from __future__ import annotations

import shutil
import tempfile
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, LiteralString

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

# Fixtures of a session are made once for each conftest that names them: the people and clients of
# this folder belong to its own stack.
from tests.conftest import (  # noqa: F401  taken as fixtures, by name
    addresses,
    administrator,
    anon,
    engine,
    operator,
    people,
    user,
    viewer,
)
from tests.database.approval.proposing import Desk
from tests.database.healing.outcomes import Outcomes
from tests.database.healing.policy import PARTS, POLICY

from pattern_engine.local.project import Project

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.conftest import Person, Rest, ServerName, Sql, StartStack

    from pattern_engine.local.stack import Stack


@pytest.fixture(scope="session")
def bare_project() -> Iterator[Path]:
    """A copy of the project with its migrations and without its functions."""
    home = Path(tempfile.mkdtemp(prefix="pattern-engine-project-"))
    source = Project.find(Path(__file__).parent).root / "supabase"
    (home / "supabase").mkdir()
    shutil.copy(source / "config.toml", home / "supabase")
    shutil.copytree(source / "migrations", home / "supabase" / "migrations")
    yield home
    shutil.rmtree(home)


@pytest.fixture(scope="session")
def stack(server: ServerName, start_stack: StartStack, bare_project: Path) -> Iterator[Stack]:
    """A stack whose webhooks nobody answers and whose jobs do not run by themselves."""
    with start_stack(server, bare_project) as stack:
        with psycopg.connect(stack.status()["db_url"], autocommit=True) as connection:
            connection.execute("select cron.alter_job(jobid, active := false) from cron.job")
        yield stack


class Patterns:
    """Makes log rows, patterns and fixes, and applies them, as the engine and its operators do."""

    def __init__(self, engine: Rest, administrator: Person) -> None:
        self._engine = engine
        self._administrator = administrator

    @staticmethod
    def word(prefix: str = "test") -> str:
        """Return a word that no other test uses."""
        return f"{prefix}_{uuid.uuid4().hex[:16]}"

    def error(self, signature: str | None = None, **changes: object) -> dict[str, Any]:
        """Return an error as the engine hands it to learn_errors_v1."""
        signature = signature or self.word("pattern")
        return {
            "signature": signature,
            "algorithm": "grouping/v1",
            "template": f"template of {signature}",
            "pattern_type": "database",
            "error_message_pattern": f"^message of {signature}$",
            "error_source": "tests",
            "severity": "error",
            "features": {"has_sql": True},
            "system_log_id": None,
            "claimed_by": None,
            "error_message": f"message of {signature}",
        } | changes

    def log_row(self, **columns: object) -> int:
        """Write a log row with the secret key; return its id."""
        return self.log_rows(1, **columns)[0]

    def log_rows(self, count: int, **columns: object) -> list[int]:
        """Write log rows with the secret key; return their ids in order."""
        row = {"message": "something broke", "source": "tests"} | columns
        stored = self._engine.insert("system_logs", [row] * count)
        return sorted(row["id"] for row in stored)

    def learn(self, *errors: dict[str, Any]) -> list[dict[str, Any]]:
        """Learn errors in one call; return what became of each."""
        learned: list[dict[str, Any]] = self._engine.call("learn_errors_v1", p_errors=errors)
        return learned

    def new(self, occurrences: int = 1) -> str:
        """Learn a new pattern that was seen so often; return its id."""
        error = self.error()
        return str(self.learn(*[error] * occurrences)[0]["pattern_id"])

    def find(
        self, signature: str, log_id: int | None = None, **more: dict[str, str]
    ) -> dict[str, Any]:
        """Return what find_candidates_v1 answers for one error."""
        query = {"signatures": [signature], "system_log_id": log_id, **more}
        found: list[dict[str, Any]] = self._engine.call("find_candidates_v1", p_errors=[query])
        return found[0]

    def approve(
        self,
        pattern_id: str,
        script: str = "select 1",
        *,
        tables: tuple[str, ...] = (),
        person: Person | None = None,
        **changes: object,
    ) -> dict[str, Any]:
        """Approve a SQL fix as an administrator; return the pattern.

        Changes whose names begin with p_ are the call's, others the fix's.
        """
        person = person or self._administrator
        fix = {
            "type": "sql",
            "script": script,
            "prepared_script": script,
            "parameters": {},
            "tables": tables,
        }
        of_fix = {key: value for key, value in changes.items() if not key.startswith("p_")}
        arguments = {
            "p_pattern_id": pattern_id,
            "p_fix": fix | of_fix,
            "p_approved_by": person.id,
            "p_mode": "live",
        } | {key: value for key, value in changes.items() if key.startswith("p_")}
        pattern: dict[str, Any] = person.rest.call("approve_pattern_v1", **arguments)
        return pattern

    def disable(
        self, pattern_id: str, reason: str | None = "test", **fix: object
    ) -> dict[str, Any]:
        """Switch a fix off as an administrator; return the pattern."""
        pattern: dict[str, Any] = self._administrator.rest.call(
            "disable_pattern_v1", p_pattern_id=pattern_id, p_reason=reason, **fix
        )
        return pattern

    def fix(self, pattern_id: str) -> dict[str, Any]:
        """Return the latest version of a pattern's fix."""
        return self._engine.select(
            "pattern_fixes", pattern_id=f"eq.{pattern_id}", order="version.desc", limit="1"
        )[0]

    def claim(
        self,
        pattern_id: str,
        log_id: int | None = None,
        *,
        error: dict[str, Any] | None = None,
        **changes: object,
    ) -> dict[str, Any]:
        """Claim an error for the latest version of the pattern's fix; return the answer."""
        fix = self.fix(pattern_id)
        arguments = {
            "p_pattern_id": pattern_id,
            "p_system_log_id": log_id,
            "p_fix_version": fix["version"],
            "p_sha256": fix["sha256"],
            "p_parts": PARTS,
            "p_error": error or {"message": "something broke", "source": "tests", "captured": {}},
            "p_target": "",
            "p_policy": POLICY,
        }
        claim: dict[str, Any] = self._engine.call("claim_application_v1", **(arguments | changes))
        return claim

    def run(self, application_id: str) -> dict[str, Any]:
        """Run a claimed application; return its outcome."""
        outcome: dict[str, Any] = self._engine.call(
            "run_application_v1", p_application_id=application_id
        )
        return outcome

    def apply(self, pattern_id: str, error: dict[str, Any] | None = None) -> dict[str, Any]:
        """Claim and run the pattern's fix once; return the outcome."""
        return self.run(self.claim(pattern_id, error=error)["application_id"])

    def heal(
        self,
        script: str,
        *,
        tables: tuple[str, ...] = (),
        error: dict[str, Any] | None = None,
        **parameters: object,
    ) -> dict[str, Any]:
        """Approve a script for a new pattern and run it once; return the outcome."""
        pattern_id = self.new()
        self.approve(pattern_id, script, tables=tables, parameters=parameters)
        return self.apply(pattern_id, error)


@pytest.fixture(scope="session")
def patterns(engine: Rest, administrator: Person) -> Patterns:
    """Makes what the tests are about."""
    return Patterns(engine, administrator)


@pytest.fixture
def change_setting(administrator: Person) -> Iterator[Callable[[str, object], dict[str, Any]]]:
    """Changes a project setting as an administrator; it has its default again after the test."""
    changed: set[str] = set()

    def change(name: str, value: object) -> dict[str, Any]:
        changed.add(name)
        setting: dict[str, Any] = administrator.rest.call(
            "change_setting_v1", p_name=name, p_value=value, p_reason="a test"
        )
        return setting

    yield change
    for name in changed:
        change(name, None)


@pytest.fixture
def outcomes(engine: Rest, database: Sql, patterns: Patterns) -> Outcomes:
    """Makes time pass, and decides what became of a run."""
    return Outcomes(engine, database, patterns)


@dataclass(frozen=True)
class Orders:
    """A table of the application, ten orders with status 'broken', that fixes may read and change.

    Attributes:
        name: Qualified and plain, such as public.orders_1.
    """

    name: str
    sql: Sql

    @property
    def identifier(self) -> Identifier:
        """The name for a statement."""
        return Identifier(*self.name.split("."))

    def run(self, statement: LiteralString) -> None:
        """Run a statement in which {} stands for the table, as its owner."""
        self.sql.connection.execute(SQL(statement).format(self.identifier))

    def grant(self, *privileges: str, table: str = "") -> None:
        """Let fixes do exactly this with the table, or another, and with what comes with it."""
        self.sql.connection.execute(
            "select ops_internal.grant_fixer(%s, %s)", (table or self.name, list(privileges))
        )

    def revoke(self) -> None:
        """Take back all that fixes may do with the table."""
        self.sql.connection.execute("select ops_internal.revoke_fixer(%s)", (self.name,))

    def count(self, status: str) -> int:
        """Return how many orders have a status."""
        query = SQL("select count(*) as n from {} where status = %s").format(self.identifier)
        found = self.sql.connection.execute(query, (status,)).fetchone()
        assert found is not None
        return int(found["n"])

    def notes(self) -> list[str]:
        """Return the notes of the orders that have one."""
        query = SQL("select note from {} where note is not null order by id")
        found = self.sql.connection.execute(query.format(self.identifier)).fetchall()
        return [row["note"] for row in found]


@pytest.fixture
def orders(database: Sql) -> Iterator[Orders]:
    """A fresh table of orders; dropped, with all that hangs on it, at the end."""
    orders = Orders(f"public.{Patterns.word('orders')}", database)
    orders.run("create table {} (id int primary key, status text not null, note text)")
    orders.run("insert into {} select n, 'broken' from generate_series(1, 10) as n")
    orders.grant("select", "update", "delete")
    yield orders
    orders.revoke()
    orders.run("drop table {} cascade")


@pytest.fixture
def desk(addresses: dict[str, Any], patterns: Patterns) -> Iterator[Desk]:
    """The engine's own services beside the stack."""
    desk = Desk.beside(addresses, patterns)
    yield desk
    desk.database.close()
