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
    from collections.abc import Iterator

__all__ = ["anchor", "anchors"]

#: Lengths of the start and the end, the most telling first.
_LENGTHS: Final = (
    *((14, 9), (14, 2), (14, 0)),
    *((4, 9), (4, 2), (4, 0)),
    # A few templates start and end with a value: `<status> Server Error: <reason> for url: <url>`.
    *((0, 9), (2, 0), (0, 2), (0, 0)),
)
_QUOTE: Final = '"'


def anchor(literals: tuple[str, ...]) -> int:
    """Return the anchor of a template with these literals."""
    first, last = _opening(literals), literals[-1]
    start, end = next(
        (start, end) for start, end in _LENGTHS if len(first) >= start and len(last) >= end
    )
    if (start, end) == (0, 0) and not "".join(literals).isascii():
        return _FOREIGN
    return _hash(first, last, start, end)


def anchors(text: str) -> Iterator[int]:
    """Yield the anchors under which templates that could match a text stand."""
    first = _opening((text,))
    for start, end in _LENGTHS:
        if len(first) >= start and len(text) >= end:
            yield _hash(first, text, start, end)
    if not text.isascii():
        yield _FOREIGN


def _opening(literals: tuple[str, ...]) -> str:
    """Return the first literal text; after a quotation mark at the start, from the second one."""
    if not literals[0].startswith(_QUOTE):
        return literals[0]
    texts = (literals[0][1:], *literals[1:])
    closing = next((text for text in texts if _QUOTE in text), "")
    return closing[closing.find(_QUOTE) :]


#: Templates in other languages that start and end with a value.
_FOREIGN: Final = crc32(b"foreign")


def _hash(first: str, last: str, start: int, end: int) -> int:
    return crc32(f"{first[:start]}\0{last[len(last) - end :]}".encode(errors="replace"))
