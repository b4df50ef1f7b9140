"""Waiting for what happens by itself."""

import time
from collections.abc import Callable
from typing import TypeVar

Answer = TypeVar("Answer")


def eventually(ask: Callable[[], Answer], seconds: float = 15.0) -> Answer:
    """Ask until the answer is true; return it. Fails when it never is."""
    ends = time.monotonic() + seconds
    while not (answer := ask()):
        assert time.monotonic() < ends, f"still {answer!r} after {seconds} s"
        time.sleep(0.02)
    return answer
