"""Runs fixes of type bash: each in a box of its own, never without one."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import os
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

    from pattern_engine.fixes.execution import Job
    from pattern_engine.settings import Facilities

__all__ = ["Bash"]

#: What a run may change, and how long what it replaced is kept, unless its approval says otherwise.
_MAX_FILES, _MAX_BYTES, _UNDO_HOURS = 100, 64 * 1024 * 1024, 24
_MAX_NAMES: Final = 50
_OFF: Final = "fixes of type bash are switched off: the operator sets PATTERN_ENGINE_BASH_FIXES=on"


class Bash:
    """The executor of fixes of type bash.

    A script finds `params.json` and `error.json` in its working directory, and copies of the
    directories that its approval names below /granted. What it prints is its output, and an exit
    code other than 0 is a failure. What it did to the directories is applied when it has ended
    well. With the parameter `retry_safe` set to true a failure that is no limit is tried again.
    """

    def __init__(self, facilities: Facilities) -> None:
        self._facilities = facilities

    def run(self, job: Job) -> Outcome:
        """Run a script to its end or to its limits."""
        return tried(job, lambda left_ms: self._once(job, left_ms, applies=True))

    def rehearse(self, job: Job) -> Outcome:
        """Run a script on copies, and answer what it would have changed; nothing is applied."""
        return self._once(job, job.limits.timeout_ms, applies=False)

    def take_back(self, application_id: str) -> Outcome:
        """Restore what a run replaced, all of it or nothing; then `started` is false."""
        try:
            taken = self._journal().take_back(application_id)
            return _told(taken, None, {"max_files": math.inf, "max_bytes": math.inf})
        except (DirectoryError, OSError) as problem:
            return Outcome(success=False, error=str(problem), started=False)

    def _once(self, job: Job, left_ms: int, *, applies: bool) -> Outcome:
        """Run a script once, within what is left of its time."""
        limits = dataclasses.replace(job.limits, timeout_ms=left_ms)
        if not self._facilities.bash:
            return Outcome(success=False, error=_OFF, started=False)
        with contextlib.ExitStack() as stack:
            try:
                given = {"params.json": dict(job.parameters), "error.json": dict(job.error)}
                files = {name: json.dumps(one, ensure_ascii=False) for name, one in given.items()}
                prove_box()
                copies = self._copies(job.parameters)
                journal = self._journal() if self._facilities.bash_directories else None
                if copies is not None and journal is not None:
                    stack.enter_context(journal.locked([*copies.roots.values()], left_ms / 1000))
                ended, back = run_boxed(job.script, files, limits, copies)
            except (BoxError, DirectoryError, OSError, ValueError) as failure:
                # Not readable as text (half a surrogate pair), or not to be started: nothing ran.
                return Outcome(success=False, error=str(failure), started=False)
            error, output = ended.failure(job.limits), ended.answer(job.limits.max_output_bytes)
            if error is not None or copies is None:
                return Outcome(error is None, output, error=error, stopped=ended.stopped)
            try:
                changes = copies.difference(back)
                outcome = _told(changes, output, job.parameters)
                if applies and outcome.success and changes and journal is not None:
                    seconds = job.parameters.get("undo_hours", _UNDO_HOURS) * 3600
                    journal.apply(job.application_id, copies.roots, changes, seconds)
            except (DirectoryError, OSError) as failure:
                return Outcome(success=False, output=output, error=str(failure))
            return outcome

    def _journal(self) -> Journal:
        """Return the journal, after it has undone what was killed."""
        journal = Journal(self._facilities.bash_state_directory)
        if foreign := journal.recover():
            logs.warning("not_undone", paths=foreign[:_MAX_NAMES])
        return journal

    def _copies(self, parameters: Mapping[str, Any]) -> Copies | None:
        """Return the directories that an approval names, as this deployment grants them."""
        modes, granted = parameters.get("directories") or {}, self._facilities.bash_directories
        if not modes:
            return None
        if missing := sorted(modes.keys() - granted.keys()):
            hint = "the operator names it in PATTERN_ENGINE_BASH_DIRECTORIES"
            raise DirectoryError(f"the directory {missing[0]} is not granted here: {hint}")
        roots = {name: os.path.realpath(granted[name]) for name in sorted(modes)}
        limits = (self._facilities.bash_copy_bytes, self._facilities.bash_copy_files)
        return Copies(roots, modes, *limits)


def _told(changes: list[Change], output: object, most: Mapping[str, Any]) -> Outcome:
    """Return the outcome of a run that changed files; a failure beyond what was approved."""
    files: dict[str, Any] = {
        kind: [change.path for change in changes if change.kind == kind][:_MAX_NAMES]
        for kind in ("made", "changed", "deleted")
    }
    count, size = len(changes), sum(change.size for change in changes)
    told = {"printed": output, "files": files | {"count": count, "bytes": size}}
    max_files, max_bytes = most.get("max_files", _MAX_FILES), most.get("max_bytes", _MAX_BYTES)
    if count > max_files or size > max_bytes:
        error = f"it changed {count} files and {size} bytes, max_files is {max_files} and max_bytes"
        error += f" {max_bytes}; nothing of it remains"
        return Outcome(success=False, output=told, error=error, stopped="rows")
    tables = Counter(change.path.partition("/")[0] for change in changes)
    return Outcome(True, told, rows=count, tables=dict(tables))
