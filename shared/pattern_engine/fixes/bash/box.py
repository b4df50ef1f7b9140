"""The box in which a bash fix runs: bubblewrap with nothing of the host but its programs.

In the box: /usr read-only; a minimal /dev, and a /proc of its own processes; /tmp and /box, in
memory, small, and the only places to write to. No network, no capability, no way to gain one, no
user namespace inside, nobody's user. Root starts the box as nobody: a process that is the host's
root, even without capabilities, may write to /proc/sys, and is exempt from the limit on processes.

Source: bwrap(1), user_namespaces(7), bash(1) on ulimit.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pattern_engine.fixes.bash.seccomp import seccomp_filter
from pattern_engine.fixes.bounded import Ended, run_bounded
from pattern_engine.fixes.execution import Limits

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["WORK_BYTES", "BoxError", "prove_box", "run_boxed"]

WORK_BYTES: Final = 32 * 1024 * 1024
"""What a script may write to its working directory; half of it to /tmp."""
_PROCESSES: Final = 64
_OPEN_FILES: Final = 256
#: A single process may reserve more memory than all may fill: what they fill is watched.
_RESERVED: Final = 4
_NOBODY: Final = 65_534
#: Of what is not /usr: links into it on some systems, directories on others.
_SYSTEM: Final = ("/bin", "/sbin", "/lib", "/lib32", "/lib64")
#: Without these, some programs of /usr do not start.
_ETC: Final = ("/etc/alternatives", "/etc/ld.so.cache")


class BoxError(Exception):
    """No box could be made, so nothing ran."""


def run_boxed(script: str, files: Mapping[str, str], limits: Limits) -> Ended:
    """Run a script in a box whose working directory holds these files.

    Raises:
        BoxError: if there can be no box; then nothing of the script ran.
    """
    bwrap = shutil.which("bwrap")
    if bwrap is None:
        raise BoxError("bubblewrap is not installed; on Debian: apt-get install bubblewrap")
    closed_calls = seccomp_filter()
    if closed_calls is None:
        raise BoxError("there is no box for processors of this kind, only for x86_64 and aarch64")
    with contextlib.ExitStack() as stack:
        status = stack.enter_context(_in_memory(b""))
        seccomp = stack.enter_context(_in_memory(closed_calls))
        code = stack.enter_context(_in_memory(script.encode()))
        placed = {
            name: stack.enter_context(_in_memory(text.encode())) for name, text in files.items()
        }
        inside = [
            word for name, at in placed.items() for word in ("--file", str(at), f"/box/{name}")
        ]
        ended = run_bounded(
            [
                *(bwrap, "--json-status-fd", str(status), "--seccomp", str(seccomp)),
                *_box(),
                *("--chdir", "/box", *inside, "--ro-bind-data", str(code), "/fix"),
                *("--remount-ro", "/", "--", "bash", "-c", _limited(limits)),
            ],
            cwd="/",
            environment={},
            limits=limits,
            files=[status, seccomp, code, *placed.values()],
            user=_NOBODY if os.geteuid() == 0 else None,
        )
        # bubblewrap tells of an exit only when the program inside had been started.
        if ended.stopped is None and b'"exit-code"' not in os.pread(status, 4_096, 0):
            said = ended.stderr.decode(errors="replace").strip()[:500]
            raise BoxError(
                f"bubblewrap cannot make a box on this machine ({said}); it needs version 0.8 or"
                " newer, and user namespaces for unprivileged users"
            )
    return ended


@functools.cache
def prove_box() -> None:
    """Make sure, once in a process, that a box can be made here, by making one.

    Raises:
        BoxError: if it cannot; asked again, it is tried again.
    """
    ended = run_boxed("true", {}, Limits(timeout_ms=10_000))
    if ended.exit_code != 0 or ended.stopped is not None:
        said = ended.stderr.decode(errors="replace").strip()[:500]
        raise BoxError(f"bash does not start in a box on this machine ({said})")


@contextlib.contextmanager
def _in_memory(content: bytes) -> Iterator[int]:
    """Give a file without a name, from its beginning; it is gone when it is closed."""
    descriptor = os.memfd_create("pattern-engine")
    try:
        os.write(descriptor, content)
        os.lseek(descriptor, 0, os.SEEK_SET)
        yield descriptor
    finally:
        os.close(descriptor)


def _box() -> list[str]:
    """Return what the box is made of, as words for bubblewrap."""
    return [
        *("--unshare-user", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts"),
        *("--unshare-cgroup", "--disable-userns", "--uid", str(_NOBODY), "--gid", str(_NOBODY)),
        *("--hostname", "box", "--new-session", "--die-with-parent", "--cap-drop", "ALL"),
        *("--clearenv", "--setenv", "PATH", "/usr/bin:/bin"),
        *("--setenv", "HOME", "/box", "--setenv", "LANG", "C.UTF-8"),
        # What an operator installed by hand, our own package perhaps, is nobody's business.
        *("--ro-bind", "/usr", "/usr", "--tmpfs", "/usr/local", "--remount-ro", "/usr/local"),
        *_system(),
        *("--proc", "/proc", "--dev", "/dev", "--remount-ro", "/dev"),
        *("--size", str(WORK_BYTES // 2), "--tmpfs", "/tmp"),  # noqa: S108  the box's own
        *("--size", str(WORK_BYTES), "--tmpfs", "/box"),
    ]


def _system() -> Iterator[str]:
    for path in map(Path, _SYSTEM):
        if path.is_symlink():
            yield from ("--symlink", str(path.readlink()), str(path))
        elif path.is_dir():
            yield from ("--ro-bind", str(path), str(path))
    for name in _ETC:
        yield from ("--ro-bind-try", name, name)


def _limited(limits: Limits) -> str:
    """Return the command that takes on the limits of a process and becomes the script's bash.

    They are set inside the box, so that processes are counted within it alone.
    """
    seconds = -(-limits.timeout_ms // 1000) + 1
    reserved = _RESERVED * max(limits.max_memory_bytes, 64 * 1024 * 1024) // 1024
    return (
        f"ulimit -c 0 -n {_OPEN_FILES} -f {WORK_BYTES // 1024} -t {seconds} -v {reserved}"
        f" -u {_PROCESSES} && exec bash --noprofile --norc -- /fix"
    )
