"""Runs fixes of type bash: each in a box of its own, never without one."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any, Final

from pattern_engine.fixes.bash.box import BoxError, prove_box, run_boxed
from pattern_engine.fixes.execution import Outcome
from pattern_engine.fixes.retries import tried

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pattern_engine.fixes.bounded import Ended
    from pattern_engine.fixes.execution import Job, Limits
    from pattern_engine.settings import Facilities

__all__ = ["Bash"]

_ERROR_CHARACTERS: Final = 500
_SWITCHED_OFF: Final = (
    "fixes of type bash are switched off: the operator of this deployment has to allow them"
)


class Bash:
    """The executor of fixes of type bash.

    A script finds `params.json` and `error.json` in its working directory. What it prints is its
    output, and an exit code other than 0 is a failure. With the parameter `retry_safe` set to true
    a failure that is no limit is tried again, in a fresh box, up to `max_retries` times.
    """

    def __init__(self, facilities: Facilities) -> None:
        self._facilities = facilities

    def run(self, job: Job) -> Outcome:
        """Run a script to its end or to its limits."""
        if not self._facilities.bash:
            return Outcome(success=False, error=_SWITCHED_OFF, started=False)
        return tried(job, lambda left_ms: _once(job, left_ms))


def _once(job: Job, left_ms: int) -> Outcome:
    """Run a script once, within what is left of its time."""
    limits = dataclasses.replace(job.limits, timeout_ms=left_ms)
    files = {"params.json": _written(job.parameters), "error.json": _written(job.error)}
    try:
        prove_box()
        ended = run_boxed(job.script, files, limits)
    except (BoxError, OSError, ValueError) as failure:
        # Not readable as text (half a surrogate pair), or not to be started: nothing ran.
        return Outcome(success=False, error=str(failure), started=False)
    error = _error(ended, job.limits)
    return Outcome(
        success=error is None,
        output=_output(ended.stdout, job.limits.max_output_bytes),
        error=error,
        stopped=ended.stopped,
    )


def _written(value: Mapping[str, Any]) -> str:
    return json.dumps(dict(value), ensure_ascii=False)


def _error(ended: Ended, limits: Limits) -> str | None:
    if ended.stopped == "time":
        return f"stopped after {limits.timeout_ms} ms"
    if ended.stopped == "output":
        return f"stopped when it had printed more than {limits.max_output_bytes} bytes"
    if ended.stopped is not None:
        return f"stopped when it held more than {limits.max_memory_bytes} bytes of memory"
    if ended.exit_code == 0:
        return None
    lines = _text(ended.stderr).strip().splitlines()
    said = f": {lines[-1][:_ERROR_CHARACTERS]}" if lines else ""
    return f"exit code {ended.exit_code}{said}"


def _output(printed: bytes, limit: int) -> Any:  # noqa: ANN401  any JSON value
    """Return what a script printed: as the JSON value that it is, else as text."""
    text = _text(printed)
    try:
        value = json.loads(text)
        # What Python reads beyond the standard, or the database cannot store, stays text.
        written = json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError):
        return text.encode()[:limit].decode(errors="ignore")
    return text if b"\\u0000" in written else value


def _text(printed: bytes) -> str:
    """Return printed bytes as text that a database can store."""
    return printed.decode(errors="replace").replace("\0", "\N{REPLACEMENT CHARACTER}")
