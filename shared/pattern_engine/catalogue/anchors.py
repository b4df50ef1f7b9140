"""Where the catalogue's file keeps a template: by the start and the end of its literal text.

A template stands under one anchor: the first pair of lengths below that its literal text has at
its start and its end. A message has one anchor for each pair, so that a few look-ups find every
template that could match it. Where a message starts with a value in quotes, the text after this
value counts as its start. A template with too little text at both ends stands under the text
behind its first word, as in `<function>() missing 1 required argument`.

Anchors are made of texts whose digits are all 0 (`template.shape`), so that what is found for one
message is found for every message that differs from it in nothing but digits.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from zlib import crc32

if TYPE_CHECKING:
    from collections.abc import Container

__all__ = ["anchor", "anchors", "of_end", "of_start", "start_of"]

_LONG_START, _START, _SHORT_START = 14, 4, 2
_LONG_END, _END, _SHORT_END = 9, 4, 2
#: Bytes of the start and the end; the first pair that a template is long enough for counts.
_SIZES: Final = (
    *((_LONG_START, _LONG_END), (_LONG_START, _SHORT_END), (_LONG_START, 0)),
    *((_START, _LONG_END), (_START, _SHORT_END), (_START, 0)),
    *((0, _LONG_END), (_SHORT_START, 0), (0, _END), (0, _SHORT_END)),
)
_BEHIND_A_WORD: Final = (6, 2)
_QUOTE: Final = re.compile('"')
_END_OF_WORD: Final = re.compile("[ (:,]")


def anchor(literals: tuple[str, ...]) -> int | None:
    """Return the anchor of a template with these literals; None if they are too short."""
    first, last = _bytes(_opening(*literals)), _bytes(literals[-1])
    for start, end in _SIZES:
        if len(first) >= start and len(last) >= end:
            return crc32(b"\0" + last[len(last) - end :], crc32(first[:start]))
    behind = _bytes(_from(_END_OF_WORD, *literals))
    return next((crc32(behind[:size]) for size in _BEHIND_A_WORD if len(behind) >= size), None)


def anchors(text: str, starts: Container[int]) -> list[int]:
    """Return the anchors under which templates that could match a text stand.

    `starts` has what `start_of` returns for templates. A text that is too short for a size has an
    anchor that no template has.
    """
    found = [*of_start(text), *of_end(text)]
    first = _bytes(_opening(text)[:_LONG_START])[:_LONG_START]
    start = crc32(first[:_START])
    if start in starts:
        last = _bytes(text[-_LONG_END:])
        ends = (b"\0" + last[-_LONG_END:], b"\0" + last[-_SHORT_END:], b"\0")
        long_start = crc32(first)
        found += [crc32(end, long_start) for end in ends]
        found += [crc32(end, start) for end in ends]
    return found


def start_of(*literals: str) -> int:
    """Return a key of the start of a text or a template: what most anchors have in common."""
    return crc32(_bytes(_opening(*literals)[:_START])[:_START])


def of_start(text: str) -> list[int]:
    """Return those anchors of a text that are made of its start alone, and that few templates have."""
    found = [crc32(b"\0", crc32(_bytes(_opening(text)[:_SHORT_START])[:_SHORT_START]))]
    word = _END_OF_WORD.search(text)
    if word:
        behind = _bytes(text[word.start() : word.start() + max(_BEHIND_A_WORD)])
        found += [crc32(behind[:size]) for size in _BEHIND_A_WORD]
    return found


def of_end(text: str) -> list[int]:
    """Return those anchors of a text that are made of its end alone."""
    last = _bytes(text[-_LONG_END:])
    return [crc32(b"\0" + last[-size:]) for size in (_LONG_END, _END, _SHORT_END)]


def _opening(first: str, *further: str) -> str:
    """Return the first literal text; after a quotation mark at the start, from the second one."""
    return first if first[:1] != '"' else _from(_QUOTE, first[1:], *further)


def _from(what: re.Pattern[str], *literals: str) -> str:
    """Return the literal text from the first place where an expression matches; empty if none."""
    for literal in literals:
        if found := what.search(literal):
            return literal[found.start() :]
    return ""


def _bytes(text: str) -> bytes:
    return text.encode(errors="replace")
