"""Running a claimed application within its limits, and recording its outcome in any case.

SQL runs inside Postgres, in one transaction with its record. A time limit set inside a Postgres
function does not limit the statement that called it, and a client that disconnects stops nothing.
So a second thread keeps the time and asks the database to cancel the backend. Other types run in
this process, in the executor of their type, and are recorded afterwards. Recording is idempotent:
the first recorded outcome stands.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pattern_engine import fixes, logs
from pattern_engine.exceptions import DatabaseUnreachable, PatternEngineError, Unavailable
from pattern_engine.fixes.execution import Job, Limits, Outcome, Secret
from pattern_engine.text import scrubbing
from pattern_engine.text.storable import storable, storable_throughout

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pattern_engine.database import records
    from pattern_engine.database.database import Database
    from pattern_engine.settings import Facilities

CANCEL_INTERVAL_SECONDS = 0.2
"""Pause before cancelling again, because the run may not have started yet."""
RECORDING_PAUSES_SECONDS = (0.5, 1.0, 2.0)
"""Pauses before recording again while the database is unavailable; a claim's lease is longer."""


def run(
    database: Database,
    application_id: str,
    job: records.JobRecord | None,
    timeout_ms: int,
    facilities: Facilities,
) -> records.Outcome:
    """Run an application and return its outcome, also if it failed; without a job it is SQL.

    Raises:
        PatternEngineError: if the outcome cannot be recorded.
    """
    if job is None:
        return _run_sql(database, application_id, timeout_ms)
    outcome = _run_here(application_id, job, facilities)
    if not outcome.success:
        logs.warning(
            "fix_failed",
            application_id=application_id,
            reason=outcome.error,
            stopped=outcome.stopped,
        )
    return record(database, application_id, outcome)


def record(database: Database, application_id: str, outcome: Outcome) -> records.Outcome:
    """Record the outcome of a run outside the database.

    Raises:
        PatternEngineError: if it cannot be recorded.
    """
    return _record(
        database,
        application_id,
        {
            "success": outcome.success,
            "error": outcome.error and storable(scrubbing.scrub(outcome.error)),
            "output": _recordable(outcome.output),
            "rows_touched": outcome.rows,
            "tables": dict(outcome.tables),
            "execution_time_ms": outcome.duration_ms,
            "stopped": outcome.stopped,
            "started": outcome.started,
        },
    )


def _record(database: Database, application_id: str, outcome: records.Json) -> records.Outcome:
    """Record an outcome; try again while the database is unavailable."""
    for pause in RECORDING_PAUSES_SECONDS:
        try:
            return database.finish_application(application_id, outcome)
        except Unavailable as problem:
            logs.warning("not_recorded_yet", application_id=application_id, reason=problem.message)
            time.sleep(pause)
    return database.finish_application(application_id, outcome)


def _recordable(output: Any) -> object:  # noqa: ANN401  any JSON
    """A script's output, scrubbed and storable; a note in place of one that is nested too deep."""
    try:
        return storable_throughout(scrubbing.scrub_json(output))
    except RecursionError:
        return "left out: nested too deep"


def _run_here(application_id: str, job: records.JobRecord, facilities: Facilities) -> Outcome:
    """Run a script outside the database; an exception of its executor is a failed outcome."""
    error = {name: value for name, value in job["error"].items() if name != "scrubbed"}
    limits = Limits(job["timeout_ms"], job["max_retries"], job["max_rows"])
    try:
        executor = fixes.executor(job["fix_type"], facilities)
        return executor.run(
            Job(
                application_id=application_id,
                script=job["script"],
                parameters=job["parameters"],
                error=error,
                limits=limits,
                secrets={
                    name: Secret(secret["value"], tuple(secret["hosts"]))
                    for name, secret in job["secrets"].items()
                },
            )
        )
    except Exception as problem:  # noqa: BLE001  a claim must not stay open
        logs.error("executor_failed", problem, application_id=application_id)
        reason = "The executor raised an exception; see executor_failed in the engine's log"
        return Outcome(success=False, error=reason, started=False)


def _run_sql(database: Database, application_id: str, timeout_ms: int) -> records.Outcome:
    """Run SQL inside the database, which retries after deadlocks and serialization failures.

    All retries share the time limit.
    """
    started = time.monotonic()
    with _time_limit(database, application_id, timeout_ms / 1000) as is_over:
        try:
            outcome = database.run_application(application_id)
        except PatternEngineError as problem:
            failure = problem
        else:
            _note_rows(database, application_id, outcome)
            return outcome
    milliseconds = round((time.monotonic() - started) * 1000)
    if is_over.is_set():
        reason = f"The run was stopped at its time limit of {timeout_ms} ms"
    else:
        # The connection broke; the run may still be going on.
        _cancel(database, application_id)
        reason = failure.message
    logs.warning("application_cut_off", application_id=application_id, reason=reason)
    return _record(
        database,
        application_id,
        {
            "success": False,
            "error": reason,
            "execution_time_ms": milliseconds,
            "stopped": "time" if is_over.is_set() else None,
            # A run that committed although the connection broke has its own record, which stands.
            "started": not isinstance(failure, DatabaseUnreachable),
        },
    )


def _note_rows(database: Database, application_id: str, outcome: records.Outcome) -> None:
    """Store a sample of the changed rows; if this fails, the run still counts as successful."""
    before = outcome.get("rows_before")
    if not before:
        return
    try:
        database.note_rows(
            application_id,
            scrubbing.scrub_json(before),
            scrubbing.scrub_json(outcome.get("rows_after")),
        )
    except PatternEngineError as problem:
        logs.warning("rows_not_noted", application_id=application_id, reason=problem.message)


@contextmanager
def _time_limit(
    database: Database, application_id: str, seconds: float
) -> Iterator[threading.Event]:
    """Cancel the run when its time is over; yields the event that is set then."""
    is_done, is_over = threading.Event(), threading.Event()

    def keep_time() -> None:
        if is_done.wait(seconds):
            return
        is_over.set()
        while not is_done.is_set():
            _cancel(database, application_id)
            is_done.wait(CANCEL_INTERVAL_SECONDS)

    # A daemon thread, so that a process that shuts down does not wait for it.
    keeper = threading.Thread(target=keep_time, name=f"time-limit-{application_id}", daemon=True)
    keeper.start()
    try:
        yield is_over
    finally:
        is_done.set()


def _cancel(database: Database, application_id: str) -> None:
    """Stop the run if there is one; a failure to stop it is only logged."""
    try:
        database.cancel_application(application_id)
    except PatternEngineError as problem:
        logs.warning("cancel_failed", application_id=application_id, reason=problem.message)
