"""The Fibonacci sequence, by which pauses grow."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["fibonacci"]


def fibonacci() -> Iterator[int]:
    """1, 1, 2, 3, 5, 8, … without end."""
    number, following = 1, 1
    while True:
        yield number
        number, following = following, number + following
