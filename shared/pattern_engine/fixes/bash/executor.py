"""Runs fixes of type bash: each in a box of its own, never without one."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from pattern_engine import logs
from pattern_engine.fixes.bash.box import BoxError, prove_box, run_boxed
from pattern_engine.fixes.bash.directories import Change, Copies, DirectoryError
from pattern_engine.fixes.bash.journal import Journal
from pattern_engine.fixes.execution import Outcome
from pattern_engine.fixes.retries import tried

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pattern_engine.fixes.bounded import Ended
    from pattern_engine.fixes.execution import Facilities, Job, Limits

__all__ = ["MAX_BYTES", "MAX_FILES", "UNDO_HOURS", "Bash"]

MAX_FILES: Final = 100
"""Files and directories that a run may change, unless its approval says otherwise."""
MAX_BYTES: Final = 64 * 1024 * 1024
"""Bytes that it may write, replace or delete, unless its approval says otherwise."""
UNDO_HOURS: Final = 24
"""How long what it replaced is kept, unless its approval says otherwise."""
_MAX_NAMES: Final = 50
_ERROR_CHARACTERS: Final = 500
_SWITCHED_OFF: Final = (
    "fixes of type bash are switched off: the operator of this deployment has to allow them"
)


class Bash:
    """The executor of fixes of type bash.

    A script finds `params.json` and `error.json` in its working directory, and copies of the
    directories that its approval names below /granted. What it prints is its output, and an exit
    code other than 0 is a failure. What it did to the directories is applied when it has ended
    well. With the parameter `retry_safe` set to true a failure that is no limit is tried again, in
    a fresh box, up to `max_retries` times.
    """

    def __init__(self, facilities: Facilities) -> None:
        self._facilities = facilities
        self._journal: Journal | None = None
        if facilities.bash and facilities.bash_directories:
            self._journal = Journal(facilities.bash_state_directory)
            if foreign := self._journal.recover():
                logs.warning("not_undone", paths=foreign[:_MAX_NAMES])

    def run(self, job: Job) -> Outcome:
        """Run a script to its end or to its limits."""
        return self._tried(job, applies=True)

    def rehearse(self, job: Job) -> Outcome:
        """Run a script on copies, and answer what it would have changed; nothing is applied."""
        return self._tried(job, applies=False)

    def take_back(self, application_id: str) -> Outcome:
        """Restore what a run replaced in granted directories, or nothing where that changed since.

        `started` is false where nothing was done.
        """
        began = time.monotonic()
        try:
            if self._journal is None:
                raise DirectoryError("no directory is granted to fixes of type bash here")
            changes = self._journal.take_back(application_id)
        except (DirectoryError, OSError) as problem:
            return Outcome(success=False, error=str(problem), started=False)
        return _changed(changes, None, round((time.monotonic() - began) * 1000))

    def _tried(self, job: Job, *, applies: bool) -> Outcome:
        if not self._facilities.bash:
            return Outcome(success=False, error=_SWITCHED_OFF, started=False)
        return tried(job, lambda left_ms: self._once(job, left_ms, applies=applies))

    def _once(self, job: Job, left_ms: int, *, applies: bool) -> Outcome:
        """Run a script once, within what is left of its time."""
        limits = dataclasses.replace(job.limits, timeout_ms=left_ms)
        files = {"params.json": _written(job.parameters), "error.json": _written(job.error)}
        with contextlib.ExitStack() as stack:
            try:
                prove_box()
                copies = self._copies(job.parameters)
                if copies is not None and self._journal is not None:
                    paths = list(copies.roots.values())
                    stack.enter_context(self._journal.locked(paths, left_ms / 1000))
                ended, back = run_boxed(job.script, files, limits, copies)
            except (BoxError, DirectoryError, OSError, ValueError) as failure:
                # Not readable as text (half a surrogate pair), or not to be started: nothing ran.
                return Outcome(success=False, error=str(failure), started=False)
            error = _error(ended, job.limits)
            output = _output(ended.stdout, job.limits.max_output_bytes)
            if error is not None or copies is None:
                return Outcome(error is None, output, error=error, stopped=ended.stopped)
            try:
                changes = copies.difference(back)
                if problem := _over(changes, job.parameters):
                    outcome = _changed(changes, output)
                    return dataclasses.replace(
                        outcome, success=False, rows=0, tables={}, error=problem, stopped="rows"
                    )
                if applies and changes and self._journal is not None:
                    hours = job.parameters.get("undo_hours", UNDO_HOURS)
                    self._journal.apply(job.application_id, copies.roots, changes, hours * 3600)
            except DirectoryError as failure:
                return Outcome(success=False, output=output, error=str(failure))
            return _changed(changes, output)

    def _copies(self, parameters: Mapping[str, Any]) -> Copies | None:
        """Return the directories that an approval names, as this deployment grants them."""
        modes = parameters.get("directories") or {}
        granted = self._facilities.bash_directories
        if missing := sorted(modes.keys() - granted.keys()):
            raise DirectoryError(
                f"the directory {missing[0]} is not granted here: the operator names it in"
                " PATTERN_ENGINE_BASH_DIRECTORIES"
            )
        roots = {name: os.path.realpath(granted[name]) for name in sorted(modes)}
        largest = (self._facilities.bash_copy_bytes, self._facilities.bash_copy_files)
        return Copies(roots, modes, *largest) if modes else None


def _over(changes: list[Change], parameters: Mapping[str, Any]) -> str | None:
    """Return that a run changed more than its approval allows, or None."""
    max_files = parameters.get("max_files", MAX_FILES)
    max_bytes = parameters.get("max_bytes", MAX_BYTES)
    size = sum(change.size for change in changes)
    if len(changes) <= max_files and size <= max_bytes:
        return None
    return (
        f"it changed {len(changes)} files and {size} bytes, max_files is {max_files} and max_bytes"
        f" {max_bytes}; nothing of it remains"
    )


def _changed(changes: list[Change], output: object, duration_ms: int = 0) -> Outcome:
    """Return the outcome of a run that changed files: how many, and which."""
    named = {
        kind: [change.path for change in changes if change.kind == kind][:_MAX_NAMES]
        for kind in ("made", "changed", "deleted")
    }
    files = {**named, "count": len(changes), "bytes": sum(change.size for change in changes)}
    tables = Counter(change.path.partition("/")[0] for change in changes)
    told = {"printed": output, "files": files}
    return Outcome(True, told, len(changes), duration_ms, tables=dict(tables))


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
