"""Running a program within limits of time, output and memory; at the limit all of it is killed.

What counts as the program: the process that was started, those of its session, and whatever
descends from it, as far as the process table still tells. A program that could make a process its
parents forget (a shell) runs in a box that ends with its first process; see `bash.executor`.
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
from typing import IO, TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pattern_engine.fixes.execution import Limits, Stop

__all__ = ["Ended", "readable", "run_bounded"]

_ERROR_CHARACTERS: Final = 500

_LOOK_SECONDS: Final = 0.05
"""How often memory is looked at."""
_GONE_SECONDS: Final = 0.5
"""How long the system may take to clear away what was killed."""
_CHUNK: Final = 65_536
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended."""

    exit_code: int
    """Negative for the signal that ended it."""
    stdout: bytes
    stderr: bytes
    duration_ms: int
    stopped: Stop | None
    """The limit at which it was killed; None if it ended by itself."""

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


def run_bounded(  # noqa: PLR0913  each is a word to the kernel; all but the first have names
    command: Sequence[str],
    *,
    cwd: str,
    environment: Mapping[str, str],
    limits: Limits,
    files: Sequence[int] = (),
    user: int | None = None,
) -> Ended:
    """Run a program without standard input, and with exactly this environment.

    The limit on output counts both streams together. Memory is what its processes have resident,
    looked at twenty times a second where there is a /proc.

    Args:
        command: The program, and its arguments.
        cwd: Directory in which it starts.
        environment: All of its environment.
        limits: Those of time, output and memory are kept here.
        files: Open descriptors that it inherits under their numbers, beside the three streams.
        user: Numeric user and group that it becomes; only root may ask for one.

    Raises:
        OSError: if the program cannot be started.
    """
    started = time.monotonic()
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
            deadline = started + limits.timeout_ms / 1000
            streams, stopped = _watch(process, deadline, limits)
        finally:
            # Also when it ended by itself: what it started and left behind goes too.
            _kill(process)
    return Ended(
        exit_code=process.returncode,
        stdout=bytes(streams["stdout"][: limits.max_output_bytes]),
        stderr=bytes(streams["stderr"][: limits.max_output_bytes]),
        duration_ms=round((time.monotonic() - started) * 1000),
        stopped=stopped,
    )


def _watch(
    process: subprocess.Popen[bytes], deadline: float, limits: Limits
) -> tuple[dict[str, bytearray], Stop | None]:
    """Read what a program prints until it ends or meets a limit."""
    streams = {"stdout": bytearray(), "stderr": bytearray()}
    next_look = 0.0
    with selectors.DefaultSelector() as selector:
        for name in streams:
            selector.register(_stream(process, name), selectors.EVENT_READ, name)
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
            if process.poll() is not None and not _readable(selector):
                # It ended; what still holds its streams open is a child that outlived it.
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


def _stream(process: subprocess.Popen[bytes], name: str) -> IO[bytes]:
    stream: IO[bytes] = getattr(process, name)
    return stream


def _readable(selector: selectors.BaseSelector) -> bool:
    return bool(selector.select(0))


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a program with all that belongs to it, and wait until it is gone."""
    # Looked for first: once its parents are dead, a process of another session belongs to nobody.
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
    """Ticks after boot; with the number it names one process for ever."""
    resident_bytes: int


def _resident_bytes(leader: int) -> int:
    """Bytes of memory that a program's processes hold; 0 where there is no /proc."""
    return sum(one.resident_bytes for one in _family(leader))


def _family(leader: int) -> list[_Process]:
    """Return the processes of a leader's session and all its descendants, itself among them."""
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
    """Look a process up; None if there is none, or only its exit code is left.

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
