"""Retrying a fix: whether, how often, and with which pauses."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from pattern_engine.fixes.execution import Job, Outcome

#: Before each further try: a tenth of a second times the Fibonacci sequence, as in the database.
PAUSES_SECONDS: Final = (0.1, 0.1, 0.2, 0.3, 0.5, 0.8, 1.3, 2.1)


def tried(job: Job, once: Callable[[int], Outcome]) -> Outcome:
    """Run a script, and retry it if its approval says `retry_safe`: true.

    Only a failure of the script itself is retried, up to `max_retries` times; a run that was
    stopped at a limit is not. `once` makes one attempt and takes the milliseconds (1 or more) that
    are left of `timeout_ms`, the limit of all attempts together. The outcome is that of the last
    attempt, with the duration of all; it counts as started if the first attempt started.
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
