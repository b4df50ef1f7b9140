"""Where the catalogue's file keeps a template: by the start and the end of its literal text.

A template stands under one anchor: the first pair of lengths below that its literal text has at
its start and its end. A message has one anchor for each pair, so that a few look-ups find every
template that could match it. Where a message starts with a value in quotes, the text after this
value counts as its start. A template with too little text at both ends stands under the text
behind its first word, as in `<function>() missing 1 required argument`.

Anchors are made of the shapes of texts (`template.shape`), whose digits are all 0: what is found
for one message is found for every message that differs from it in nothing but digits.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from zlib import crc32

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Sequence

__all__ = ["anchor", "anchors", "begins", "of_end", "of_start", "starts_of", "with_end"]

_LONG_START, _START, _SHORT_START = 14, 4, 2
_LONG_END, _END, _SHORT_END = 9, 4, 2
#: Bytes of the start and the end; the first pair that a template is long enough for counts.
_SIZES: Final = (
    *((_LONG_START, _LONG_END), (_LONG_START, _SHORT_END), (_LONG_START, 0)),
    *((_START, _LONG_END), (_START, _SHORT_END), (_START, 0)),
    *((0, _LONG_END), (_SHORT_START, 0), (0, _END), (0, _SHORT_END)),
)
_BEHIND_A_WORD: Final = (6, 2)
_FAR, _NEAR = _BEHIND_A_WORD
_QUOTE: Final = re.compile(b'"')
_END_OF_WORD: Final = re.compile(b"[ (:,]")
#: Where the checksum of an anchor starts, so that those of a start, an end and what stands behind a
#: word differ.
_AT_LONG_START, _AT_START, _AT_END, _BEHIND = 1, 2, 3, 4
_SEEDS: Final = {
    _LONG_START: _AT_LONG_START,
    _START: _AT_START,
    _SHORT_START: _AT_START,
    0: _AT_END,
}


def anchor(literals: Sequence[bytes]) -> int | None:
    """Return the anchor of a template with these literals; None if they are too short."""
    first, last = _opening(*literals), literals[-1]
    for start, end in _SIZES:
        if len(first) >= start and len(last) >= end:
            return crc32(last[len(last) - end :], crc32(first[:start], _SEEDS[start]))
    behind = _from(_END_OF_WORD, *literals)
    sizes = (size for size in _BEHIND_A_WORD if len(behind) >= size)
    return next((crc32(behind[:size], _BEHIND) for size in sizes), None)


def anchors(text: bytes, starts: Container[int]) -> tuple[list[int], list[int]]:
    """Return the anchors that a text may have with one of the starts, and those without a start.

    They are those of the functions below. Every message comes here, and one function takes half of
    the time of five.
    """
    first = text if text[:1] != b'"' else _opening(text)
    last, end = text[-_LONG_END:], text[-_SHORT_END:]
    without = [
        *(crc32(last, _AT_END), crc32(last[-_END:], _AT_END), crc32(end, _AT_END)),
        crc32(first[:_SHORT_START], _AT_START),
    ]
    word = _END_OF_WORD.search(text)
    if word:
        place = word.start()
        behind = text[place : place + _FAR]
        without += (crc32(behind, _BEHIND), crc32(behind[:_NEAR], _BEHIND))
    long, short = crc32(first[:_LONG_START], _AT_LONG_START), crc32(first[:_START], _AT_START)
    found = [crc32(last, long), crc32(end, long), long] if long in starts else []
    if short in starts:
        found += (crc32(last, short), crc32(end, short), short)
    return found, without


def begins(literals: Sequence[bytes]) -> int | None:
    """Return the checksum of the start that a template's anchor has; None if it has no start."""
    first = _opening(*literals)
    if len(first) >= _LONG_START:
        return crc32(first[:_LONG_START], _AT_LONG_START)
    return crc32(first[:_START], _AT_START) if len(first) >= _START else None


def starts_of(text: bytes, starts: Container[int]) -> list[int]:
    """Return those of the starts (what `begins` returns for templates) that a text has."""
    first = _opening(text)
    long = crc32(first[:_LONG_START], _AT_LONG_START)
    short = crc32(first[:_START], _AT_START)
    return [start for start in (long, short) if start in starts]


def with_end(starts: Iterable[int], text: bytes) -> list[int]:
    """Return the anchors that a text may have whose start is one of these."""
    last, end = text[-_LONG_END:], text[-_SHORT_END:]
    return [anchor for start in starts for anchor in (crc32(last, start), crc32(end, start), start)]


def of_start(text: bytes) -> list[int]:
    """Return the anchors that a text may have without a start as long as above, by its start."""
    found = [crc32(_opening(text)[:_SHORT_START], _AT_START)]
    word = _END_OF_WORD.search(text)
    if word:
        behind = text[word.start() : word.start() + _FAR]
        found += (crc32(behind, _BEHIND), crc32(behind[:_NEAR], _BEHIND))
    return found


def of_end(text: bytes) -> list[int]:
    """Return the anchors that a text may have without a start, by its end."""
    last = text[-_LONG_END:]
    ends = (last, last[-_END:], last[-_SHORT_END:])
    return [crc32(end, _AT_END) for end in ends]


def _opening(first: bytes, *further: bytes) -> bytes:
    """Return the first literal text; after a quotation mark at the start, from the second one."""
    return first if first[:1] != b'"' else _from(_QUOTE, first[1:], *further)


def _from(what: re.Pattern[bytes], *literals: bytes) -> bytes:
    """Return the literal text from the first place where an expression matches; empty if none."""
    for literal in literals:
        if found := what.search(literal):
            return literal[found.start() :]
    return b""
