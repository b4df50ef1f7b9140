"""Wherever a worker dies, and however many there are, an incident ends in exactly one outcome."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from psycopg import sql
from tests.scenarios.healing.test_fix_types import service
from tests.scenarios.healing.test_fixes import Life, life
from tests.scenarios.learning.test_loop import applications, faulty_rows, log_error
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Rest, Sql
    from tests.scenarios.conftest import Functions
    from tests.tls import Certificates, HttpsServer

__all__ = ["life", "service"]

WORKER = Path(__file__).with_name("dying_worker.py")
#: read_logs, read_grouping, learn_errors, find_candidates, claim, run, note_rows.
MAX_CALLS = 7


@contextmanager
def _attended(database: Sql) -> Iterator[None]:
    """Keep the functions from looking for new errors, as they do where some worker looks already.

    A call that was announced an error looks for those that follow it, and would heal the row that
    is meant for the worker alone.
    """
    database.run(
        "select setval('ops_internal.attended_until', ops_internal.milliseconds() + 60000)"
    )
    try:
        yield
    finally:
        database.run("select setval('ops_internal.attended_until', 1)")


def _unannounced(database: Sql, life: Life) -> int:
    """Write a log row of the fault that no webhook tells of; return its id."""
    with database.connection.transaction():
        database.run("alter table ops.system_logs disable trigger announce_log_rows")
        row = database.row(
            """insert into ops.system_logs (message, source, log_level, written_by)
               values (%s, 'shop', 'error', 'service_role') returning id""",
            life.fault.message(2),
        )
        database.run("alter table ops.system_logs enable trigger announce_log_rows")
    # Rows are stamped with who wrote them; this one stands for one of the application's server.
    database.run("update ops.system_logs set written_by = 'service_role' where id = %s", row["id"])
    return int(row["id"])


def _statuses(database: Sql, life: Life) -> set[str | None]:
    """Return the different statuses in the table that the fix repairs."""
    query = sql.SQL("select status from {}").format(sql.Identifier("public", life.fault.table))
    return {row["status"] for row in database.connection.execute(query)}


def _recover(database: Sql, log_id: int) -> None:
    """Do what the schedule does each minute, as if the leases had run out by now."""
    database.run(
        "update ops.pattern_claims set lease_until = now() - interval '1 second'"
        " where system_log_id = %s and finished_at is null",
        log_id,
    )
    database.run("select ops_internal.send_unlearned('0 s')")
    database.run("select ops_internal.send_unhandled('0 s')")
    database.run("select ops.recover_applications_v1()")


def _outcomes_after_death(
    life: Life, database: Sql, settings: dict[str, Any], call: int, moment: str
) -> list[dict[str, Any]]:
    """Let a worker die at one of its calls, recover, and recover again; return what is recorded."""
    with _attended(database):
        log_id = _unannounced(database, life)
        command = [
            sys.executable,
            str(WORKER),
            json.dumps(settings),
            str(log_id),
            str(call),
            moment,
        ]
        worker = subprocess.run(command, capture_output=True, check=False, timeout=60)
    assert worker.returncode in (-signal.SIGKILL, 0), worker.stderr.decode()
    assert call == MAX_CALLS or worker.returncode == -signal.SIGKILL, "it made fewer calls"

    def recovered() -> list[dict[str, Any]]:
        found = applications(life.engine, log_id)
        if not found:
            _recover(database, log_id)
        return found

    eventually(recovered)
    _recover(database, log_id)
    claims = life.engine.select("pattern_claims", system_log_id=f"eq.{log_id}")
    assert [claim["finished_at"] is not None for claim in claims] == [True]
    return applications(life.engine, log_id)


@pytest.fixture
def settings(addresses: dict[str, Any], certificates: Certificates) -> dict[str, Any]:
    """What a worker needs to know of the stack."""
    return addresses | {"ca_file": str(certificates.authority)}


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("call", range(1, MAX_CALLS + 1))
def test_a_worker_killed_at_any_call_leaves_one_outcome(
    life: Life, database: Sql, settings: dict[str, Any], *, call: int, moment: str
) -> None:
    """Nothing is lost and nothing is done twice: the row is healed once, and recorded once."""
    life.approve("update {table} set status = coalesce(status, '') || 'x' where id <= 5")
    (application,) = _outcomes_after_death(life, database, settings, call, moment)
    assert application["success"] is True
    assert _statuses(database, life) == {"x"}


#: read_logs, read_grouping, learn_errors, find_candidates, claim, finish.
@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("call", range(1, MAX_CALLS))
def test_what_a_dead_worker_may_have_sent_is_not_sent_again(
    life: Life,
    database: Sql,
    settings: dict[str, Any],
    service: HttpsServer,
    *,
    call: int,
    moment: str,
) -> None:
    """Outside the database nobody knows whether it ran: one outcome, and one request at most."""
    request = {"method": "POST", "url": f"https://localhost:{service.port}/restart"}
    life.approve_as("api_call", json.dumps(request), {"allowed_hosts": ["localhost"]})
    (application,) = _outcomes_after_death(life, database, settings, call, moment)
    assert len(service.seen) <= 1
    if application["success"]:
        assert len(service.seen) == 1
    else:
        assert life.outcome(application)["outcome"] == "inconclusive"


def test_of_thirty_two_workers_one_heals(
    life: Life, database: Sql, engine: Rest, functions: Functions
) -> None:
    """They all get the same webhook at the same moment; the fix runs once."""
    life.approve("update {table} set status = coalesce(status, '') || 'x' where id <= 5")
    log_id = log_error(engine, life.fault, 2)
    body = {"type": "INSERT", "table": "system_logs", "schema": "ops", "ids": [log_id]}
    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(lambda _: functions.webhook(body), range(32)))
    assert {answer.status_code for answer in answers} == {200}
    eventually(lambda: applications(engine, log_id))
    assert len(applications(engine, log_id)) == 1
    assert faulty_rows(database, life.fault) == 0
    assert _statuses(database, life) == {"x"}
