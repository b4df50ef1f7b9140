"""Learn one error, compared with an empty RPC through the same gateway; and learn batches."""

import time
from collections.abc import Iterator
from typing import Any

import httpx
import psycopg
from benchmarks.result import Result, side_by_side
from benchmarks.stack import fresh_stack, settings_of

from pattern_engine.api.callers import ENGINE
from pattern_engine.database.database import Database
from pattern_engine.demo import history
from pattern_engine.learning import counting, learning
from pattern_engine.learning.models import LearnRequest
from pattern_engine.learning.recording import record
from pattern_engine.learning.sightings import sighted

ROUNDS = 400
BATCH = 500


def run() -> Iterator[Result]:
    """Measure on a new stack."""
    with fresh_stack() as status:
        yield from _one_error(status)
        yield from _batches(status)


def _one_error(status: dict[str, Any]) -> Iterator[Result]:
    database = Database(settings_of(status))
    reports = _reports(status)

    def learn() -> object:
        return learning.learn(LearnRequest(**next(reports)), ENGINE, database)

    with httpx.Client(headers={"apikey": status["secret_key"]}) as client:
        address = f"{status['functions_url']}/pattern-analyzer/learn"

        def call_function() -> None:
            client.post(address, json=next(reports)).raise_for_status()

        median = side_by_side(
            {"ping": database.ping, "learn": learn, "function": call_function}, rounds=ROUNDS
        )
    floor = ("an empty RPC through the same gateway", median["ping"])
    yield Result("learn one error, the core's call", median["learn"], "ms", *floor, "<= 1.4")
    yield Result("learn one error, over HTTP", median["function"], "ms", *floor, "<= 2.2")


def _reports(status: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Return errors of one pattern, each with its own log row.

    The rows have the level info, so that the webhook does not learn them.
    """
    count = 2 * (ROUNDS + 100)
    with psycopg.connect(status["db_url"]) as connection:
        rows = connection.execute(
            "insert into ops.system_logs (log_level, message) "
            "select 'info', 'could not connect to database shop on port ' || number "
            "from generate_series(1, %s) as number returning id, message",
            (count,),
        ).fetchall()
    return ({"error_message": message, "system_log_id": number} for number, message in rows)


def _batches(status: dict[str, Any]) -> Iterator[Result]:
    """Yield errors per second in batches, compared with inserting the same rows into a table."""
    database = Database(settings_of(status))
    rows = history.log_rows()
    started = time.perf_counter()
    for batch in _batched([row["message"] for row in rows]):
        explained: set[str] = set()
        counting.count(database, [record(sighted(message), explained) for message in batch])
    learned = len(rows) / (time.perf_counter() - started)

    own = [row | {"log_level": "info"} for row in rows]
    headers = {
        "apikey": status["secret_key"],
        "Authorization": f"Bearer {status['secret_key']}",
        "Content-Profile": "ops",
        "Prefer": "return=minimal",
    }
    with httpx.Client(base_url=status["api_url"], headers=headers, timeout=60) as client:
        started = time.perf_counter()
        for start in range(0, len(own), BATCH):
            client.post("/rest/v1/system_logs", json=own[start : start + BATCH]).raise_for_status()
        inserted = len(own) / (time.perf_counter() - started)
    yield Result("learn in batches of 500", learned, "errors/s", "inserting the rows", inserted)


def _batched(messages: list[str]) -> Iterator[list[str]]:
    return (messages[start : start + BATCH] for start in range(0, len(messages), BATCH))
