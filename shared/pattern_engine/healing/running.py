"""Running a claimed application within its limits, and recording its outcome in any case.

SQL runs inside Postgres, in one transaction with its record. A time limit set inside a Postgres
function does not limit the statement that called it, and a client that disconnects stops nothing.
So a second thread asks the database to cancel the script if its time is over. The database alone
knows since when the script runs: waiting for a connection or for a lock is not its time. Other
types run in this process, in the executor of their type, and are recorded afterwards. Running and
recording are idempotent: the first recorded outcome stands. A fix has failed only if the database
or the box has recorded it; what this process infers, as from a lost connection, proves nothing.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pattern_engine import fixes, logs
from pattern_engine.exceptions import PatternEngineError, Unavailable
from pattern_engine.fixes.execution import Job, Limits, Outcome, Secret
from pattern_engine.text.storable import storable, storable_throughout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pattern_engine.database import records
    from pattern_engine.database.database import Database
    from pattern_engine.settings import Facilities
    from pattern_engine.text.withholding import Withheld

CANCEL_INTERVAL_SECONDS = 0.2
"""Pause before asking again about a run that has not started yet, or was cancelled."""
PAUSES_SECONDS = (0.5, 1.0, 2.0)
"""Pauses before a call is sent again while the database is unavailable."""


def run(  # noqa: PLR0913, PLR0917  a run has this many properties
    database: Database,
    application_id: str,
    job: records.JobRecord | None,
    timeout_ms: int,
    facilities: Facilities,
    withheld: Withheld,
) -> records.Outcome:
    """Run an application and return its outcome, also if it failed; without a job it is SQL.

    Nothing that is `withheld` of the error reaches the record or the log.

    Raises:
        PatternEngineError: if the outcome cannot be recorded.
    """
    if job is None:
        return _run_sql(database, application_id, timeout_ms, withheld)
    return record(database, application_id, _run_here(application_id, job, facilities), withheld)


def record(
    database: Database, application_id: str, outcome: Outcome, withheld: Withheld
) -> records.Outcome:
    """Record the outcome of a run outside the database.

    Raises:
        PatternEngineError: if it cannot be recorded.
    """
    reason = outcome.error and storable(withheld.hide(outcome.error))
    if not outcome.success:
        logs.warning(
            "fix_failed", application_id=application_id, reason=reason, stopped=outcome.stopped
        )
    return _record(
        database,
        application_id,
        {
            "success": outcome.success,
            "error": reason,
            "output": _recordable(outcome.output, withheld),
            "rows_touched": outcome.rows,
            "tables": dict(outcome.tables),
            "execution_time_ms": outcome.duration_ms,
            "stopped": outcome.stopped,
            "started": outcome.started,
        },
    )


def _record(database: Database, application_id: str, outcome: records.Json) -> records.Outcome:
    """Record an outcome; try again while the database is unavailable."""
    return _persistently(lambda: database.finish_application(application_id, outcome))


def _persistently(call: Callable[[], records.Outcome]) -> records.Outcome:
    """Send a call that may be repeated, several times if the database is unavailable."""
    for pause in PAUSES_SECONDS:
        try:
            return call()
        except Unavailable as problem:
            logs.warning("not_recorded_yet", reason=problem.message)
            time.sleep(pause)
    return call()


def _recordable(output: Any, withheld: Withheld) -> object:  # noqa: ANN401  any JSON
    """A script's output, scrubbed and storable; a note in place of one that is nested too deep."""
    try:
        return storable_throughout(withheld.hide_json(output))
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


def _run_sql(
    database: Database, application_id: str, timeout_ms: int, withheld: Withheld
) -> records.Outcome:
    """Run SQL inside the database, which retries after deadlocks and serialization failures.

    All retries share the time limit. A run without an answer is sent again: if it was committed,
    its recorded outcome is returned, otherwise nothing of it was kept. If the database stays
    unavailable, the claim stays open, and another worker runs it after its lease.
    """
    with _time_limit(database, application_id, timeout_ms / 1000):
        try:
            outcome = _persistently(lambda: database.run_application(application_id))
        except Unavailable:
            raise
        except PatternEngineError as problem:
            # The script's own errors are recorded with the run, so this one is not about the fix.
            logs.warning("run_not_recorded", application_id=application_id, reason=problem.message)
            unknown = {"success": False, "error": problem.message, "started": False}
            return _record(database, application_id, {**unknown, "execution_time_ms": None})
    _note(database, application_id, outcome, withheld)
    return outcome


def _note(
    database: Database, application_id: str, outcome: records.Outcome, withheld: Withheld
) -> None:
    """Store what the database may not store unscrubbed; if this fails, the run still counts.

    That is a sample of the changed rows, and the text of an exception that the application's own
    code raised, which becomes the reason of the outcome.
    """
    raised = outcome.get("raised")
    before = outcome.get("rows_before")
    try:
        if raised:
            reason = str(storable(withheld.hide(raised)))
            database.note_failure(application_id, reason)
            outcome["error"] = reason
        if before:
            after = outcome.get("rows_after")
            database.note_rows(
                application_id, withheld.hide_json(before), withheld.hide_json(after)
            )
    except PatternEngineError as problem:
        logs.warning("run_not_noted", application_id=application_id, reason=problem.message)


@contextmanager
def _time_limit(database: Database, application_id: str, seconds: float) -> Iterator[None]:
    """Have the script cancelled once the database says that its time is over."""
    is_done = threading.Event()

    def keep_time() -> None:
        pause = seconds
        while not is_done.wait(pause):
            left = _cancel(database, application_id)
            pause = left / 1000 if left else CANCEL_INTERVAL_SECONDS

    # A daemon thread, so that a process that shuts down does not wait for it.
    keeper = threading.Thread(target=keep_time, name=f"time-limit-{application_id}", daemon=True)
    keeper.start()
    try:
        yield
    finally:
        is_done.set()


def _cancel(database: Database, application_id: str) -> int | None:
    """Stop the script if its time is over, and return how much it has left, if that is known."""
    try:
        return database.cancel_application(application_id)
    except PatternEngineError as problem:
        logs.warning("cancel_failed", application_id=application_id, reason=problem.message)
        return None
