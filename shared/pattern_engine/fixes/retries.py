"""Retrying a fix: whether, how often, and with which pauses."""

from __future__ import annotations

import dataclasses
import itertools
import time
from typing import TYPE_CHECKING

from pattern_engine.fibonacci import fibonacci

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pattern_engine.fixes.execution import Job, Outcome


def pauses() -> Iterator[float]:
    """Yield the seconds between attempts: the Fibonacci sequence times a tenth of a second."""
    return (number / 10 for number in fibonacci())


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
    for pause in itertools.islice(pauses(), retries):
        if outcome.success or outcome.stopped or not outcome.started:
            break
        if left_ms() <= pause * 1000:
            break
        time.sleep(pause)
        outcome = once(left_ms())
    return dataclasses.replace(outcome, started=started, duration_ms=spent_ms())
