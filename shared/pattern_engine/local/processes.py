"""Start, watch and end the processes of a stack, by process id and never by name."""

import contextlib
import ctypes
import os
import platform
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from pattern_engine.local.errors import PartFailedError

_PR_SET_PDEATHSIG = 1
_ON_LINUX = platform.system() == "Linux"
_LIBC = ctypes.CDLL(None) if _ON_LINUX else None
_POLL_SECONDS = 0.02


@dataclass(frozen=True)
class Identity:
    """A process id with the start time of the process, so that a reused id is recognised."""

    pid: int
    started: str

    @classmethod
    def of(cls, pid: int) -> "Identity | None":
        """Return the identity of a running process, or None."""
        started = _start_of(pid)
        return cls(pid, started) if started else None

    def is_alive(self) -> bool:
        """Return whether exactly this process still runs; a zombie does not."""
        return _start_of(self.pid) == self.started

    def send(self, signal_number: int) -> None:
        """Send a signal to the process group, if this process still runs."""
        if not self.is_alive():
            return
        try:
            os.killpg(self.pid, signal_number)
        except ProcessLookupError:  # it leads no group
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal_number)


def _start_of(pid: int) -> str:
    if _ON_LINUX:
        return _start_from_proc(pid)
    shown = subprocess.run(
        ["ps", "-o", "lstart=,state=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout.strip()
    return "" if shown.endswith("Z") else shown.rpartition(" ")[0]


def _start_from_proc(pid: int) -> str:
    """Read the start time in clock ticks since boot; proc(5), /proc/pid/stat, field 22."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    state, *rest = stat.rpartition(")")[2].split()
    return "" if state in "ZX" else rest[18]


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Wait until a condition is true; return False if it is not within the time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def die_with_parent(signal_number: int) -> Callable[[], None] | None:
    """Return a `preexec_fn` after which the kernel sends this signal when the parent ends.

    Only Linux can do this; elsewhere `down` ends the processes of a supervisor that was killed.
    """
    libc = _LIBC
    if libc is None:
        return None
    parent = os.getpid()

    def arrange() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal_number)
        if os.getppid() != parent:  # the parent ended before the call of prctl
            os._exit(1)

    return arrange


@dataclass
class Part:
    """One process of the stack, with its log.

    Attributes:
        name: Its name in messages.
        command: Program and arguments, without secrets, since every user of the machine sees them.
        log: File for the output of the process.
        environment: All environment variables of the process.
        stop_signals: Sent one after the other until the process has ended, and then SIGKILL.
        pass_fds: Open files that the process inherits.
        run_as: Ids of the user and the group of the process; None means those of the supervisor.
    """

    name: str
    command: Sequence[str]
    log: Path
    environment: Mapping[str, str]
    stop_signals: Sequence[int] = (signal.SIGTERM,)
    pass_fds: Sequence[int] = ()
    run_as: tuple[int, int] | None = None
    working_directory: Path = Path("/")
    process: "subprocess.Popen[bytes] | None" = field(default=None, init=False)
    identity: Identity | None = field(default=None, init=False)

    def start(self) -> None:
        """Start the process in its own group, so that Ctrl-C reaches only the supervisor."""
        user: dict[str, Any] = {}
        if self.run_as:
            user = {"user": self.run_as[0], "group": self.run_as[1], "extra_groups": []}
        with open_log(self.log) as log:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=dict(self.environment),
                cwd=self.working_directory,
                start_new_session=True,
                pass_fds=tuple(self.pass_fds),
                preexec_fn=die_with_parent(self.stop_signals[0]),  # noqa: PLW1509  one system call
                **user,
            )
        self.identity = Identity.of(self.process.pid)

    @property
    def has_ended(self) -> bool:
        """Whether the process was started and has ended."""
        return self.process is not None and self.process.poll() is not None

    def wait_ready(self, is_ready: Callable[[], bool], seconds: float) -> None:
        """Wait until the process is ready.

        Raises:
            PartFailedError: The process ended or was not ready in time; the message contains the
                end of its log.
        """
        if not wait_until(lambda: self.has_ended or is_ready(), seconds):
            raise PartFailedError(self.report(f"was not ready within {seconds:g} seconds"))
        self.check()

    def check(self) -> None:
        """Raise PartFailedError when the process has ended."""
        if self.has_ended:
            raise PartFailedError(self.report(self.how_it_ended()))

    def how_it_ended(self) -> str:
        """Return how a process that has ended did so."""
        return f"ended with exit code {self.process.returncode if self.process else None}"

    def kill_rest(self) -> None:
        """Kill what a process that has just ended has left in its group."""
        with contextlib.suppress(ProcessLookupError):
            if self.process:
                os.killpg(self.process.pid, signal.SIGKILL)

    def report(self, event: str) -> str:
        """Return a message about an event, with the last lines of the log."""
        return f"{self.name} {event}. The end of {self.log}:\n{tail(self.log)}"

    def stop(self) -> None:
        """End the process and wait for it."""
        if self.process is None:
            return
        if self.identity:
            end(self.identity, self.stop_signals, reap=self.process.poll)
        self.process.wait()
        self.process = None


def end(
    identity: Identity,
    signals: Sequence[int] = (signal.SIGTERM,),
    *,
    reap: Callable[[], object] = lambda: None,
    seconds: float = 8.0,
) -> None:
    """Send one signal after the other until the process has ended, SIGKILL last.

    `reap` collects the exit code of a child; `seconds` is the time after each signal.
    """

    def is_over() -> bool:
        reap()
        return not identity.is_alive()

    for signal_number in (*signals, signal.SIGKILL):
        identity.send(signal_number)
        if wait_until(is_over, seconds):
            return


def open_log(path: Path, *, afresh: bool = False) -> BinaryIO:
    """Open a log for the present user alone, in a directory for the present user alone.

    Logs hold messages, addresses and scripts, whatever the umask allows to others.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.parent.chmod(0o700)
    end = os.O_TRUNC if afresh else os.O_APPEND
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | end, 0o600)
    os.fchmod(descriptor, 0o600)  # if another version of the engine made it
    return os.fdopen(descriptor, "wb")


def tail(log: Path, lines: int = 20) -> str:
    """Return the last lines of a log."""
    if not log.exists():
        return "(no log)"
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:]) or "(empty)"
