"""Running a claimed application within its limits, and recording it whatever happens.

SQL runs inside Postgres, in one transaction with its record. A time limit set inside a Postgres
function does not bound the statement that called it, and a client that hangs up stops nothing: so a
second thread keeps the time and has the backend cancelled through the database. Everything else is
run here, by the executor of its type, and recorded afterwards. Recording is idempotent: where a run
had been recorded before it was noticed, its own outcome stands.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pattern_engine import fixes, logs
from pattern_engine.exceptions import DatabaseUnreachable, PatternEngineError, Unavailable
from pattern_engine.fixes.execution import Job, Limits, Outcome
from pattern_engine.text import scrubbing
from pattern_engine.text.storable import storable, storable_throughout

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pattern_engine.database import records
    from pattern_engine.database.database import Database
    from pattern_engine.settings import Facilities

CANCEL_INTERVAL_SECONDS = 0.2
"""Cancelling is tried again after this long: the run may only be about to start."""
RECORDING_PAUSES_SECONDS = (0.5, 1.0, 2.0)
"""Before recording is tried again, where the database is away. A claim's lease is longer."""


def run(
    database: Database,
    application_id: str,
    job: records.JobRecord | None,
    timeout_ms: int,
    facilities: Facilities,
) -> records.Outcome:
    """Run an application and answer its outcome, a failure included; without a job it is SQL.

    Raises:
        PatternEngineError: only when the outcome cannot be recorded either.
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
    """Record how a run outside the database ended.

    Raises:
        PatternEngineError: when it cannot be recorded.
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
    """Record how a run ended; what is known must not be lost because the database is away."""
    for pause in RECORDING_PAUSES_SECONDS:
        try:
            return database.finish_application(application_id, outcome)
        except Unavailable as problem:
            logs.warning("not_recorded_yet", application_id=application_id, reason=problem.message)
            time.sleep(pause)
    return database.finish_application(application_id, outcome)


def _recordable(output: Any) -> object:  # noqa: ANN401  any JSON
    """What a script answered, scrubbed, and such that a claim never stays open for it."""
    try:
        return storable_throughout(scrubbing.scrub_json(output))
    except RecursionError:
        return "left out: nested too deep"


def _run_here(application_id: str, job: records.JobRecord, facilities: Facilities) -> Outcome:
    """Run a script outside the database; whatever its executor does, there is an outcome."""
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
                secrets=job["secrets"],
            )
        )
    except Exception as problem:  # noqa: BLE001  a claim that is taken has to end
        logs.error("executor_failed", problem, application_id=application_id)
        return Outcome(success=False, error="The executor failed; the log says why", started=False)


def _run_sql(database: Database, application_id: str, timeout_ms: int) -> records.Outcome:
    """Run SQL where it is stored.

    Deadlocks and serialisation failures the database tries again by itself, as often as the fix
    allows and within the same time limit.
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
        reason = f"cut off after {timeout_ms} ms"
    else:
        # The run may still go on behind a connection that broke.
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
            # Where the way to the database broke, nobody knows, and nothing was kept.
            "started": not isinstance(failure, DatabaseUnreachable),
        },
    )


def _note_rows(database: Database, application_id: str, outcome: records.Outcome) -> None:
    """Store what became of some rows; that this fails is no reason to call a run failed."""
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
    """Have the run cancelled when its time is over; yields the event that tells so."""
    is_done, is_over = threading.Event(), threading.Event()

    def keep_time() -> None:
        if is_done.wait(seconds):
            return
        is_over.set()
        while not is_done.is_set():
            _cancel(database, application_id)
            is_done.wait(CANCEL_INTERVAL_SECONDS)

    # A daemon: a process that is told to stop does not wait for it.
    keeper = threading.Thread(target=keep_time, name=f"time-limit-{application_id}", daemon=True)
    keeper.start()
    try:
        yield is_over
    finally:
        is_done.set()


def _cancel(database: Database, application_id: str) -> None:
    """Stop the run if there is one; that it cannot be stopped is no reason to fail."""
    try:
        database.cancel_application(application_id)
    except PatternEngineError as problem:
        logs.warning("cancel_failed", application_id=application_id, reason=problem.message)
