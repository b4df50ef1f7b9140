"""The catalogue's data file: what a message asks for is read, and nothing else.

Numbers are unsigned, of 32 bits, the lowest byte first:

1. how many anchors there are, and how many sections;
2. of each section, the number of its first line, and its compressed length;
3. for each `_BITS` bits that an anchor can start with, where the first such anchor stands; all
   anchors in order; the line of each;
4. the sections, each compressed by itself: lines of text. The first section has the entries, a line
   each; of the others, one a language, a line has the templates of an anchor.

A section is decompressed when a message first needs one of its lines, English in about five
milliseconds together with the entries.
"""

from __future__ import annotations

import sys
import zlib
from array import array
from bisect import bisect_left, bisect_right
from functools import cache, lru_cache
from itertools import accumulate, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from pattern_engine.catalogue.anchors import anchor
from pattern_engine.catalogue.template import Template, Variable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["PATH", "Entry", "Numbered", "entry", "places", "templates", "written"]

PATH: Final = Path(__file__).with_name("messages.bin")
_BITS: Final = 16
_REST: Final = 32 - _BITS
_LINE, _ITEM, _FIELD, _PART = "\x1c", "\x1d", "\x1e", "\x1f"


class Entry(NamedTuple):
    """One cause: what is known of a message, whatever its language and version."""

    origin: str
    template: str
    codes: tuple[str, ...] = ()
    type: str = ""
    severity: str = ""
    symptom: str = ""
    documentation: str = ""
    identity: tuple[str, ...] = ()
    part: str = ""
    """Empty for a message; `detail` for the text of a detail or a context."""


class Numbered(NamedTuple):
    """A template with its weight and the number of its entry."""

    weight: int
    number: int
    template: Template


# -- reading ---------------------------------------------------------------------------------------


class _Head(NamedTuple):
    starts: array[int]
    anchors: array[int]
    lines: array[int]
    firsts: Sequence[int]
    """The number of each section's first line."""
    sections: Sequence[bytes]


@cache
def _head() -> _Head:
    raw = PATH.read_bytes()
    count, sections = _numbers(raw[:8])
    lengths = (2 * sections, (1 << _BITS) + 1, count, count)
    ends = list(accumulate(lengths, lambda end, length: end + 4 * length, initial=8))
    pairs, starts, anchors, lines = (_numbers(raw[start:end]) for start, end in pairwise(ends))
    places = list(accumulate(pairs[1::2], initial=ends[-1]))
    compressed = [raw[start:end] for start, end in pairwise(places)]
    return _Head(starts, anchors, lines, pairs[::2], compressed)


def _numbers(raw: bytes) -> array[int]:
    numbers = array("I", raw)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


@cache
def _section(number: int) -> list[str]:
    return zlib.decompress(_head().sections[number]).decode().split(_LINE)


def _line(number: int) -> str:
    firsts = _head().firsts
    section = bisect_right(firsts, number) - 1
    return _section(section)[number - firsts[section]]


def places(keys: Iterable[int]) -> tuple[list[int], list[int]]:
    """Return the lines of some anchors: those of English, and those of other languages."""
    starts, anchors, lines, firsts, _ = _head()
    found: list[int] = []
    for key in keys:
        bucket = key >> _REST
        places_of_bucket = range(starts[bucket], starts[bucket + 1])
        found += [lines[place] for place in places_of_bucket if anchors[place] == key]
    foreign = firsts[2] if len(firsts) > 2 else 1 << 32
    return [line for line in found if line < foreign], [line for line in found if line >= foreign]


def templates(lines: Iterable[int], text: str) -> list[Numbered]:
    """Return the templates of some lines whose first and last literal a plain text has."""
    return [
        _template(item)
        for line in lines
        for first, last, item in _items(line)
        if text.startswith(first) and text.endswith(last)
    ]


@lru_cache(maxsize=4096)
def _items(number: int) -> tuple[tuple[str, str, str], ...]:
    """Return the templates of a line, not decoded yet, behind their first and last literal."""
    return tuple(
        (item[item.rindex(_FIELD) + 1 :].partition(_PART)[0], item[_last(item) :], item)
        for item in _line(number).split(_ITEM)
    )


def _last(item: str) -> int:
    return max(item.rfind(_FIELD), item.rfind(_PART)) + 1


@lru_cache(maxsize=4096)
def _template(item: str) -> Numbered:
    number, variables, literals = item.split(_FIELD)
    named = [Variable(*each.split(":")) for each in variables.split(_PART)] if variables else []
    template = Template(tuple(literals.split(_PART)), tuple(named))
    return Numbered(template.weight, int(number), template)


@lru_cache(maxsize=4096)
def entry(number: int) -> Entry:
    """Return an entry by its number."""
    fields = _line(number).split(_FIELD)
    origin, template, codes, kind, severity, symptom, documentation, identity, part = fields
    few = (kind, severity, symptom, documentation)
    return Entry(origin, template, tuple(codes.split()), *few, tuple(identity.split()), part)


# -- writing ---------------------------------------------------------------------------------------


def written(
    entries: Sequence[Entry], languages: Mapping[str, Iterable[tuple[int, Template]]]
) -> bytes:
    """Return the file with these entries, and by language templates with their entries' numbers.

    The same content makes the same file.
    """
    sections = [[_FIELD.join(map(_field, each)) for each in entries]]
    anchored: list[tuple[int, int]] = []
    total = len(entries)
    for templates_of_one in languages.values():
        keys, lines = _anchored(templates_of_one)
        anchored += ((key, total + place) for place, key in enumerate(keys))
        sections.append(lines)
        total += len(lines)
    anchored.sort()
    compressed = [zlib.compress(_LINE.join(lines).encode(), 9) for lines in sections]
    numbers = array("I", [len(anchored), len(sections)])
    first = 0
    for lines, raw in zip(sections, compressed, strict=True):
        numbers.extend((first, len(raw)))
        first += len(lines)
    firsts = [key >> _REST for key, _ in anchored]
    numbers.extend(bisect_left(firsts, first) for first in range((1 << _BITS) + 1))
    numbers.extend(key for key, _ in anchored)
    numbers.extend(line for _, line in anchored)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tobytes() + b"".join(compressed)


def _anchored(numbered: Iterable[tuple[int, Template]]) -> tuple[list[int], list[str]]:
    """Return anchors in order, and the line of each."""
    found: dict[int, list[str]] = {}
    for number, template in numbered:
        variables = _PART.join(f"{name}:{kind}" for name, kind in template.variables)
        text = _FIELD.join((str(number), variables, _PART.join(template.literals)))
        key = anchor(template.literals)
        if key is not None:  # a few have too little text at every place that an anchor can have
            found.setdefault(key, []).append(text)
    keys = sorted(found)
    return keys, [_ITEM.join(found[key]) for key in keys]


def _field(field: Sequence[str]) -> str:
    return field if isinstance(field, str) else " ".join(field)
