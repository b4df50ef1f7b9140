"""Give a fresh cluster what a hosted Supabase project has before its first migration."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from pattern_engine.local.keys import Keys

_HERE = Path(__file__).parent
_STANDINS = _HERE / "standins"
_NET_AND_VAULT = (_STANDINS / "net.sql", _STANDINS / "vault.sql")
_CRON = _STANDINS / "cron.sql"
_CRON_PRIVILEGES = _STANDINS / "cron_privileges.sql"

Connection = psycopg.Connection[tuple[object, ...]]


def bootstrap(connection: Connection) -> None:
    """Create roles, privileges and extensions.

    This runs once for each cluster, since a migration may revoke what it grants.
    """
    with connection.transaction():
        connection.execute((_HERE / "bootstrap.sql").read_bytes())


def standins_hash(*, has_cron: bool) -> str:
    """Return a digest of the SQL that `install_standins` runs."""
    files = (*_NET_AND_VAULT, *(() if has_cron else (_CRON,)), _CRON_PRIVILEGES)
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def install_standins(connection: Connection, *, has_cron: bool) -> None:
    """Create or replace the stand-ins for missing extensions, and create pg_cron if available."""
    with connection.transaction():
        for file in _NET_AND_VAULT:
            connection.execute(file.read_bytes())
        if has_cron:
            connection.execute("create extension if not exists pg_cron with schema pg_catalog")
        else:
            connection.execute(_CRON.read_bytes())
        connection.execute(_CRON_PRIVILEGES.read_bytes())


def set_passwords(connection: Connection, keys: Keys) -> None:
    """Set the passwords of the roles that log in over TCP."""
    with connection.transaction():
        _set_password(connection, "supabase_admin", keys.admin_password)
        _set_password(connection, "postgres", keys.postgres_password)


def grant_auth(connection: Connection) -> None:
    """Grant the schemas auth and supabase_migrations, which the gateway has created."""
    with connection.transaction():
        connection.execute((_HERE / "auth.sql").read_bytes())


def _set_password(connection: Connection, role: str, password: str) -> None:
    """Set a password by its verifier, so that the password itself is in no log."""
    verifier = connection.pgconn.encrypt_password(
        password.encode(), role.encode(), b"scram-sha-256"
    )
    connection.execute(
        sql.SQL("alter role {} password {}").format(
            sql.Identifier(role), sql.Literal(verifier.decode())
        )
    )


@dataclass(frozen=True)
class VaultSecret:
    """A secret that functions of the migrations read by its name."""

    name: str
    value: str
    description: str


def store_secrets(connection: Connection, secrets: list[VaultSecret]) -> None:
    """Store secrets in the vault; update those that have another value there."""
    for secret in secrets:
        known = connection.execute(
            "select id, decrypted_secret from vault.decrypted_secrets where name = %s",
            (secret.name,),
        ).fetchone()
        if known is None:
            connection.execute(
                "select vault.create_secret(%s, %s, %s)",
                (secret.value, secret.name, secret.description),
            )
        elif known[1] != secret.value:
            connection.execute("select vault.update_secret(%s, %s)", (known[0], secret.value))
