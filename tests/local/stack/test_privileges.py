"""Roles and privileges before the first migration are those of a hosted project."""

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import TupleRow

Database = psycopg.Connection[TupleRow]
API_ROLES = ("anon", "authenticated", "service_role")


def _one(connection: Database, statement: str, *values: object) -> object:
    row = connection.execute(statement.encode(), values).fetchone()
    assert row
    return row[0]


@pytest.mark.parametrize(
    ("role", "attributes"),
    [
        ("postgres", {"rolcanlogin", "rolcreaterole", "rolcreatedb", "rolbypassrls",
                      "rolreplication", "rolinherit"}),
        ("anon", set()),
        ("authenticated", set()),
        ("service_role", {"rolbypassrls"}),
        ("authenticator", {"rolcanlogin"}),
    ],
)  # fmt: skip
def test_each_role_has_its_attributes(
    as_postgres: Database, role: str, attributes: set[str]
) -> None:
    """Nobody but supabase_admin is a superuser; only the engine's role passes RLS by."""
    row = _one(as_postgres, "select to_jsonb(r) from pg_roles as r where rolname = %s", role)
    assert isinstance(row, dict)
    assert {name for name, value in row.items() if value is True} == attributes


@pytest.mark.parametrize("role", API_ROLES)
def test_the_login_role_can_become_each_api_role(as_superuser: Database, role: str) -> None:
    """`authenticator` has no rights of its own and takes those of the caller's role."""
    assert _one(as_superuser, "select pg_has_role('authenticator', %s, 'member')", role)
    assert not _one(as_superuser, "select pg_has_role('authenticator', %s, 'usage')", role)


@pytest.mark.parametrize(
    ("role", "timeout"), [("authenticator", "8s"), ("anon", "3s"), ("authenticated", "8s")]
)
def test_each_role_has_its_time_out(as_postgres: Database, role: str, timeout: str) -> None:
    """Statements of API callers are bounded."""
    settings = _one(as_postgres, "select rolconfig from pg_roles where rolname = %s", role)
    assert isinstance(settings, list)
    assert f"statement_timeout={timeout}" in settings


@pytest.mark.parametrize("role", API_ROLES)
def test_a_table_in_public_is_granted_by_default(as_postgres: Database, role: str) -> None:
    """What postgres makes in public is open to the API roles, so RLS must protect it."""
    with as_postgres.transaction(force_rollback=True):
        as_postgres.execute("create table public.fresh (id int)")
        assert _one(as_postgres, "select has_table_privilege(%s, 'public.fresh', 'select')", role)


@pytest.mark.parametrize(
    ("role", "table", "privilege", "allowed"),
    [
        ("postgres", "auth.users", "references", True),
        ("postgres", "auth.users", "select", True),
        ("anon", "auth.users", "select", False),
        ("authenticated", "auth.users", "select", False),
        ("service_role", "auth.users", "select", False),
        ("postgres", "vault.decrypted_secrets", "select", True),
        ("service_role", "vault.decrypted_secrets", "select", True),
        ("anon", "vault.decrypted_secrets", "select", False),
        ("authenticated", "vault.decrypted_secrets", "select", False),
        ("anon", "vault.secrets", "select", False),
        ("postgres", "net.http_request_queue", "insert", True),
        ("anon", "net.http_request_queue", "insert", False),
        ("authenticated", "net._http_response", "select", False),
        ("postgres", "cron.job", "select", True),
        ("anon", "cron.job", "select", False),
        ("authenticated", "cron.job", "insert", False),
    ],
)
def test_the_inner_tables_are_closed(
    as_superuser: Database, role: str, table: str, privilege: str, *, allowed: bool
) -> None:
    """Secrets, requests, users and schedules are not for API callers."""
    may_enter = _one(
        as_superuser, "select has_schema_privilege(%s, %s, 'usage')", role, table.partition(".")[0]
    )
    may_touch = _one(as_superuser, "select has_table_privilege(%s, %s, %s)", role, table, privilege)
    assert (may_enter and may_touch) is allowed


@pytest.mark.parametrize(
    ("role", "function", "allowed"),
    [
        ("postgres", "net.http_post(text,jsonb,jsonb,jsonb,int)", True),
        ("service_role", "net.http_post(text,jsonb,jsonb,jsonb,int)", True),
        ("anon", "net.http_post(text,jsonb,jsonb,jsonb,int)", False),
        ("authenticated", "net.http_post(text,jsonb,jsonb,jsonb,int)", False),
        ("postgres", "vault.create_secret(text,text,text,uuid)", True),
        ("anon", "vault.create_secret(text,text,text,uuid)", False),
        ("postgres", "cron.schedule(text,text,text)", True),
        ("authenticated", "cron.schedule(text,text,text)", False),
        ("anon", "auth.uid()", True),
        ("authenticated", "auth.uid()", True),
    ],
)
def test_the_inner_functions_are_closed(
    as_superuser: Database, role: str, function: str, *, allowed: bool
) -> None:
    """API callers neither send requests nor read secrets nor make schedules."""
    schema = function.partition(".")[0]
    may_enter = _one(as_superuser, "select has_schema_privilege(%s, %s, 'usage')", role, schema)
    may_call = _one(
        as_superuser, "select has_function_privilege(%s, %s, 'execute')", role, function
    )
    assert (may_enter and may_call) is allowed


@pytest.mark.parametrize("role", API_ROLES)
def test_a_token_is_read_in_both_forms(as_postgres: Database, role: str) -> None:
    """`auth.uid()` works with the claims as one JSON text, as SQL tests set them."""
    person = "7b0f4d5e-1f57-4c4f-9d19-9a1f6f2f3a51"
    with as_postgres.transaction(force_rollback=True):
        as_postgres.execute(sql.SQL("set local role {}").format(sql.Identifier(role)))
        assert _one(as_postgres, "select auth.uid() is null")
        claims = f'{{"sub": "{person}", "role": "{role}"}}'
        as_postgres.execute("select set_config('request.jwt.claims', %s, true)", (claims,))
        assert _one(as_postgres, "select auth.uid()::text") == person
        assert _one(as_postgres, "select auth.role()") == role


def test_a_secret_is_stored_and_changed(as_postgres: Database) -> None:
    """The vault gives back what was put in, under its name."""
    read = "select decrypted_secret from vault.decrypted_secrets where name = 'of a test'"
    with as_postgres.transaction(force_rollback=True):
        secret = _one(as_postgres, "select vault.create_secret('first', 'of a test')")
        assert _one(as_postgres, read) == "first"
        as_postgres.execute("select vault.update_secret(%s, 'second')", (secret,))
        assert _one(as_postgres, read) == "second"
        with pytest.raises(psycopg.errors.UniqueViolation):
            as_postgres.execute("select vault.create_secret('third', 'of a test')")


def test_the_engines_secrets_are_in_the_vault(
    as_postgres: Database, status: dict[str, str]
) -> None:
    """The database knows where the functions answer and how to prove that it calls."""
    read = "select decrypted_secret from vault.decrypted_secrets where name = %s"
    address = status["functions_url"] + "/pattern-analyzer"
    assert _one(as_postgres, read, "pattern_engine_functions_url") == address
    secret = _one(as_postgres, read, "pattern_engine_webhook_secret")
    assert secret == status["webhook_secret"]
