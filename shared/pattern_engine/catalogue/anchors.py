"""Where the catalogue's file keeps a template: by the start and the end of its literal text.

A template stands under one anchor: the first pair of lengths below that its literal text has at
its start and its end. A message has one anchor for each pair, so that a few look-ups find every
template that could match it. Where a message starts with a value in quotes, the text after this
value counts as its start. A template with too little text at both ends stands under the text
behind its first word, as in `<function>() missing 1 required argument`.
"""

from __future__ import annotations

import re
from typing import Final
from zlib import crc32

__all__ = ["anchor", "anchors"]

#: Bytes of the start and the end; the first pair that a template is long enough for counts.
_SIZES: Final = ((14, 9), (14, 2), (14, 0), (4, 9), (4, 2), (4, 0), (0, 9), (2, 0), (0, 2))
_LONG_START, _START, _SHORT_START = 14, 4, 2
_LONG_END, _END = 9, 2
_BEHIND_A_WORD: Final = (6, 2)
_QUOTE: Final = re.compile('"')
_END_OF_WORD: Final = re.compile("[ (:,]")


def anchor(literals: tuple[str, ...]) -> int | None:
    """Return the anchor of a template with these literals; None if they are too short."""
    first, last = _bytes(_opening(literals)), _bytes(literals[-1])
    for (start, end), found in zip(_SIZES, _of_ends(first, last), strict=True):
        if len(first) >= start and len(last) >= end:
            return found
    behind = _bytes(_from(_END_OF_WORD, literals))
    return next((crc32(behind[:size]) for size in _BEHIND_A_WORD if len(behind) >= size), None)


def anchors(text: str) -> list[int]:
    """Return the anchors under which templates that could match a text stand.

    A text that is too short for a size has an anchor that no template has.
    """
    found = _of_ends(_bytes(_opening((text,))[:_LONG_START]), _bytes(text[-_LONG_END:]))
    behind = _bytes(_from(_END_OF_WORD, (text,))[: max(_BEHIND_A_WORD)])
    found += [crc32(behind[:size]) for size in _BEHIND_A_WORD]
    return found


def _of_ends(first: bytes, last: bytes) -> list[int]:
    """Return the anchor of each of the pairs of sizes, in their order."""
    long_start, start = crc32(first[:_LONG_START]), crc32(first[:_START])
    long_end, end = b"\0" + last[-_LONG_END:], b"\0" + last[-_END:]
    return [
        *(crc32(long_end, long_start), crc32(end, long_start), crc32(b"\0", long_start)),
        *(crc32(long_end, start), crc32(end, start), crc32(b"\0", start)),
        *(crc32(long_end), crc32(b"\0", crc32(first[:_SHORT_START])), crc32(end)),
    ]


def _opening(literals: tuple[str, ...]) -> str:
    """Return the first literal text; after a quotation mark at the start, from the second one."""
    if not literals[0].startswith('"'):
        return literals[0]
    return _from(_QUOTE, (literals[0][1:], *literals[1:]))


def _from(what: re.Pattern[str], literals: tuple[str, ...]) -> str:
    """Return the literal text from the first place where an expression matches; empty if none."""
    for literal in literals:
        if found := what.search(literal):
            return literal[found.start() :]
    return ""


def _bytes(text: str) -> bytes:
    return text.encode(errors="replace")
