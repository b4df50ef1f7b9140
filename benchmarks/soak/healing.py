"""Fifty errors a second, one in twenty with a fix and a target, while every part is killed once.

The first and the last fifth of the time are calm, so that healing can be compared at the start and
at the end. Each order is broken once, so every fix is healthy and has to run exactly once for it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, LiteralString

import httpx
import psycopg
from benchmarks.applying import approve
from benchmarks.result import Result, percentile
from benchmarks.stack import settings_of

from pattern_engine.database.database import Database
from pattern_engine.learning import counting
from pattern_engine.learning.recording import record
from pattern_engine.learning.sightings import sighted
from pattern_engine.local.stack import read_status
from pattern_engine.local.state import State

if TYPE_CHECKING:
    from collections.abc import Iterator

ERRORS_A_SECOND = 50
EVERY = 20
"""One error in so many has a fix."""
CALM_SHARE = 0.2
"""This share of the time at the start, and at the end, nothing is killed."""
DRAIN_SECONDS = 240
LOOSE = {
    "COOLDOWN_SECONDS": "0",
    "RUNS_PER_HOUR": "100000",
    "ROWS_PER_HOUR": "100000000",
    "RUNS_PER_INCIDENT": "1000",
    "ERRORS_AT_MAXIMUM": "1000000",
    "STORM_PATTERNS": "10000",
}
SCRIPT = """update public.soaked set status = 'new', heals = heals + 1
where id = ($2 -> 'captured' ->> 'order')::integer and status is null"""
WORDS = ("left", "upper", "cold", "green", "quiet", "broken", "spare", "inner", "late", "odd")


def run(seconds: float) -> list[Result]:
    """Load a new stack for so many seconds, wait until all is handled, and count."""
    with _supervised_stack() as home:
        status = read_status(home)
        with psycopg.connect(status["admin_db_url"], autocommit=True) as connection:
            _prepare(status, connection)
        killer = threading.Thread(target=_kill_each_part, args=(home, seconds), daemon=True)
        killer.start()
        count = _load(status, seconds)
        killer.join()
        with psycopg.connect(status["admin_db_url"], autocommit=True) as connection:
            _drain(connection, count)
            return list(_figures(connection, count, seconds))


@contextmanager
def _supervised_stack() -> Iterator[Path]:
    """A detached stack, whose supervisor starts a part again when it dies."""
    command = [sys.executable, "-m", "pattern_engine.cli"]
    with tempfile.TemporaryDirectory() as directory:
        home = Path(directory) / "stack"
        of_stack = ["--data-dir", str(home)]
        loose = {f"PATTERN_ENGINE_{name}": value for name, value in LOOSE.items()}
        start = [*command, "up", "--port", "0", "--detach", *of_stack]
        subprocess.run(start, check=True, env=os.environ | loose)
        try:
            yield home
        finally:
            subprocess.run([*command, "down", *of_stack], check=True)


def _message(number: int) -> str:
    if number % EVERY == 0:
        return f"order {number} of the soak has no status"
    return f"the {WORDS[number % 7]} shelf of the {WORDS[number % 10]} store is empty"


def _prepare(status: dict[str, Any], connection: psycopg.Connection[Any]) -> None:
    """Approve the fix of the errors that have one."""
    database = Database(settings_of(status))
    connection.execute(_TABLE)
    (learned,) = counting.count(database, [record(sighted(_message(0), source="shop"))])
    approve("sql", learned["pattern_id"], connection, script=SCRIPT, target=["order"])
    database.close()


def _load(status: dict[str, Any], seconds: float) -> int:
    """Insert errors at a steady rate, as an application that tries again; return how many."""
    count = round(seconds * ERRORS_A_SECOND)
    key = status["secret_key"]
    headers = {"apikey": key, "Authorization": f"Bearer {key}", "Content-Profile": "ops"}
    headers["Prefer"] = "return=minimal"
    own = threading.local()

    def insert(number: int) -> None:
        row = {
            "message": _message(number),
            "source": "shop",
            "log_level": "error",
            "event_id": f"soak {number}",
        }
        while True:
            if not hasattr(own, "client"):
                own.client = httpx.Client(base_url=status["api_url"], headers=headers, timeout=10)
            try:
                answer = own.client.post("/rest/v1/system_logs", json=row)
            except httpx.HTTPError:
                del own.client
            else:
                # 409: an earlier try was stored although its answer was lost.
                if answer.is_success or answer.status_code == httpx.codes.CONFLICT:
                    return
            time.sleep(0.2)

    began = time.monotonic()
    with ThreadPoolExecutor(16) as pool:
        for number in range(1, count + 1):
            time.sleep(max(0.0, began + number / ERRORS_A_SECOND - time.monotonic()))
            pool.submit(insert, number)
    return count


def _kill_each_part(home: Path, seconds: float) -> None:
    """Kill each part of the stack once, between the calm times, and the connections as well."""
    turns = ("connections", "functions", "gateway", "worker", "postgres")
    time.sleep(seconds * CALM_SHARE)
    for turn in turns:
        print(f"killing {turn} …", flush=True)
        if turn == "connections":
            with psycopg.connect(read_status(home)["admin_db_url"], autocommit=True) as connection:
                connection.execute(_TERMINATE)
        else:
            State.load(home).parts[turn].send(signal.SIGKILL)
        time.sleep(seconds * (1 - 2 * CALM_SHARE) / len(turns))


def _drain(connection: psycopg.Connection[Any], count: int) -> None:
    """Do what the schedule does until every error is learned and has an outcome or a reason."""
    until = time.monotonic() + DRAIN_SECONDS
    while time.monotonic() < until:
        row = connection.execute(_OPEN).fetchone()
        if row == (count, 0):
            return
        for job in _JOBS:
            connection.execute(job)
        time.sleep(2)


def _figures(connection: psycopg.Connection[Any], count: int, seconds: float) -> Iterator[Result]:
    """Count what was lost, doubled or judged wrongly, and compare the start with the end."""
    row = connection.execute(_COUNTS).fetchone()
    if row is None:
        raise RuntimeError("the figures are missing")
    stored, incidents, learned, unhealed, twice, failed = row
    took = connection.execute(_TOOK).fetchall()
    calm = seconds * CALM_SHARE
    first = [float(each[1]) for each in took if each[0] <= calm]
    last = [float(each[1]) for each in took if each[0] >= seconds - calm]
    yield Result("soak: errors stored", stored, "", wanted=f"{count}")
    yield Result("soak: errors lost", stored - learned, "", wanted="0")
    yield Result("soak: errors counted twice", incidents - learned, "", wanted="0")
    yield Result("soak: errors with a fix that were not healed", unhealed, "", wanted="0")
    yield Result("soak: fixes that ran twice for an error", twice, "", wanted="0")
    yield Result("soak: healthy fixes judged failed", failed, "", wanted="0")
    if not first or not last:
        raise RuntimeError("no error of the first fifth, or none of the last fifth, was healed")
    start, end = percentile(first, 0.5), percentile(last, 0.5)
    yield Result("soak: insert to healed at the start, median", start, "ms", wanted="< 100 ms")
    yield Result(
        *("soak: insert to healed at the end, median", end, "ms", "at the start", start),
        wanted="< 100 ms",
    )


_TABLE: LiteralString = """
create table public.soaked (id integer primary key, status text, heals integer not null default 0);
insert into public.soaked (id) select generate_series(0, 1000000, 20);
select ops_internal.grant_fixer('public.soaked', '{select,update}');
"""
_TERMINATE: LiteralString = """
select pg_terminate_backend(pid) from pg_stat_activity where usename = 'authenticator'
"""
_JOBS: tuple[LiteralString, ...] = (
    "select ops_internal.send_unlearned('5 s')",
    "select ops_internal.send_unhandled('5 s')",
    "select ops.recover_applications_v1()",
    "select ops.verify_applications_v1()",
)
# Learned errors, and those with a fix that have neither a successful run nor a reason.
_OPEN: LiteralString = """
select
  (
    select count(*) from ops.system_logs as logs
    inner join ops.pattern_incidents as incidents on incidents.system_log_id = logs.id
    where logs.source = 'shop'
  ),
  (
    select count(*) from ops.system_logs as logs
    where logs.message like 'order % of the soak%'
      and not exists (
        select from ops.pattern_applications as runs where runs.system_log_id = logs.id
      )
      and not exists (
        select from ops.pattern_incidents as refused
        where refused.system_log_id = logs.id and refused.refusal is not null
      )
  )
"""
_COUNTS: LiteralString = """
select
  (select count(*) from ops.system_logs where source = 'shop'),
  (
    select count(*) from ops.pattern_incidents as incidents
    inner join ops.system_logs as logs on logs.id = incidents.system_log_id
    where logs.source = 'shop'
  ),
  (
    select count(distinct incidents.system_log_id) from ops.pattern_incidents as incidents
    inner join ops.system_logs as logs on logs.id = incidents.system_log_id
    where logs.source = 'shop'
  ),
  (
    select count(*) from ops.system_logs as logs
    inner join public.soaked
      on logs.message = format('order %s of the soak has no status', soaked.id)
    where soaked.heals = 0
  ),
  (select count(*) from public.soaked where heals > 1),
  (select count(*) from ops.pattern_verifications where outcome = 'failed')
"""
# Seconds since the first error, and milliseconds from the insert to the end of the run.
_TOOK: LiteralString = """
select
  extract(epoch from logs.created_at - min(logs.created_at) over ()),
  extract(epoch from runs.applied_at - logs.created_at) * 1000
from ops.pattern_applications as runs
inner join ops.system_logs as logs on logs.id = runs.system_log_id
where runs.success
"""
