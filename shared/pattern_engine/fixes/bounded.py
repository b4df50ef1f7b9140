"""Running a program within limits of time, output and memory; at the limit all of it is killed.

The program leads a session of its own, and whatever it starts belongs to that: the kill goes to the
whole process group. Programs that could leave their group (a shell) run in a box that ends with its
first process; see `bash.executor`.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pattern_engine.fixes.execution import Limits, Stop

__all__ = ["Ended", "run_bounded"]

_LOOK_SECONDS: Final = 0.05
"""How often memory is looked at."""
_CHUNK: Final = 65_536


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


def run_bounded(
    command: Sequence[str],
    *,
    cwd: str,
    environment: Mapping[str, str],
    limits: Limits,
) -> Ended:
    """Run a program without standard input, and with exactly this environment.

    The limit on output counts both streams together. Memory is what the processes of its session
    have resident, looked at twenty times a second where there is a /proc.

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
    ) as process:
        try:
            deadline = started + limits.timeout_ms / 1000
            streams, stopped = _watch(process, deadline, limits)
        finally:
            # Also when it ended by itself: what it started and left behind goes too.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
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
            if _resident_bytes(process.pid) > limits.max_memory_bytes:
                return streams, "memory"
            if process.poll() is not None and not _readable(selector):
                # It ended; what still holds its streams open is a child that outlived it.
                return streams, None
    try:
        process.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        return streams, "time"
    return streams, None


def _stream(process: subprocess.Popen[bytes], name: str) -> IO[bytes]:
    stream: IO[bytes] = getattr(process, name)
    return stream


def _readable(selector: selectors.BaseSelector) -> bool:
    return bool(selector.select(0))


def _resident_bytes(session: int) -> int:
    """Bytes of memory that the processes of a session hold; 0 where there is no /proc."""
    page = os.sysconf("SC_PAGE_SIZE")
    total = 0
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            # After the name in parentheses: state, parent, group, session, …; 24th is the memory.
            fields = status.read_bytes().rpartition(b")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session:
            total += int(fields[21]) * page
    return total
