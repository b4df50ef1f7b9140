"""Runs fixes of type bash, each in a box: bubblewrap with nothing of the host but its programs.

In the box: /usr read-only; a minimal /dev, and a /proc of its own processes; /tmp and /box, in
memory, small, and the only places to write to. No network, no capability, no way to gain one, no
user namespace inside, nobody's user. Root starts the box as nobody: a process that is the host's
root, even without capabilities, may write to /proc/sys, and is exempt from the limit on processes.

Namespaces take the network away, but not every family of sockets lives in one: AF_VSOCK speaks to
the host of a virtual machine. So the kernel's filter lets only AF_UNIX sockets be made, and closes
calls that no script needs and that have often been the way out of a box.

Source: bwrap(1), user_namespaces(7), bash(1) on ulimit, seccomp(2), <asm/unistd.h>.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import importlib.util
import json
import math
import os
import platform
import shutil
import struct
from collections import Counter
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from pattern_engine import logs
from pattern_engine.fixes.bash.commands import GRANTED
from pattern_engine.fixes.bash.directories import Change, Copies, DirectoryError, Journal
from pattern_engine.fixes.bounded import Ended, run_bounded
from pattern_engine.fixes.execution import Limits, Outcome
from pattern_engine.fixes.retries import tried

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pattern_engine.fixes.execution import Job
    from pattern_engine.settings import Facilities

__all__ = ["WORK_BYTES", "Bash", "BoxError", "prove_box", "run_boxed", "seccomp_filter"]

#: What a run may change, and how long what it replaced is kept, unless its approval says otherwise.
_MAX_FILES, _MAX_BYTES, _UNDO_HOURS = 100, 64 * 1024 * 1024, 24
_MAX_NAMES: Final = 50
_OFF: Final = "fixes of type bash are switched off: the operator sets PATTERN_ENGINE_BASH_FIXES=on"

WORK_BYTES: Final = 32 * 1024 * 1024
"""What a script may write to its working directory; half of it to /tmp."""
#: A single process may reserve more memory than all may fill: what they fill is watched.
_PROCESSES, _OPEN_FILES, _RESERVED = 64, 256, 4
#: Beside the content of a directory, for the names in it.
_SLACK_BYTES: Final = 4 * 1024 * 1024
_NOBODY: Final = 65_534
#: Of what is not /usr: links into it on some systems, directories on others.
_SYSTEM: Final = ("/bin", "/sbin", "/lib", "/lib32", "/lib64")
#: What each box is made of, in the order in which it is. /usr/local is hidden: what an operator
#: installed by hand is nobody's business. Without the files of /etc, some programs do not start.
_FIXED: Final = f"""
--unshare-user --unshare-pid --unshare-net --unshare-ipc --unshare-uts --unshare-cgroup
--disable-userns --hostname box --uid {_NOBODY} --gid {_NOBODY} --cap-drop ALL
--new-session --die-with-parent --clearenv
--setenv PATH /usr/bin:/bin --setenv LANG C.UTF-8 --setenv HOME /box
--ro-bind /usr /usr --tmpfs /usr/local --remount-ro /usr/local
--ro-bind-try /etc/alternatives /etc/alternatives --ro-bind-try /etc/ld.so.cache /etc/ld.so.cache
--proc /proc --dev /dev --remount-ro /dev
--size {WORK_BYTES // 2} --tmpfs /tmp --size {WORK_BYTES} --tmpfs /box
"""
#: Processor → AUDIT_ARCH_…, the number of socket(2), and those of ptrace, add_key, request_key,
#: keyctl, perf_event_open, bpf, userfaultfd and io_uring_setup; and of memfd_create and shmget, as
#: nobody counts the memory that they give. Calls in another numbering, of 32 bits, end the process.
_MACHINES: Final = {
    "x86_64": (0xC000003E, 41, (101, 248, 249, 250, 298, 321, 323, 425, 319, 29)),
    "aarch64": (0xC00000B7, 198, (117, 217, 218, 219, 241, 280, 282, 425, 279, 194)),
}
#: From this number on, x86_64 counts its calls a second time (x32).
_X32: Final = 0x4000_0000

_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
# Offsets within struct seccomp_data: the call, the numbering, and its first argument's low half.
_CALL, _AUDIT, _FIRST = 0, 4, 16
_ALLOW, _KILL, _FAIL = 0x7FFF_0000, 0x8000_0000, 0x0005_0000
_EPERM, _EAFNOSUPPORT, _AF_UNIX = 1, 97, 1


class BoxError(Exception):
    """No box could be made, so nothing ran."""


def run_boxed(
    script: str, files: Mapping[str, str], limits: Limits, copies: Copies
) -> tuple[Ended, bytes]:
    """Run a script in a box whose working directory holds these files.

    Copies of directories are unpacked below /granted before it runs, each in memory of its own, and
    packed again when it has ended well: that is what is answered beside how it ended. Nothing of
    the script ran if this raises BoxError, or DirectoryError for what cannot be copied.
    """
    bwrap, closed_calls = shutil.which("bwrap"), seccomp_filter()
    if bwrap is None:
        raise BoxError("bubblewrap is not installed; on Debian: apt-get install bubblewrap")
    if closed_calls is None:
        raise BoxError("there is no box for processors of this kind, only for x86_64 and aarch64")
    contents = [b"", b"", closed_calls, script.encode(), copies.packed()]
    with contextlib.ExitStack() as stack:
        given = [*contents, *(text.encode() for text in files.values())]
        opened = [stack.enter_context(_in_memory(content)).fileno() for content in given]
        status, back, seccomp, code, packed, *placed = opened
        words = [bwrap, "--json-status-fd", str(status), "--seccomp", str(seccomp), *_box(copies)]
        for name, at in zip(files, placed, strict=True):
            words += ["--file", str(at), f"/box/{name}"]
        words += ["--chdir", "/box", "--ro-bind-data", str(code), "/fix", "--remount-ro", "/"]
        words += ["--", "bash", "-c", _limited(limits, copies, packed, back)]
        user = _NOBODY if os.geteuid() == 0 else None
        ended = run_bounded(words, cwd="/", environment={}, limits=limits, files=opened, user=user)
        # bubblewrap tells of an exit only when the program inside had been started.
        if ended.stopped is None and b'"exit-code"' not in os.pread(status, 4_096, 0):
            said = ended.stderr.decode(errors="replace").strip()[:500]
            needs = "it needs version 0.8 or newer, and user namespaces for unprivileged users"
            raise BoxError(f"bubblewrap cannot make a box on this machine ({said}); {needs}")
        return ended, os.pread(back, os.fstat(back).st_size, 0)


@functools.cache
def prove_box() -> None:
    """Make sure, once in a process, that a box can be made here; BoxError if it cannot."""
    limits = Limits(timeout_ms=10_000)
    ended, _ = run_boxed("true", {}, limits, Copies({}, {}, 0, 0))
    if problem := ended.failure(limits):
        raise BoxError(f"bash does not start in a box on this machine ({problem})")


def _in_memory(content: bytes) -> IO[bytes]:
    """Give a file without a name, from its beginning; it is gone when it is closed."""
    file = os.fdopen(os.memfd_create("pattern-engine"), "w+b")
    file.write(content)
    file.seek(0)
    return file


def _box(copies: Copies) -> Iterator[str]:
    """Yield what the box is made of, as words for bubblewrap."""
    yield from _FIXED.split()
    for path in map(Path, _SYSTEM):
        if path.is_symlink():
            yield from ("--symlink", str(path.readlink()), str(path))
        elif path.is_dir():
            yield from ("--ro-bind", str(path), str(path))
    for name in copies.roots:
        size = str(copies.max_bytes + _SLACK_BYTES)
        yield from ("--size", size, "--tmpfs", f"{GRANTED}/{name}")
        yield from ("--setenv", f"GRANTED_{name.upper()}", f"{GRANTED}/{name}")


def _limited(limits: Limits, copies: Copies, packed: int, back: int) -> str:
    """Return the command that limits a process, as they are counted in the box, and runs it."""
    seconds = -(-limits.timeout_ms // 1000) + 1
    memory = _RESERVED * max(limits.max_memory_bytes, 64 * 1024 * 1024) // 1024
    file = max(WORK_BYTES, (copies.max_bytes + _SLACK_BYTES) * len(copies.roots)) // 1024
    limit = f"ulimit -c 0 -n {_OPEN_FILES} -u {_PROCESSES} -f {file} -t {seconds} -v {memory}"
    script = f"bash --noprofile --norc -- /fix {packed}<&- {back}>&-"
    unpack = f"tar -xpC {GRANTED} <&{packed}"
    pack = f"tar -cC {GRANTED} --format=posix {' '.join(copies.roots)} >&{back}"
    steps = f"{unpack} && {script} && {pack}" if copies.roots else f"exec {script}"
    return f"{limit} && {steps}"


def seccomp_filter(machine: str | None = None) -> bytes | None:
    """Return the filter for a processor, by default ours; None if its numbers are not known."""
    audit, socket, closed = _MACHINES.get(machine or platform.machine(), (0, 0, ()))
    # Instructions: what to do, how many of the next to skip if it is so and if not, and the value.
    steps = [(_LOAD, 0, 0, _AUDIT), (_EQUAL, 0, 1, audit), (_LOAD, 0, 0, _CALL)]
    # Reached with another numbering, the accumulator holds that: it is as large.
    steps += [(_AT_LEAST, 0, 1, _X32), (_RETURN, 0, 0, _KILL)]
    for number in closed:
        steps += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _FAIL | _EPERM)]
    steps += [(_EQUAL, 0, 3, socket), (_LOAD, 0, 0, _FIRST), (_EQUAL, 1, 0, _AF_UNIX)]
    steps += [(_RETURN, 0, 0, _FAIL | _EAFNOSUPPORT), (_RETURN, 0, 0, _ALLOW)]
    return b"".join(struct.pack("=HBBI", *step) for step in steps) if audit else None


class Bash:
    """The executor of fixes of type bash.

    A script finds `params.json` and `error.json` in its working directory, and copies of the
    directories that its approval names below /granted. What it prints is its output, and an exit
    code other than 0 is a failure. What it did to the directories is applied when it has ended
    well. With the parameter `retry_safe` set to true a failure that is no limit is tried again.
    """

    def __init__(self, facilities: Facilities) -> None:
        self._facilities = facilities

    def unavailable(self) -> str | None:
        """Return why no fix can run here: they are off, cannot be read, or no box can be made."""
        if not self._facilities.bash:
            return _OFF
        if importlib.util.find_spec("tree_sitter_bash") is None:
            return "the parser is not installed: install the extra `fixes` of this package"
        try:
            prove_box()
        except (BoxError, OSError) as failure:
            return str(failure)
        return None

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
                if copies.roots and journal is not None:
                    stack.enter_context(journal.locked([*copies.roots.values()], left_ms / 1000))
                ended, back = run_boxed(job.script, files, limits, copies)
            except (BoxError, DirectoryError, OSError, ValueError) as failure:
                # Not readable as text (half a surrogate pair), or not to be started: nothing ran.
                return Outcome(success=False, error=str(failure), started=False)
            error, output = ended.failure(job.limits), ended.answer(job.limits.max_output_bytes)
            if error is not None or not copies.roots:
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

    def _copies(self, parameters: Mapping[str, Any]) -> Copies:
        """Return the directories that an approval names, as this deployment grants them."""
        modes, here = parameters.get("directories") or {}, self._facilities
        if missing := sorted(modes.keys() - here.bash_directories.keys()):
            hint = "the operator names it in PATTERN_ENGINE_BASH_DIRECTORIES"
            raise DirectoryError(f"the directory {missing[0]} is not granted here: {hint}")
        roots = {name: os.path.realpath(here.bash_directories[name]) for name in sorted(modes)}
        return Copies(roots, modes, here.bash_copy_bytes, here.bash_copy_files)


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
