"""Running a program within limits of time, output and memory; at a limit all of it is killed.

The program consists of the process that was started, the processes of its session, and all of its
descendants that the process table still shows. A program that can start processes which outlive
their parents (a shell) has to run in a box that ends with its first process; see `bash.executor`.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pattern_engine.fixes.execution import Limits, Stop

_ERROR_CHARACTERS: Final = 500
_LOOK_SECONDS: Final = 0.05
"""The time between two measurements of memory."""
_GONE_SECONDS: Final = 0.5
"""How long to wait until killed processes have disappeared."""
_CHUNK: Final = 65_536
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended."""

    exit_code: int
    """Negative if a signal ended the program."""
    stdout: bytes
    stderr: bytes
    stopped: Stop | None
    """The limit at which the program was killed; None if it ended by itself."""

    def failure(self, limits: Limits) -> str | None:
        """Return why it failed, with the last line that it wrote to stderr; None if it did not."""
        if self.stopped is not None:
            return {
                "time": f"stopped after {limits.timeout_ms} ms",
                "output": f"stopped when it had printed more than {limits.max_output_bytes} bytes",
            }.get(
                self.stopped,
                f"stopped when it held more than {limits.max_memory_bytes} bytes of memory",
            )
        if self.exit_code == 0:
            return None
        lines = readable(self.stderr).strip().splitlines()
        said = f": {lines[-1][:_ERROR_CHARACTERS]}" if lines else ""
        return f"exit code {self.exit_code}{said}"

    def answer(self, limit: int) -> Any:  # noqa: ANN401  any JSON value
        """Return what it printed: as the JSON value that it is, else as text within a limit."""
        text = readable(self.stdout)
        try:
            value = json.loads(text)
            # What Python reads beyond the standard, or the database cannot store, stays text.
            written = json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
        except (ValueError, RecursionError):
            return text.encode()[:limit].decode(errors="ignore")
        return text if b"\\u0000" in written else value


def readable(printed: bytes) -> str:
    """Return printed bytes as text that a database can store."""
    return printed.decode(errors="replace").replace("\0", "\N{REPLACEMENT CHARACTER}")


def run_bounded(  # noqa: PLR0913  all but the first are keyword-only
    command: Sequence[str],
    *,
    cwd: str,
    environment: Mapping[str, str],
    limits: Limits,
    files: Sequence[int] = (),
    user: int | None = None,
) -> Ended:
    """Run a program without standard input, and with exactly this environment.

    The output limit applies to both streams together. The memory limit applies to the resident
    memory of its processes, measured twenty times a second; it needs a /proc.

    Args:
        command: The program and its arguments.
        cwd: The directory in which the program starts.
        environment: The whole environment of the program.
        limits: The limits of time, output and memory apply; the others do not.
        files: Open descriptors that the program inherits, beside the three streams.
        user: The numeric user and group of the program; only root can set it.

    Raises:
        OSError: if the program cannot be started.
    """
    deadline = time.monotonic() + limits.timeout_ms / 1000
    with subprocess.Popen(
        list(command),
        cwd=cwd,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        pass_fds=files,
        user=user,
        group=user,
        extra_groups=None if user is None else [],
    ) as process:
        try:
            streams, stopped = _watch(process, deadline, limits)
        finally:
            # A program that ended by itself may have left processes behind.
            _kill(process)
    return Ended(
        exit_code=process.returncode,
        stdout=bytes(streams["stdout"][: limits.max_output_bytes]),
        stderr=bytes(streams["stderr"][: limits.max_output_bytes]),
        stopped=stopped,
    )


def _watch(
    process: subprocess.Popen[bytes], deadline: float, limits: Limits
) -> tuple[dict[str, bytearray], Stop | None]:
    """Read what a program prints until it ends or reaches a limit."""
    streams = {"stdout": bytearray(), "stderr": bytearray()}
    next_look = 0.0
    with selectors.DefaultSelector() as selector:
        for name in streams:
            selector.register(getattr(process, name), selectors.EVENT_READ, name)
        while selector.get_map():
            left = deadline - time.monotonic()
            if left <= 0:
                return streams, "time"
            for key, _ in selector.select(min(left, _LOOK_SECONDS)):
                chunk = os.read(key.fd, _CHUNK)
                if chunk:
                    streams[key.data] += chunk
                else:
                    selector.unregister(key.fileobj)
            if sum(map(len, streams.values())) > limits.max_output_bytes:
                return streams, "output"
            if time.monotonic() >= next_look:
                if _resident_bytes(process.pid) > limits.max_memory_bytes:
                    return streams, "memory"
                next_look = time.monotonic() + _LOOK_SECONDS
            if process.poll() is not None and not selector.select(0):
                # The program ended; a child that outlived it still holds its streams open.
                return streams, None
    return streams, _wait(process, deadline, limits)


def _wait(process: subprocess.Popen[bytes], deadline: float, limits: Limits) -> Stop | None:
    """Wait for a program that has closed its streams, within the same limits."""
    while (left := deadline - time.monotonic()) > 0:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(min(left, _LOOK_SECONDS))
            return None
        if _resident_bytes(process.pid) > limits.max_memory_bytes:
            return "memory"
    return "time"


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill all processes of a program, and wait until they are gone."""
    # The list is made before the first kill: a process of another session is only found as a
    # descendant, and it loses its parent when that is killed.
    others = [one for one in _family(process.pid) if one.pid != process.pid]
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    for one in others:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(one.pid, signal.SIGKILL)
    process.wait()
    patience = time.monotonic() + _GONE_SECONDS
    while any(map(_is_alive, others)) and time.monotonic() < patience:
        time.sleep(0.001)


class _Process(NamedTuple):
    """A line of the process table."""

    pid: int
    parent: int
    session: int
    born: int
    """The start time in clock ticks after boot; together with the pid it is unique."""
    resident_bytes: int


def _resident_bytes(leader: int) -> int:
    """Return the resident memory of a program's processes in bytes; 0 where there is no /proc."""
    return sum(one.resident_bytes for one in _family(leader))


def _family(leader: int) -> list[_Process]:
    """Return a process, the other processes of its session, and all their descendants."""
    table = [one for path in Path("/proc").glob("[0-9]*") if (one := _process(int(path.name)))]
    children: dict[int, list[_Process]] = {}
    for one in table:
        children.setdefault(one.parent, []).append(one)
    family = {one.pid: one for one in table if leader in (one.pid, one.session)}
    waiting = list(family)
    while waiting:
        for child in children.get(waiting.pop(), []):
            if child.pid not in family:
                family[child.pid] = child
                waiting.append(child.pid)
    return list(family.values())


def _process(pid: int) -> _Process | None:
    """Look up a process; return None if it does not exist or has ended.

    The fields of /proc/PID/stat are those of proc(5), counted after the name in parentheses.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None
    if fields[0] in (b"Z", b"X"):
        return None
    return _Process(
        pid=pid,
        parent=int(fields[1]),
        session=int(fields[3]),
        born=int(fields[19]),
        resident_bytes=int(fields[21]) * _PAGE,
    )


def _is_alive(process: _Process) -> bool:
    now = _process(process.pid)
    return now is not None and now.born == process.born
