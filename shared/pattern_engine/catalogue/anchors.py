"""Where the catalogue's file keeps a template: by the start and the end of its literal text.

A template stands under one anchor, the longest start and end of these lengths that its first and
last literal have. A message has one anchor for each pair of lengths, so that a few look-ups find
every template that could match it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from zlib import crc32

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["anchor", "anchors"]

_STARTS: Final = (14, 5, 0)
_ENDS: Final = (9, 3, 0)


def anchor(first: str, last: str) -> int:
    """Return the anchor of a template with these literals at its ends; 0 if it has none."""
    start = next(length for length in _STARTS if len(first) >= length)
    end = next(length for length in _ENDS if len(last) >= length)
    return _hash(first[:start], last[-end:] if end else "")


def anchors(text: str) -> Iterator[int]:
    """Yield the anchors under which templates that could match a text stand."""
    ends = [text[-length:] if length else "" for length in _ENDS if len(text) >= length]
    for length in _STARTS:
        if len(text) >= length:
            for end in ends:
                if length or end:
                    yield _hash(text[:length], end)


def _hash(start: str, end: str) -> int:
    return crc32(f"{start}\0{end}".encode(errors="replace")) if start or end else 0
