"""100,000 errors by single inserts, batches and COPY, and a backlog that no call has announced."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import psycopg
from benchmarks.result import Result
from benchmarks.stack import fresh_stack

Connection = psycopg.Connection[Any]

SINGLES = 20_000
BATCHES = 60
BATCH = 500
COPIED = 50_000
BACKLOG = 100_000
KINDS = 40
"""Patterns among the errors."""
CONNECTIONS = 4
LIMIT_SECONDS = 900

_INSERT = "insert into ops.system_logs (message, source) values (%s, 'soak')"
_UNLEARNED = """
select count(*) from ops.system_logs as logs
where logs.source = 'soak' and not exists (
  select from ops.pattern_incidents as incidents where incidents.system_log_id = logs.id)
"""
# By the service role alone, so that every error counts.
_COUNTED = """
select (select count(*) from ops.pattern_incidents as incidents
    inner join ops.system_logs as logs on logs.id = incidents.system_log_id
    where logs.source = 'soak'),
  (select coalesce(sum(occurrence_count), 0) from ops.error_patterns where status <> 'merged')
"""


def run(_seconds: float) -> Iterator[Result]:
    """Measure on a new stack; raise if an error was lost or counted twice.

    How long it takes depends on how fast the errors are learned.
    """
    with fresh_stack() as status, _connected(status) as watching:
        written = 0
        for name, count, write in (
            ("single inserts", SINGLES, _singles),
            ("batches of 500", BATCHES * BATCH, _batches),
            ("one COPY", COPIED, _copy),
        ):
            written += count
            rate = _learned(watching, count, write, status, written)
            yield Result(f"learned, written by {name}", rate, "errors/s")
        with _unannounced(watching):
            _copy(status, BACKLOG)
        watching.execute("update ops.system_logs set created_at = created_at - interval '1 minute'")
        written += BACKLOG
        rate = _learned(watching, BACKLOG, lambda *_: None, status, written)
        yield Result(
            "a backlog of 100,000, from nothing to the last", BACKLOG / rate, "s", wanted="< 120 s"
        )


def _learned(
    watching: Connection,
    count: int,
    write: Callable[[dict[str, Any], int], None],
    status: dict[str, Any],
    written: int,
) -> float:
    """Write errors and wait until all are learned; return how many a second were."""
    started = time.perf_counter()
    write(status, count)
    while _one(watching, _UNLEARNED)[0]:
        if time.perf_counter() - started > LIMIT_SECONDS:
            raise RuntimeError(f"not learned after {LIMIT_SECONDS} s: {_one(watching, _UNLEARNED)}")
        time.sleep(0.5)
    rate = count / (time.perf_counter() - started)
    if (counted := _one(watching, _COUNTED)) != (written, written):
        raise RuntimeError(f"{written} errors were written, {counted} were counted")
    return rate


def _one(connection: Connection, statement: str) -> tuple[Any, ...]:
    row: tuple[Any, ...] | None = connection.execute(statement.encode()).fetchone()
    if row is None:
        raise RuntimeError("the database answered no row")
    return row


@contextmanager
def _connected(status: dict[str, Any]) -> Iterator[Connection]:
    with psycopg.connect(status["admin_db_url"], autocommit=True) as connection:
        yield connection


def _as_service(status: dict[str, Any]) -> Connection:
    connection = psycopg.connect(status["db_url"], autocommit=True)
    connection.execute("set role service_role")
    return connection


@contextmanager
def _unannounced(connection: Connection) -> Iterator[None]:
    """A time in which the webhook is not called, as while the functions are away."""
    rename = "update vault.secrets set name = %s where name = %s"
    name = "pattern_engine_functions_url"
    connection.execute(rename, (f"{name} away", name))
    yield
    connection.execute(rename, (name, f"{name} away"))


def _message(number: int) -> str:
    word = "".join(chr(97 + int(digit)) for digit in f"{number % KINDS:03d}")
    return f"could not open the {word} ledger of {word} at page {number}"


def _singles(status: dict[str, Any], count: int) -> None:
    def write(part: int) -> None:
        with _as_service(status) as connection:
            for number in range(part, count, CONNECTIONS):
                connection.execute(_INSERT, (_message(number),))

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        list(pool.map(write, range(CONNECTIONS)))


def _batches(status: dict[str, Any], count: int) -> None:
    with _as_service(status) as connection:
        for start in range(0, count, BATCH):
            connection.execute(
                "insert into ops.system_logs (message, source) "
                "select message, 'soak' from unnest(%s::text[]) as message",
                ([_message(number) for number in range(start, start + BATCH)],),
            )


def _copy(status: dict[str, Any], count: int) -> None:
    with (
        _as_service(status) as connection,
        connection.cursor() as cursor,
        cursor.copy("copy ops.system_logs (message, source) from stdin") as copy,
    ):
        for number in range(count):
            copy.write_row((_message(number), "soak"))
