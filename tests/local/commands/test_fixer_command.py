"""`pattern-engine fixer` says which tables approved fixes may touch, and which hosts they may reach."""

import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg.rows import TupleRow

Database = psycopg.Connection[TupleRow]
TABLE = 'public."My orders"'


@pytest.fixture
def table(as_postgres: Database) -> Iterator[str]:
    """A table with row-level security, a serial key and a name that needs quotes."""
    as_postgres.execute(f"create table {TABLE} (id bigserial primary key, done bool)".encode())
    as_postgres.execute(f"alter table {TABLE} enable row level security".encode())
    yield TABLE
    as_postgres.execute(f"drop table {TABLE}".encode())


@pytest.fixture
def fixer(command: Any, status: dict[str, Any]) -> Any:
    """Run `pattern-engine fixer …` on the shared stack."""

    def run(*words: str) -> Any:
        return command.run("fixer", *words, PATTERN_ENGINE_DB_URL=status["db_url"])

    return run


def _granted(fixer: Any) -> dict[str, Any]:
    listed = fixer("list", "--json")
    assert listed.returncode == 0, listed.stderr
    return {row["table_name"]: row for row in json.loads(listed.stdout)["tables"]}


def _as_fixer(connection: Database, statement: str) -> int:
    with connection.transaction(force_rollback=True):
        connection.execute("grant ops_fixer to postgres")
        connection.execute("set local role ops_fixer")
        return connection.execute(statement.encode()).rowcount


def test_a_granted_table_can_be_fixed(fixer: Any, as_postgres: Database, table: str) -> None:
    """Grant and policy together let ops_fixer see and change rows; no more than was granted."""
    as_postgres.execute(f"insert into {table} default values".encode())
    granted = fixer("grant", table)
    assert granted.returncode == 0, granted.stderr
    assert _as_fixer(as_postgres, f"update {table} set done = true") == 1
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        _as_fixer(as_postgres, f"delete from {table}")
    shown = _granted(fixer)[table]
    assert shown["privileges"] == ["select", "update"]
    assert shown["has_policy"] is True


def test_granting_again_replaces_what_was_granted(
    fixer: Any, as_postgres: Database, table: str
) -> None:
    """The last grant counts; inserting includes the sequence of the key."""
    assert fixer("grant", table).returncode == 0
    assert fixer("grant", table, "--privileges", "insert,SELECT").returncode == 0
    assert _granted(fixer)[table]["privileges"] == ["insert", "select"]
    assert _as_fixer(as_postgres, f"insert into {table} (done) values (true)") == 1


def test_a_revoked_table_is_closed_again(fixer: Any, as_postgres: Database, table: str) -> None:
    """Neither privilege nor policy is left."""
    fixer("grant", table, "--privileges", "select,insert,update,delete")
    revoked = fixer("revoke", table)
    assert revoked.returncode == 0, revoked.stderr
    assert table not in _granted(fixer)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        _as_fixer(as_postgres, f"select from {table}")
    policies = as_postgres.execute("select 1 from pg_policies where tablename = 'My orders'")
    assert policies.fetchall() == []


def test_a_table_that_got_security_later_is_shown(
    fixer: Any, as_postgres: Database, table: str
) -> None:
    """The list warns of a table on which fixes would see nothing."""
    as_postgres.execute(f"alter table {table} disable row level security".encode())
    assert fixer("grant", table).returncode == 0
    as_postgres.execute(f"alter table {table} enable row level security".encode())
    assert "fixes see no row" in fixer("list").stdout


@pytest.mark.parametrize(
    "name",
    ["auth.users", "vault.secrets", "ops.notes", "cron.job", "net.http_request_queue",
     "pg_catalog.pg_class", "information_schema.sql_features"],
)  # fmt: skip
def test_a_closed_schema_is_refused(fixer: Any, name: str) -> None:
    """Who could write there could steer Auth, secrets, schedules or the engine."""
    granted = fixer("grant", name)
    assert granted.returncode == 1
    assert "closed to fixes" in granted.stderr


def test_what_is_no_table_is_refused(fixer: Any, as_postgres: Database) -> None:
    """A view passes its owner's rights on, so only tables are granted."""
    as_postgres.execute("create view public.peek as select 1 as one")
    try:
        granted = fixer("grant", "public.peek")
    finally:
        as_postgres.execute("drop view public.peek")
    assert granted.returncode == 1
    assert "not a table" in granted.stderr


@pytest.mark.parametrize("name", ["public.nothing", "public.t; drop table ops.notes", '"'])
def test_an_unknown_table_is_told(fixer: Any, name: str) -> None:
    """A name is looked up, never pasted into a statement."""
    granted = fixer("grant", name)
    assert granted.returncode == 1
    assert "Traceback" not in granted.stderr


@pytest.mark.parametrize("privileges", ["", "truncate", "select,all"])
def test_other_privileges_are_wrong_usage(fixer: Any, table: str, privileges: str) -> None:
    """Only reading and changing rows can be granted."""
    granted = fixer("grant", table, "--privileges", privileges)
    assert granted.returncode == 2
    assert "select, insert, update, delete" in granted.stderr
