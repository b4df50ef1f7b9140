"""Trying a fix again: how long to pause, and when."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from pattern_engine.fixes.execution import Job, Outcome

__all__ = ["PAUSES_SECONDS", "tried"]

#: Before each further try: a tenth of a second times the Fibonacci sequence, as in the database.
PAUSES_SECONDS: Final = (0.1, 0.1, 0.2, 0.3, 0.5, 0.8, 1.3, 2.1)


def tried(job: Job, once: Callable[[int], Outcome]) -> Outcome:
    """Run a script that may be run again only where its approval says so: `retry_safe` is true.

    A failure of the script itself, at no limit, is tried again, up to `max_retries` times. `once`
    gets the milliseconds, 1 or more, that are left of `timeout_ms`, which all tries have together.
    The outcome is that of the last try; it started if any did, and its duration is that of all.
    """
    began = time.monotonic()

    def spent_ms() -> int:
        return round((time.monotonic() - began) * 1000)

    def left_ms() -> int:
        return max(1, job.limits.timeout_ms - spent_ms())

    retries = job.limits.max_retries if job.parameters.get("retry_safe") is True else 0
    outcome = once(left_ms())
    started = outcome.started
    for pause in PAUSES_SECONDS[:retries]:
        if outcome.success or outcome.stopped or not outcome.started:
            break
        if left_ms() <= pause * 1000:
            break
        time.sleep(pause)
        outcome = once(left_ms())
    return dataclasses.replace(outcome, started=started, duration_ms=spent_ms())
