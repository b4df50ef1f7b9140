"""What work costs the processor: others who use the machine do not count."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    import psycopg


def fastest(work: Callable[[], object], times: int = 5) -> float:
    """Return the seconds of the processor that the fastest of several goes takes."""
    taken = []
    for _ in range(times):
        start = time.process_time()
        work()
        taken.append(time.process_time() - start)
    return min(taken)


def spent_by(connection: psycopg.Connection[Any]) -> float:
    """Return the seconds of the processor that a connection's server process has used so far."""
    stat = Path(f"/proc/{connection.info.backend_pid}/stat").read_text(encoding="utf-8")
    # The fields after the name of the program: the twelfth and thirteenth are user's and system's.
    fields = stat.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
