"""Where the catalogue's file keeps a template: by the start and the end of its literal text.

A template stands under one anchor: the first pair of lengths below that its literal text has at
its start and its end. A message has one anchor for each pair, so that a few look-ups find every
template that could match it. Where a message starts with a value in quotes, the text after
this value counts as its start.
"""

from __future__ import annotations

from typing import Final
from zlib import crc32

__all__ = ["OPEN", "OPEN_FOREIGN", "anchor", "anchors"]

#: Lengths of the start and the end, the most telling first.
_LENGTHS: Final = (
    *((14, 9), (14, 2), (14, 0)),
    *((4, 9), (4, 2), (4, 0)),
    *((0, 9), (2, 0), (0, 2)),
)
_STARTS: Final = (14, 4, 2, 0)
_ENDS: Final = (9, 2, 0)
_QUOTE: Final = '"'
#: A few templates start and end with a value: `<status> Server Error: <reason> for url: <url>`.
OPEN: Final = crc32(b"open")
OPEN_FOREIGN: Final = crc32(b"open, with letters beyond ASCII")


def anchor(literals: tuple[str, ...]) -> int:
    """Return the anchor of a template with these literals."""
    first, last = _opening(literals), literals[-1]
    for start, end in _LENGTHS:
        if len(first) >= start and len(last) >= end:
            return _hash(_bytes(last[len(last) - end :]), crc32(_bytes(first[:start])))
    return OPEN if "".join(literals).isascii() else OPEN_FOREIGN


def anchors(text: str) -> list[int]:
    """Return the anchors under which templates that could match a text stand, but for the open."""
    first = _opening((text,))
    starts = {n: crc32(_bytes(first[:n])) for n in _STARTS if len(first) >= n}
    ends = {n: _bytes(text[len(text) - n :]) for n in _ENDS if len(text) >= n}
    return [
        _hash(ends[end], starts[start])
        for start, end in _LENGTHS
        if start in starts and end in ends
    ]


def _opening(literals: tuple[str, ...]) -> str:
    """Return the first literal text; after a quotation mark at the start, from the second one."""
    if not literals[0].startswith(_QUOTE):
        return literals[0]
    texts = (literals[0][1:], *literals[1:])
    closing = next((text for text in texts if _QUOTE in text), "")
    return closing[closing.find(_QUOTE) :]


def _bytes(text: str) -> bytes:
    return text.encode(errors="replace") + b"\0"


def _hash(end: bytes, start: int) -> int:
    return crc32(end, start)
