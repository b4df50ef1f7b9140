"""Fixes of one pattern, each for its own constraint, through the clients by which errors come."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, LiteralString

import psycopg
import pytest
from postgrest import SyncPostgrestClient
from postgrest.exceptions import APIError
from psycopg import sql
from tests.scenarios.learning.test_loop import applications, pattern_of
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Person, Rest, Sql
    from tests.scenarios.conftest import Fault


class Shop:
    """A table with check constraints, and what clients log when one of them is violated."""

    def __init__(self, database: Sql, fault: Fault, addresses: dict[str, Any]) -> None:
        self._database, self._addresses = database, addresses
        self.table = fault.table
        for column in ("currency", "total", "country"):
            self._run(
                "alter table {table} add column {column} text, add constraint {name} check"
                " ({column} <> 'bad')",
                column,
            )
        self._run("grant insert on {table} to service_role")
        self._run("notify pgrst, 'reload schema'")

    def constraint(self, column: str) -> str:
        """The name of the constraint on a column."""
        return f"{self.table}_{column}_check"

    def _run(self, statement: LiteralString, column: str = "") -> None:
        self._database.connection.execute(
            sql.SQL(statement).format(
                table=sql.Identifier(self.table),
                column=sql.Identifier(column),
                name=sql.Identifier(self.constraint(column)),
            )
        )

    def by_psycopg(self, column: str) -> str:
        """What `str(error)` says after psycopg."""
        with pytest.raises(psycopg.errors.CheckViolation) as violated:
            self._run("insert into {table} (id, {column}) values (99, 'bad')", column)
        return str(violated.value)

    def by_supabase(self, column: str) -> str:
        """What `str(error)` says after supabase-py."""
        key = self._addresses["secret_key"]
        url = f"{self._addresses['api_url']}/rest/v1"
        with SyncPostgrestClient(url, headers={"apikey": key}) as client:
            query = client.table(self.table).insert({"id": 99, column: "bad"})
            with pytest.raises(APIError) as violated:
                eventually(lambda: _executed(query))
        return str(violated.value)

    def by_log(self, column: str) -> str:
        """What the server's own log says."""
        return f"2026-01-01 00:00:00.000 UTC [7] ERROR:  {self.by_psycopg(column)}"


def _executed(query: Any) -> object:
    """Execute a query; None while the API does not know the table yet."""
    try:
        return query.execute()
    except APIError as problem:
        if str(problem.code).startswith("PGRST"):
            return None
        raise


@pytest.fixture
def shop(database: Sql, fault: Fault, addresses: dict[str, Any]) -> Shop:
    """A shop of its own; the pattern of its errors is that of all check constraints."""
    return Shop(database, fault, addresses)


def test_each_fix_runs_for_its_own_constraint_through_every_client(
    engine: Rest,
    database: Sql,
    shop: Shop,
    occur: Callable[[str], int],
    post: Callable[..., dict[str, Any]],
    administrator: Person,
) -> None:
    """One pattern, two fixes; a third constraint is refused until a person confirms it."""

    def healed(log_id: int) -> list[dict[str, Any]]:
        """The run for an error, after which the error stayed away."""
        runs = eventually(lambda: applications(engine, log_id))
        database.run(
            """update ops.pattern_verifications
               set outcome = 'verified', decided_at = now(), late_until = now()
               where outcome = 'pending'"""
        )
        return runs

    first = pattern_of(engine, occur(shop.by_psycopg("currency")))
    versions = {}
    for column in ("currency", "total"):
        answer = post(
            "approve",
            pattern_id=first["pattern_id"],
            auto_fix_type="sql",
            auto_fix_script=f"update {shop.table} set status = '{column}' where id = 1",
            auto_fix_parameters={"when": {"constraint": [shop.constraint(column)]}},
            approved_by=administrator.id,
        )
        versions[column] = answer["fix"]["version"]

    for message in (shop.by_supabase, shop.by_psycopg, shop.by_log):
        for column, version in versions.items():
            log_id = occur(message(column))
            assert pattern_of(engine, log_id)["pattern_id"] == first["pattern_id"]
            (run,) = healed(log_id)
            assert (run["success"], run["metadata"]["fix_version"]) == (True, version)

    log_id = occur(shop.by_supabase("country"))

    def refusal() -> str | None:
        (found,) = engine.select("pattern_incidents", system_log_id=f"eq.{log_id}") or [{}]
        return found.get("refusal")

    reason = eventually(refusal)
    assert shop.constraint("country") in str(reason)
    assert "POST /confirm" in str(reason)
    assert applications(engine, log_id) == []

    named = {"constraint": shop.constraint("country")}
    confirmed = post(
        "confirm",
        pattern_id=first["pattern_id"],
        identifiers=[named],
        version=versions["total"],
    )
    assert confirmed["confirmed_identifiers"] == [named]
    (run,) = healed(occur(shop.by_log("country")))
    assert run["metadata"]["fix_version"] == versions["total"]
    for version in versions.values():
        post("disable", pattern_id=first["pattern_id"], version=version)
