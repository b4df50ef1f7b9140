"""Where the catalogue's file keeps a template: by the start and the end of its literal text.

A template stands under one anchor: the longest start and end, of the lengths below, that its
literal text has. A message has one anchor for each pair of lengths, so that a few look-ups find
every template that could match it. Where a message starts with a value in quotes, the text after
this value counts as its start.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from zlib import crc32

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["anchor", "anchors"]

_STARTS: Final = (14, 4, 2, 0)
_ENDS: Final = (9, 2, 0)
_QUOTE: Final = '"'


def anchor(literals: tuple[str, ...]) -> int | None:
    """Return the anchor of a template with these literals; None if they are too short."""
    first, last = _opening(literals), literals[-1]
    start = next(length for length in _STARTS if len(first) >= length)
    end = next(length for length in _ENDS if len(last) >= length)
    return _hash(first[:start], last[-end:]) if end else _hash(first[:start], "") if start else None


def anchors(text: str) -> Iterator[int]:
    """Yield the anchors under which templates that could match a text stand."""
    ends = [text[-length:] if length else "" for length in _ENDS if len(text) >= length]
    first = _opening((text,))
    for length in _STARTS:
        if len(first) >= length:
            for end in ends:
                if length or end:
                    yield _hash(first[:length], end)


def _opening(literals: tuple[str, ...]) -> str:
    """Return the first literal text; after a quotation mark at the start, from the second one."""
    if not literals[0].startswith(_QUOTE):
        return literals[0]
    texts = (literals[0][1:], *literals[1:])
    closing = next((text for text in texts if _QUOTE in text), "")
    return closing[closing.find(_QUOTE) :]


def _hash(start: str, end: str) -> int:
    return crc32(f"{start}\0{end}".encode(errors="replace"))
