"""Retrying a fix of any type: what is repeated, and what the outcome says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pattern_engine.fixes.execution import Job, Limits, Outcome
from pattern_engine.fixes.retries import tried

if TYPE_CHECKING:
    from collections.abc import Sequence

FAILED = Outcome(success=False, error="exit code 1")
UNSTARTED = Outcome(success=False, error="there is no memory left", started=False)
DONE = Outcome(success=True, output="done")


def run(outcomes: Sequence[Outcome], *, timeout_ms: int = 60_000) -> tuple[Outcome, list[int]]:
    """Run a fix with up to three retries; return the time that each attempt had left."""
    left: list[int] = []

    def once(left_ms: int) -> Outcome:
        left.append(left_ms)
        return outcomes[len(left) - 1]

    limits = Limits(timeout_ms=timeout_ms, max_retries=3)
    return tried(Job("run", "script", {"retry_safe": True}, {}, limits), once), left


def test_what_started_once_has_started() -> None:
    """If the first attempt started, the run started, even if a retry could not begin."""
    outcome, left = run([FAILED, UNSTARTED])
    assert outcome.error == UNSTARTED.error
    assert outcome.started
    assert len(left) == 2


def test_what_cannot_be_started_is_not_tried_again() -> None:
    """A run that could not start is not retried."""
    outcome, left = run([UNSTARTED, DONE])
    assert not outcome.started
    assert len(left) == 1


@pytest.mark.parametrize("stopped", ["time", "output", "memory"])
def test_a_limit_ends_the_tries(stopped: str) -> None:
    """A run that was stopped at a limit is not retried."""
    met = Outcome(success=False, stopped=stopped)  # type: ignore[arg-type]
    assert run([met, DONE])[1] == [60_000]


def test_each_try_has_what_is_left_of_the_time() -> None:
    """Pauses count towards the time limit, and no pause begins that would exceed it."""
    outcome, left = run([FAILED, FAILED, FAILED, DONE])
    assert outcome.success
    assert left[0] > left[1] > left[2] > left[3]
    assert left[3] <= 60_000 - 400
    assert outcome.duration_ms >= 400
    assert len(run([FAILED, DONE], timeout_ms=100)[1]) == 1
