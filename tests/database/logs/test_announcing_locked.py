"""Whatever the announcement needs may be locked or missing: the application's insert goes on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, LiteralString

import pytest
from tests.conftest import Sql

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Person

ROLES = ["service_role", "authenticated", "postgres"]
LOCKS: list[LiteralString] = [
    "lock table net.http_request_queue in access exclusive mode",
    "alter sequence net.http_request_queue_id_seq start 1",
    "lock table vault.secrets in access exclusive mode",
    "lock table vault.decrypted_secrets in access exclusive mode",
    "alter sequence ops_internal.announced_until start 1",
    "alter sequence ops_internal.attended_until start 1",
    "lock table ops.pattern_incidents, ops_internal.learning_tries, ops_internal.sweep in access exclusive mode",
]
REMOVALS: list[LiteralString] = [
    "drop schema net cascade",
    "drop table net.http_request_queue cascade",
    "drop schema vault cascade",
    "drop table vault.secrets cascade",
    "drop view vault.decrypted_secrets cascade",
    "delete from vault.secrets",
    "update vault.secrets set name = name || ' of old'",
    "drop sequence ops_internal.announced_until",
    "drop sequence ops_internal.attended_until",
    "drop function ops_internal.call_function",
    "drop table ops_internal.sweep cascade",
    "drop table ops_internal.learning_tries cascade",
    "revoke all on schema net from public, postgres, service_role",
    "revoke all on all tables in schema vault from public, postgres, service_role",
]


@pytest.fixture
def other(addresses: dict[str, Any]) -> Iterator[Sql]:
    """A session of a superuser that locks or removes something."""
    with Sql(addresses["admin_db_url"]) as sql:
        yield sql


def _nobody_looks(sql: Sql) -> None:
    for name in ("announced_until", "attended_until"):
        sql.value("select setval(('ops_internal.' || %s)::regclass, 1)", name)


def _insert(sql: Sql, role: str, user: Person, message: str) -> None:
    """Write an error as this role; its statement is ended if it waits."""
    sql.run("select set_config('request.jwt.claims', %s, true)", json.dumps({"sub": user.id}))
    sql.run("select set_config('role', %s, true)", role)
    sql.run("set local statement_timeout = '1s'")
    sql.run(
        "insert into ops.system_logs (message, source) values (%s, 'shop'), ('another', 'shop')",
        message,
    )
    sql.run("reset role")


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("lock", LOCKS)
def test_an_insert_does_not_wait_for_a_lock(
    admin: Sql, other: Sql, user: Person, role: str, lock: LiteralString
) -> None:
    """The row is written within its statement time-out, and its transaction goes on."""
    _nobody_looks(admin)
    with other.undone():
        other.run(lock)
        with admin.undone():
            _insert(admin, role, user, "locked out")
            count = "select count(*) from ops.system_logs where message = 'locked out'"
            assert admin.value(count) == 1


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("removal", REMOVALS)
def test_an_insert_does_not_need_what_is_missing(
    admin: Sql, user: Person, role: str, removal: LiteralString
) -> None:
    """The row is written whatever is missing, and its transaction goes on."""
    _nobody_looks(admin)
    with admin.undone():
        admin.run(removal)
        _insert(admin, role, user, "nothing there")
        count = "select count(*) from ops.system_logs where message = 'nothing there'"
        assert admin.value(count) == 1
