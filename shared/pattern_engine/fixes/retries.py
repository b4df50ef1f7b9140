"""Pauses between the tries of one fix."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["pauses"]


def pauses() -> Iterator[float]:
    """Seconds between tries: the Fibonacci sequence times a tenth of a second."""
    pause, following = 1, 1
    while True:
        yield pause / 10
        pause, following = following, pause + following
