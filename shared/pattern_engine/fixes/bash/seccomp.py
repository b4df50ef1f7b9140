"""The system calls that are closed inside the box, as a filter that the kernel runs.

Namespaces take the network away, but not every family of sockets lives in one: AF_VSOCK speaks to
the host of a virtual machine. So only AF_UNIX sockets are made. Closed beside them are calls that
no script needs and that have often been the way out of a box.

Source: seccomp(2), and the numbers of <asm/unistd.h>.
"""

from __future__ import annotations

import platform
import struct
from typing import Final

__all__ = ["seccomp_filter"]


#: Processor → AUDIT_ARCH_…, the number of socket(2), and those of ptrace, add_key, request_key,
#: keyctl, perf_event_open, bpf, userfaultfd and io_uring_setup. Calls in another numbering (32 bits)
#: end the process.
_MACHINES: Final = {
    "x86_64": (0xC000003E, 41, (101, 248, 249, 250, 298, 321, 323, 425)),
    "aarch64": (0xC00000B7, 198, (117, 217, 218, 219, 241, 280, 282, 425)),
}
#: From this number on, x86_64 counts its calls a second time (x32).
_X32: Final = 0x4000_0000

_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
# Offsets within struct seccomp_data: the call, the numbering, and its first argument's low half.
_CALL, _AUDIT, _FIRST = 0, 4, 16
_ALLOW, _KILL, _FAIL = 0x7FFF_0000, 0x8000_0000, 0x0005_0000
_EPERM, _EAFNOSUPPORT, _AF_UNIX = 1, 97, 1


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
