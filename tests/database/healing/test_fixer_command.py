"""`pattern-engine fixer` says which tables approved fixes may touch, and how."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg.rows import TupleRow

Database = psycopg.Connection[TupleRow]
TABLE = 'public."My orders"'


@pytest.fixture
def as_postgres(addresses: dict[str, Any]) -> Iterator[Database]:
    """A login as postgres, the owner of the tables."""
    with psycopg.connect(addresses["db_url"], autocommit=True) as connection:
        yield connection


@pytest.fixture
def table(as_postgres: Database) -> Iterator[str]:
    """A table with row-level security, a serial key and a name that needs quotes."""
    as_postgres.execute(f"create table {TABLE} (id bigserial primary key, done bool)".encode())
    as_postgres.execute(f"alter table {TABLE} enable row level security".encode())
    yield TABLE
    as_postgres.execute("delete from ops.fixer_grants")
    as_postgres.execute(f"drop table {TABLE} cascade".encode())


@pytest.fixture
def fixer(addresses: dict[str, Any]) -> Any:
    """Run `pattern-engine fixer …` on the stack, as somebody who has no terminal."""

    def run(*words: str) -> Any:
        return subprocess.run(
            [sys.executable, "-m", "pattern_engine.cli", "fixer", *words],
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
            stdin=subprocess.DEVNULL,
            env=os.environ | {"PATTERN_ENGINE_DB_URL": addresses["db_url"]},
        )

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
    assert shown["granted"] == shown["effective"] == shown["stored"] == ["select", "update"]
    assert shown["has_policy"] is True


def test_granting_again_replaces_what_was_granted(
    fixer: Any, as_postgres: Database, table: str
) -> None:
    """The last grant counts; inserting includes the sequence of the key."""
    assert fixer("grant", table).returncode == 0
    assert fixer("grant", table, "--privileges", "insert,SELECT").returncode == 0
    assert _granted(fixer)[table]["effective"] == ["insert", "select"]
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
    ["auth.users", "vault.secrets", "ops.system_logs", "cron.job", "net.http_request_queue",
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


@pytest.mark.parametrize("name", ["public.nothing", "public.t; drop table ops.operators", '"'])
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


def test_what_comes_with_a_table_is_shown_and_asked_for(
    fixer: Any, as_postgres: Database, table: str
) -> None:
    """Nothing is granted before somebody agreed; then it is stored, and listed."""
    as_postgres.execute(
        f"create table public.lines (order_id bigint references {table} on delete cascade)".encode()
    )
    try:
        asked = fixer("grant", table, "--privileges", "select,delete")
        assert asked.returncode == 1
        assert "delete on public.lines" in asked.stdout
        assert "--yes" in asked.stderr
        assert table not in _granted(fixer)
        agreed = fixer("grant", table, "--privileges", "select,delete", "--yes")
        assert agreed.returncode == 0, agreed.stderr
        (reached,) = _granted(fixer)[table]["reaches"]
        assert (reached["table"], reached["operation"]) == ("public.lines", "delete")
        assert "lines_order_id_fkey" in reached["via"]
        assert "delete on public.lines" in fixer("list").stdout
    finally:
        as_postgres.execute("drop table public.lines")


def test_a_table_can_be_named_that_nothing_shows(
    fixer: Any, as_postgres: Database, table: str
) -> None:
    """Such as one that a trigger writes by a statement that it puts together."""
    as_postgres.execute("create table public.history (id int)")
    try:
        granted = fixer("grant", table, "--reaches", "public.history", "--yes")
        assert granted.returncode == 0, granted.stderr
        assert {"table": "public.history", "operation": "any", "via": "--reaches"} in _granted(
            fixer
        )[table]["reaches"]
        missing = fixer("grant", table, "--reaches", "public.nothing", "--yes")
        assert missing.returncode == 1
        assert "no table public.nothing" in missing.stderr
    finally:
        as_postgres.execute("drop table public.history")


def test_the_list_tells_what_is_in_effect(fixer: Any, as_postgres: Database, table: str) -> None:
    """Rights of PUBLIC, of columns and by hand are shown, with what becomes of a fix that uses them."""
    assert fixer("grant", table).returncode == 0
    as_postgres.execute(f"grant delete on {table} to public".encode())
    as_postgres.execute(f"grant insert (done) on {table} to ops_fixer".encode())
    as_postgres.execute(f"revoke update on {table} from ops_fixer".encode())
    shown = _granted(fixer)[table]
    assert shown["effective"] == ["delete", "insert", "select"]
    assert shown["granted"] == ["insert", "select"]
    assert shown["stored"] == ["select", "update"]
    told = fixer("list").stdout
    for part in ("delete by PUBLIC", "insert granted without", "update was revoked since"):
        assert part in told


def test_a_table_that_only_public_may_use_is_listed(
    fixer: Any, as_postgres: Database, table: str
) -> None:
    """It is in reach of a script, though every run that touches it is refused."""
    as_postgres.execute(f"grant select on {table} to public".encode())
    assert _granted(fixer)[table]["effective"] == ["select"]


def test_revoking_tells_what_is_left(fixer: Any, as_postgres: Database, table: str) -> None:
    """Columns are taken back too; what PUBLIC has is not the fixer's, and is told."""
    assert fixer("grant", table).returncode == 0
    as_postgres.execute(f"grant insert (done) on {table} to ops_fixer".encode())
    as_postgres.execute(f"grant select on {table} to public".encode())
    revoked = fixer("revoke", table)
    assert revoked.returncode == 0, revoked.stderr
    assert "still has select" in revoked.stdout
    assert _granted(fixer)[table]["granted"] == []


def test_a_table_with_rights_of_public_beyond_the_grant_is_not_granted(
    fixer: Any, as_postgres: Database, table: str
) -> None:
    """A fix would have them too, so they are taken from PUBLIC first, or granted with the others."""
    as_postgres.execute(f"grant delete on {table} to public".encode())
    granted = fixer("grant", table)
    assert granted.returncode == 1
    assert "PUBLIC" in granted.stderr
    assert _granted(fixer)[table]["granted"] == []
    assert fixer("grant", table, "--privileges", "select,delete").returncode == 0
