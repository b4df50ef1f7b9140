"""The box in which a bash fix runs: bubblewrap with nothing of the host but its programs.

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
import functools
import os
import platform
import shutil
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pattern_engine.fixes.bash.commands import GRANTED
from pattern_engine.fixes.bounded import Ended, run_bounded
from pattern_engine.fixes.execution import Limits

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pattern_engine.fixes.bash.directories import Copies

__all__ = ["WORK_BYTES", "BoxError", "prove_box", "run_boxed", "seccomp_filter"]

WORK_BYTES: Final = 32 * 1024 * 1024
"""What a script may write to its working directory; half of it to /tmp."""
#: A single process may reserve more memory than all may fill: what they fill is watched.
_PROCESSES, _OPEN_FILES, _RESERVED = 64, 256, 4
#: Beside the content of a directory, for the names in it.
_SLACK_BYTES: Final = 4 * 1024 * 1024
_NOBODY: Final = 65_534
#: Of what is not /usr: links into it on some systems, directories on others.
_SYSTEM: Final = ("/bin", "/sbin", "/lib", "/lib32", "/lib64")
#: Without these, some programs of /usr do not start.
_ETC: Final = ("/etc/alternatives", "/etc/ld.so.cache")
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
    script: str, files: Mapping[str, str], limits: Limits, copies: Copies | None = None
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
    contents = [b"", b"", closed_calls, script.encode(), copies.packed() if copies else b""]
    with contextlib.ExitStack() as stack:
        given = [*contents, *(text.encode() for text in files.values())]
        opened = [stack.enter_context(_in_memory(content)) for content in given]
        status, back, seccomp, code, packed, *placed = opened
        command = [bwrap, "--json-status-fd", str(status), "--seccomp", str(seccomp), *_box(copies)]
        for name, at in zip(files, placed, strict=True):
            command += ["--file", str(at), f"/box/{name}"]
        command += ["--chdir", "/box", "--ro-bind-data", str(code), "/fix", "--remount-ro", "/"]
        ended = run_bounded(
            [*command, "--", "bash", "-c", _limited(limits, copies, packed, back)],
            cwd="/",
            environment={},
            limits=limits,
            files=opened,
            user=_NOBODY if os.geteuid() == 0 else None,
        )
        # bubblewrap tells of an exit only when the program inside had been started.
        if ended.stopped is None and b'"exit-code"' not in os.pread(status, 4_096, 0):
            raise BoxError(
                f"bubblewrap cannot make a box on this machine ({_said(ended)}); it needs version"
                " 0.8 or newer, and user namespaces for unprivileged users"
            )
        return ended, os.pread(back, os.fstat(back).st_size, 0)


def _said(ended: Ended) -> str:
    return ended.stderr.decode(errors="replace").strip()[:500]


@functools.cache
def prove_box() -> None:
    """Make sure, once in a process, that a box can be made here; BoxError if it cannot."""
    ended, _ = run_boxed("true", {}, Limits(timeout_ms=10_000))
    if ended.exit_code != 0 or ended.stopped is not None:
        raise BoxError(f"bash does not start in a box on this machine ({_said(ended)})")


@contextlib.contextmanager
def _in_memory(content: bytes) -> Iterator[int]:
    """Give a file without a name, from its beginning; it is gone when it is closed."""
    descriptor = os.memfd_create("pattern-engine")
    try:
        with open(descriptor, "wb", closefd=False) as file:
            file.write(content)
        os.lseek(descriptor, 0, os.SEEK_SET)
        yield descriptor
    finally:
        os.close(descriptor)


def _box(copies: Copies | None) -> Iterator[str]:
    """Yield what the box is made of, as words for bubblewrap."""
    yield from ("--unshare-user", "--unshare-pid", "--unshare-net", "--unshare-ipc")
    yield from ("--unshare-uts", "--unshare-cgroup", "--disable-userns", "--hostname", "box")
    yield from ("--uid", str(_NOBODY), "--gid", str(_NOBODY), "--cap-drop", "ALL")
    yield from ("--new-session", "--die-with-parent", "--clearenv")
    yield from ("--setenv", "PATH", "/usr/bin:/bin", "--setenv", "LANG", "C.UTF-8")
    yield from ("--setenv", "HOME", "/box", "--ro-bind", "/usr", "/usr")
    # What an operator installed by hand, our own package perhaps, is nobody's business.
    yield from ("--tmpfs", "/usr/local", "--remount-ro", "/usr/local")
    for path in map(Path, _SYSTEM):
        if path.is_symlink():
            yield from ("--symlink", str(path.readlink()), str(path))
        elif path.is_dir():
            yield from ("--ro-bind", str(path), str(path))
    for name in _ETC:
        yield from ("--ro-bind-try", name, name)
    yield from ("--proc", "/proc", "--dev", "/dev", "--remount-ro", "/dev")
    yield from ("--size", str(WORK_BYTES // 2), "--tmpfs", "/tmp")  # noqa: S108  the box's own
    yield from ("--size", str(WORK_BYTES), "--tmpfs", "/box")
    for name in copies.roots if copies else ():
        size = str(copies.max_bytes + _SLACK_BYTES) if copies else ""
        yield from ("--size", size, "--tmpfs", f"{GRANTED}/{name}")
        yield from ("--setenv", f"GRANTED_{name.upper()}", f"{GRANTED}/{name}")


def _limited(limits: Limits, copies: Copies | None, packed: int, back: int) -> str:
    """Return the command that limits a process, as they are counted in the box, and runs it."""
    seconds = -(-limits.timeout_ms // 1000) + 1
    reserved = _RESERVED * max(limits.max_memory_bytes, 64 * 1024 * 1024) // 1024
    names = " ".join(copies.roots) if copies else ""
    largest = (copies.max_bytes + _SLACK_BYTES) * len(copies.roots) if copies else 0
    script = f"bash --noprofile --norc -- /fix {packed}<&- {back}>&-"
    unpack = f"tar -xpC {GRANTED} <&{packed}"
    pack = f"tar -cC {GRANTED} --format=posix {names} >&{back}"
    return (
        f"ulimit -c 0 -n {_OPEN_FILES} -f {max(WORK_BYTES, largest) // 1024} -t {seconds}"
        f" -v {reserved} -u {_PROCESSES} && "
        + (f"{unpack} && {script} && {pack}" if copies else f"exec {script}")
    )


def seccomp_filter(machine: str | None = None) -> bytes | None:
    """Return the filter for a processor, by default ours; None if its numbers are not known."""
    audit, socket, closed = _MACHINES.get(machine or platform.machine(), (0, 0, ()))
    steps = [(_LOAD, _AUDIT), (_EQUAL, audit, 0, 1), (_LOAD, _CALL)]
    # Reached with another numbering, the accumulator holds that: it is as large.
    steps += [(_AT_LEAST, _X32, 0, 1), (_RETURN, _KILL)]
    for number in closed:
        steps += [(_EQUAL, number, 0, 1), (_RETURN, _FAIL | _EPERM)]
    steps += [(_EQUAL, socket, 0, 3), (_LOAD, _FIRST), (_EQUAL, _AF_UNIX, 1, 0)]
    steps += [(_RETURN, _FAIL | _EAFNOSUPPORT), (_RETURN, _ALLOW)]
    return b"".join(_step(*step) for step in steps) if audit else None


def _step(code: int, value: int, if_so: int = 0, if_not: int = 0) -> bytes:
    """Return one instruction; the jumps say how many of the next are skipped."""
    return struct.pack("=HBBI", code, if_so, if_not, value)
