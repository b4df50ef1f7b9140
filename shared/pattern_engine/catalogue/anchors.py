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
from typing import TYPE_CHECKING, Final, NamedTuple
from zlib import crc32

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

__all__ = ["Start", "anchor", "begins", "of_end", "start_of"]

_LONG_START, _START, _SHORT_START = 14, 4, 2
_LONG_END, _END, _SHORT_END = 9, 4, 2
#: Bytes of the start and the end; the first pair that a template is long enough for counts.
_SIZES: Final = (
    *((_LONG_START, _LONG_END), (_LONG_START, _SHORT_END), (_LONG_START, 0)),
    *((_START, _LONG_END), (_START, _SHORT_END), (_START, 0)),
    *((0, _LONG_END), (_SHORT_START, 0), (0, _END), (0, _SHORT_END)),
)
_BEHIND_A_WORD: Final = (6, 2)
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


class Start(NamedTuple):
    """The anchors that a text may have because of its start."""

    alone: tuple[int, ...]
    """Anchors that no end is a part of."""
    with_end: tuple[int, ...]
    """Checksums to go on with over an end; none if no template has such a start."""


def start_of(text: bytes, starts: Container[int]) -> Start:
    """Return the anchors that come from a text's start; `starts` has what `begins` returns.

    A text that is too short for a size has an anchor that no template has.
    """
    first = _opening(text)
    alone = (crc32(first[:_SHORT_START], _AT_START), *_behind(text))
    long = crc32(first[:_LONG_START], _AT_LONG_START)
    short = crc32(first[:_START], _AT_START)
    with_end = tuple(start for start in (long, short) if start in starts)
    return Start(alone + with_end, with_end)


def begins(literals: Sequence[bytes]) -> int | None:
    """Return the checksum of the start that a template's anchor has; None if it has no start."""
    first = _opening(*literals)
    if len(first) >= _LONG_START:
        return crc32(first[:_LONG_START], _AT_LONG_START)
    return crc32(first[:_START], _AT_START) if len(first) >= _START else None


def of_end(text: bytes, start: Start) -> list[int]:
    """Return the anchors that a text has because of its end, by itself and with a start."""
    last = text[-_LONG_END:]
    end = last[-_SHORT_END:]
    found = [crc32(last, _AT_END), crc32(last[-_END:], _AT_END), crc32(end, _AT_END)]
    for checksum in start.with_end:
        found += (crc32(last, checksum), crc32(end, checksum))
    return found


def _behind(text: bytes) -> tuple[int, ...]:
    word = _END_OF_WORD.search(text)
    if word is None:
        return ()
    long, short = _BEHIND_A_WORD
    behind = text[word.start() : word.start() + long]
    return crc32(behind, _BEHIND), crc32(behind[:short], _BEHIND)


def _opening(first: bytes, *further: bytes) -> bytes:
    """Return the first literal text; after a quotation mark at the start, from the second one."""
    return first if first[:1] != b'"' else _from(_QUOTE, first[1:], *further)


def _from(what: re.Pattern[bytes], *literals: bytes) -> bytes:
    """Return the literal text from the first place where an expression matches; empty if none."""
    for literal in literals:
        if found := what.search(literal):
            return literal[found.start() :]
    return b""
