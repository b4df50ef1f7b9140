"""What the insert of an error costs, and how many single ones are learned a second."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
from benchmarks.result import Result, side_by_side
from benchmarks.stack import fresh_stack

ROUNDS = 1000
SINGLES = 4000
CONNECTIONS = 4

_INSERT = "insert into {} (message, source) values ('could not connect to shard 7', 'shop')"
_UNLEARNED = """
select count(*) from ops.system_logs as logs
where not exists (
  select from ops.pattern_incidents as incidents where incidents.system_log_id = logs.id)
"""


def run() -> Iterator[Result]:
    """Measure on a new stack, whose functions learn meanwhile."""
    with (
        fresh_stack() as status,
        psycopg.connect(status["admin_db_url"], autocommit=True) as admin,
    ):
        # The same table with its indexes and its default values, and without triggers.
        admin.execute("create table ops.plain_logs (like ops.system_logs including all)")
        admin.execute("grant insert on ops.plain_logs to service_role")
        yield _cost(status, "an insert by the service role", "<= 2")
        admin.execute("alter table vault.secrets rename to secrets_away")
        yield _cost(status, "an insert without Vault", "<= 2")
        admin.execute("alter table vault.secrets_away rename to secrets")
        _wait(admin)
        yield Result("single inserts, to the last learned", _singles(status, admin), "errors/s")


def _cost(status: dict[str, Any], name: str, wanted: str) -> Result:
    with psycopg.connect(status["db_url"], autocommit=True) as connection:
        connection.execute("set role service_role")

        def inserted(table: str) -> Callable[[], object]:
            statement = _INSERT.format(table).encode()
            return lambda: connection.execute(statement)

        tables = ("ops.system_logs", "ops.plain_logs")
        median = side_by_side({table: inserted(table) for table in tables}, rounds=ROUNDS)
    peer = ("the same table without triggers", median["ops.plain_logs"])
    return Result(name, median["ops.system_logs"], "ms", *peer, wanted)


def _singles(status: dict[str, Any], admin: psycopg.Connection[Any]) -> float:
    def write(part: int) -> None:
        with psycopg.connect(status["db_url"], autocommit=True) as connection:
            connection.execute("set role service_role")
            for _ in range(part, SINGLES, CONNECTIONS):
                connection.execute(_INSERT.format("ops.system_logs").encode())

    started = time.perf_counter()
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        list(pool.map(write, range(CONNECTIONS)))
    _wait(admin)
    return SINGLES / (time.perf_counter() - started)


def _wait(admin: psycopg.Connection[Any]) -> None:
    while (row := admin.execute(_UNLEARNED).fetchone()) and row[0]:
        time.sleep(0.1)
