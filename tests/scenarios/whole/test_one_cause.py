"""One cause is one pattern, one count, one fix and one verification, through all real clients."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pytest
from psycopg import sql
from tests.scenarios.learning.test_loop import applications, pattern_of
from tests.scenarios.whole.clients import Clients
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.conftest import Person, Rest, Sql
    from tests.scenarios.conftest import Fault, Functions


class Cause(NamedTuple):
    """What is wrong with a table, and what each client's error names."""

    wrong: sql.SQL
    code: str
    name: str
    value: str
    """The value of that name, with {table} for the table."""


CAUSES: Final = {
    "unique violation": Cause(
        sql.SQL("grant insert, select on {table} to service_role"),
        *("23505", "constraint", "{table}_pkey"),
    ),
    "missing grant": Cause(
        sql.SQL("revoke all on {table} from service_role"), *("42501", "table", "{table}")
    ),
}


class Occurring(NamedTuple):
    """A cause that is there, and the clients that run into it."""

    cause: Cause
    table: str
    clients: dict[str, Callable[[], str]]

    @property
    def identifiers(self) -> dict[str, str]:
        """What every client's error names."""
        return {self.cause.name: self.cause.value.format(table=self.table)}


@pytest.fixture(params=CAUSES)
def occurring(
    request: pytest.FixtureRequest,
    fault: Fault,
    database: Sql,
    addresses: dict[str, Any],
    tmp_path: Path,
) -> Occurring:
    """A table of its own that refuses a row to everyone who inserts it."""
    cause = CAUSES[request.param]
    database.connection.execute(cause.wrong.format(table=sql.Identifier(fault.table)))
    database.run("notify pgrst, 'reload schema'")
    clients = Clients(addresses, fault.table, tmp_path)
    clients.wait_until_known()
    return Occurring(cause, fault.table, clients.all())


def facet(functions: Functions, pattern_id: str, name: str, value: str) -> int:
    """How often the errors of a pattern named a value."""
    found = functions.call(f"facets?pattern_id={pattern_id}&limit=100").json()["facets"]
    (values,) = (each["values"] for each in found if each["name"] == name)
    return sum(each["occurrences"] for each in values if each["value"] == value)


def test_one_cause_is_one_pattern_and_each_error_counts_once(
    occurring: Occurring, occur: Callable[[str], int], engine: Rest, functions: Functions
) -> None:
    """Whatever wraps it, the error is known by name, and named alike."""
    log_ids = {client: occur(error()) for client, error in occurring.clients.items()}
    patterns = {client: pattern_of(engine, log_id) for client, log_id in log_ids.items()}
    assert len({pattern["pattern_id"] for pattern in patterns.values()}) == 1, patterns
    (pattern_id,) = {pattern["pattern_id"] for pattern in patterns.values()}
    ((name, value),) = occurring.identifiers.items()
    assert facet(functions, pattern_id, name, value) == len(log_ids)
    incidents = engine.select(
        "pattern_incidents", system_log_id=f"in.({','.join(map(str, log_ids.values()))})"
    )
    assert len(incidents) == len(log_ids)
    assert functions.call(f"facets?pattern_id={pattern_id}").json()["known"] is not None


@pytest.fixture
def fix(
    occurring: Occurring,
    occur: Callable[[str], int],
    engine: Rest,
    post: Callable[..., dict[str, Any]],
    administrator: Person,
) -> Iterator[int]:
    """The version of a fix for what the errors name; its errors came through one client alone."""
    error = occurring.clients["psycopg, str(error)"]
    pattern_id = pattern_of(engine, occur(error()))["pattern_id"]
    answer = post(
        "approve",
        pattern_id=pattern_id,
        auto_fix_type="sql",
        auto_fix_script=f"update {occurring.table} set status = 'looked at' where id = 1",
        auto_fix_parameters={
            "when": {name: [value] for name, value in occurring.identifiers.items()}
        },
        approved_by=administrator.id,
    )
    version: int = answer["fix"]["version"]
    yield version
    post("disable", pattern_id=pattern_id, version=version)


def verification(engine: Rest, application: dict[str, Any]) -> dict[str, Any]:
    """What is known about a run."""
    (found,) = engine.select(
        "pattern_verifications", application_id=f"eq.{application['application_id']}"
    )
    return found


def test_a_fix_heals_through_every_client(
    occurring: Occurring, fix: int, occur: Callable[[str], int], engine: Rest, database: Sql
) -> None:
    """It was approved for what one client's error names, and runs for what each of them names."""
    for client, error in occurring.clients.items():
        (run,) = eventually(partial(applications, engine, occur(error())))
        assert (run["success"], run["metadata"]["fix_version"]) == (True, fix), client
        database.run(
            """update ops.pattern_verifications
               set outcome = 'verified', decided_at = now(), late_until = now()
               where outcome = 'pending'"""
        )


@pytest.mark.parametrize(
    ("healed_by", "came_back_by"),
    [
        ("psycopg, str(error)", "supabase-py, str(error)"),
        ("supabase-py, str(error)", "supabase-js, console.error"),
        ("supabase-js, console.error", "the server's log, one line"),
        ("the server's log, an entry", "psycopg, logging.exception"),
    ],
)
def test_an_error_that_comes_back_through_another_client_fails_the_verification(
    occurring: Occurring,
    fix: int,
    occur: Callable[[str], int],
    engine: Rest,
    healed_by: str,
    came_back_by: str,
) -> None:
    """That the error stayed away is said of the cause and not of a client."""
    log_id = occur(occurring.clients[healed_by]())
    (run,) = eventually(lambda: applications(engine, log_id))
    assert run["metadata"]["fix_version"] == fix
    assert verification(engine, run)["outcome"] == "pending"

    pattern_of(engine, occur(occurring.clients[came_back_by]()))
    engine.call("verify_applications_v1")

    found = verification(engine, run)
    assert (found["outcome"], "came back" in found["reason"]) == ("failed", True)
