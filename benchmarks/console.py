"""Every page of the console as an operator opens it, with 100,000 patterns and 1,000,000 incidents.

Beside each page stands the poll by which an open page finds out that it is out of date: it is the
least that a signed-in request costs. What a dry-run takes is not in it, since no page makes one.
"""

from __future__ import annotations

import re
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import psycopg
from benchmarks.result import Result, percentile
from benchmarks.stack import fresh_stack

from pattern_engine.console import routes

if TYPE_CHECKING:
    from collections.abc import Iterator

ROUNDS = 20
WARM_UP = 3
_SEED = Path(__file__).with_suffix(".sql")
_EMAIL = "operator@example.com"
_PASSWORD = "a password of the benchmark"
_MARK = "/mark"
#: What stands for the values of a path: the busiest pattern with a fix, the latest run, ….
_EXAMPLES = {
    "pattern_id": """
        select pattern_id from ops.error_patterns
        where auto_fix_enabled order by occurrence_count desc limit 1
    """,
    "version": "select 1",
    "proposal_id": "select proposal_id from ops.fix_proposals where decision is null limit 1",
    "application_id": """
        select application_id from ops.pattern_applications
        where success order by applied_at desc limit 1
    """,
    "target_id": "select target_id from ops.notification_targets limit 1",
    "cluster_id": "select cluster_id from ops.pattern_clusters order by cluster_size desc limit 1",
}
#: What people ask the inbox for, beside opening it.
_QUERIES = (
    *("/?section=decision", "/?search=invoices+missing"),
    # Many patterns fit the first; none the second.
    *("/?type=rls&severity=error", "/?type=rls&severity=critical"),
)


def run() -> Iterator[Result]:
    """Seed a new stack and measure each page; the pages alternate."""
    with fresh_stack() as status:
        cookies = {"pattern_engine_access": _operator(status)}
        with psycopg.connect(status["admin_db_url"], autocommit=True) as connection:
            seed(connection)
            paths = [*_paths(connection), *_QUERIES]
        address = f"{status['functions_url']}/console"
        with httpx.Client(base_url=address, cookies=cookies, timeout=60) as client:
            times = _measured(client, [_MARK, *paths])
    floor = ("the poll of an open page", statistics.median(times[_MARK]))
    for path in paths:
        name = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "…", path)
        yield Result(f"{name}, median", statistics.median(times[path]), "ms", *floor, "≤ 150 ms")
        yield Result(
            f"{name}, 95th percentile", percentile(times[path], 0.95), "ms", wanted="≤ 300 ms"
        )


def seed(connection: psycopg.Connection[Any]) -> None:
    """Fill the database."""
    started = time.perf_counter()
    connection.execute("select cron.alter_job(jobid, active := false) from cron.job")
    # Not one transaction: each statement ends, so that the next is planned with its rows.
    for statement in re.split(r";\n", _SEED.read_text()):
        if statement.strip():
            connection.execute(statement.encode())
    connection.execute("vacuum analyze")
    # As the job does each minute, which does not run here.
    connection.execute("select ops_internal.count_figures()")
    print(f"  the project was made in {time.perf_counter() - started:.0f} s", flush=True)


def _operator(status: dict[str, Any]) -> str:
    """Sign up an operator; return the access token."""
    answer = httpx.post(
        f"{status['api_url']}/auth/v1/signup",
        json={"email": _EMAIL, "password": _PASSWORD},
        headers={"apikey": status["publishable_key"]},
    )
    session = answer.raise_for_status().json()
    with psycopg.connect(status["db_url"], autocommit=True) as connection:
        connection.execute(
            "insert into ops.operators (user_id, role) values (%s, 'ops_admin')",
            (session["user"]["id"],),
        )
    return str(session["access_token"])


def _paths(connection: psycopg.Connection[Any]) -> Iterator[str]:
    """Every page that is opened by an address, with an example where one is needed."""
    for route in routes.ROUTES:
        if route.method != "GET":
            continue
        path = route.path
        for value, name in re.findall(r"(<(?:\w+:)?(\w+)>)", path):
            row = connection.execute(_EXAMPLES[name].encode()).fetchone()
            if row is None:
                raise RuntimeError(f"nothing was seeded for {route.path}")
            path = path.replace(value, str(row[0]))
        yield path


def _measured(client: httpx.Client, paths: list[str]) -> dict[str, list[float]]:
    """Milliseconds of each page, in rounds."""
    times: dict[str, list[float]] = {path: [] for path in paths}
    for number in range(WARM_UP + ROUNDS):
        for path in paths:
            started = time.perf_counter()
            answer = client.get(path, headers={"Accept-Encoding": "gzip"})
            elapsed = (time.perf_counter() - started) * 1000
            if not answer.is_success:
                raise RuntimeError(f"{path} answered {answer.status_code}: {answer.text[:500]}")
            if number >= WARM_UP:
                times[path].append(elapsed)
    return times
