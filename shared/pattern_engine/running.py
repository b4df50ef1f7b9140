"""Running a claimed application within its time limit, and recording it whatever happens.

A time limit set inside a Postgres function does not bound the statement that called it, and a
client that hangs up stops nothing. So a second thread keeps the time and has the backend cancelled
through the database; what was cut off, or lost its connection, is recorded afterwards. Recording
is idempotent: where the run had ended before it was noticed, its own outcome stands.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pattern_engine import logs
from pattern_engine.errors import PatternEngineError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pattern_engine.database import Database
    from pattern_engine.records import Outcome

CANCEL_INTERVAL_SECONDS = 0.2
"""Cancelling is tried again after this long: the run may only be about to start."""


def run(database: Database, application_id: str, timeout_ms: int) -> Outcome:
    """Run an application and answer its outcome, a failure included.

    Deadlocks and serialisation failures the database tries again by itself, as often as the fix
    allows and within the same time limit.

    Raises:
        PatternEngineError: only when the outcome cannot be recorded either.
    """
    started = time.monotonic()
    with _time_limit(database, application_id, timeout_ms / 1000) as is_over:
        try:
            return database.run_application(application_id)
        except PatternEngineError as problem:
            failure = problem
    milliseconds = round((time.monotonic() - started) * 1000)
    if is_over.is_set():
        reason = f"cut off after {timeout_ms} ms"
    else:
        # The run may still go on behind a connection that broke.
        _cancel(database, application_id)
        reason = failure.message
    logs.warning("application_cut_off", application_id=application_id, reason=reason)
    return database.finish_application(application_id, reason, milliseconds)


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
