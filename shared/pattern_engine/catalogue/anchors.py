"""Where the catalogue's file keeps a template: by the start and the end of its literal text.

A template stands under one anchor: the first pair of lengths below that its literal text has at
its start and its end. A message has one anchor for each pair, so that a few look-ups find every
template that could match it. Where a message starts with a value in quotes, the text after
this value counts as its start.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from zlib import crc32

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "LONG_STARTS",
    "OPEN",
    "OPEN_FOREIGN",
    "QUOTE",
    "anchor",
    "anchors_of",
    "ends_of",
    "opening",
]

LONG_STARTS: Final = ((14, 9), (14, 2), (14, 0), (4, 9), (4, 2), (4, 0))
#: Lengths of the start and the end, the most telling first.
_LENGTHS: Final = (*LONG_STARTS, (0, 9), (2, 0), (0, 2))
_STARTS: Final = (14, 4, 2, 0)
_ENDS: Final = (9, 2, 0)
QUOTE: Final = '"'
#: A few templates start and end with a value: `<status> Server Error: <reason> for url: <url>`.
OPEN: Final = crc32(b"open")
OPEN_FOREIGN: Final = crc32(b"open, with letters beyond ASCII")


def anchor(literals: tuple[str, ...]) -> int:
    """Return the anchor of a template with these literals."""
    first, last = opening(literals), literals[-1]
    for start, end in _LENGTHS:
        if len(first) >= start and len(last) >= end:
            return crc32(_bytes(last[len(last) - end :]), crc32(_bytes(first[:start])))
    return OPEN if "".join(literals).isascii() else OPEN_FOREIGN


def ends_of(literals: tuple[str, ...]) -> tuple[int, str] | None:
    """Return what a text must have to match a template: a number that says which, and the text.

    0 is a start of four characters, 1 one of two, 2 an end of nine, 3 one of two. None stands for
    an open template.
    """
    first, last = opening(literals), literals[-1]
    for kind, length, text in ((0, 4, first), (2, 9, last), (1, 2, first), (3, 2, last)):
        if len(text) >= length:
            return kind, text[:length] if text is first else text[-length:]
    return None


def anchors_of(text: str, lengths: Iterable[tuple[int, int]]) -> list[int]:
    """Return the anchors that a text has with these lengths of its start and end."""
    first = opening((text,)) if text[:1] == QUOTE else text
    starts = {length: crc32(_bytes(first[:length])) for length in _STARTS if len(first) >= length}
    ends = {length: _bytes(text[len(text) - length :]) for length in _ENDS if len(text) >= length}
    return [
        crc32(ends[end], starts[start]) for start, end in lengths if start in starts and end in ends
    ]


def opening(literals: tuple[str, ...]) -> str:
    """Return the first literal text; after a quotation mark at the start, from the second one."""
    if not literals[0].startswith(QUOTE):
        return literals[0]
    texts = (literals[0][1:], *literals[1:])
    closing = next((text for text in texts if QUOTE in text), "")
    return closing[closing.find(QUOTE) :]


def _bytes(text: str) -> bytes:
    return text.encode(errors="replace") + b"\0"
