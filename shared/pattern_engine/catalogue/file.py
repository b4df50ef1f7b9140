"""The catalogue's data file: what a message asks for is read, and nothing else.

Numbers are unsigned, of 32 bits, the lowest byte first:

1. how many anchors there are, and how many sections;
2. of each section, the number of its first line, and its compressed length;
3. all anchors in order; the line of each;
4. the sections, each compressed by itself: lines of text. The first section has the entries, a line
   each; the second has the starts and ends that templates have, which most messages do not; of the
   others, one a language, a line has the templates of an anchor.

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

from pattern_engine.catalogue.anchors import (
    LONG_STARTS,
    OPEN,
    OPEN_FOREIGN,
    QUOTE,
    anchor,
    anchors_of,
    ends_of,
    opening,
)
from pattern_engine.catalogue.template import Template, Variable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = [
    "PATH",
    "Entry",
    "Numbered",
    "entry",
    "may_match",
    "open_templates",
    "written",
]

PATH: Final = Path(__file__).with_name("messages.bin")
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
    anchors: array[int]
    lines: array[int]
    firsts: Sequence[int]
    """The number of each section's first line."""
    sections: Sequence[bytes]


@cache
def _head() -> _Head:
    raw = PATH.read_bytes()
    count, sections = _numbers(raw[:8])
    lengths = (2 * sections, count, count)
    ends = list(accumulate(lengths, lambda end, length: end + 4 * length, initial=8))
    pairs, anchors, lines = (_numbers(raw[start:end]) for start, end in pairwise(ends))
    places = list(accumulate(pairs[1::2], initial=ends[-1]))
    compressed = [raw[start:end] for start, end in pairwise(places)]
    return _Head(anchors, lines, pairs[::2], compressed)


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


def may_match(text: str) -> bool:
    """Return whether some template with an anchor starts or ends as a text does."""
    return bool(_lengths(text))


def candidates(text: str) -> list[Numbered]:
    """Return the templates with an anchor that a text could match."""
    anchors, lines, *_ = _head()
    found: list[Numbered] = []
    for key in anchors_of(text, _lengths(text)):
        for place in range(bisect_left(anchors, key), bisect_right(anchors, key)):
            found += _templates(lines[place])
    return found


def _lengths(text: str) -> list[tuple[int, int]]:
    """Return the lengths of start and end with which an anchor of a text may be known."""
    starts, short_starts, ends, short_ends = _gate()
    first = opening((text,)) if text[:1] == QUOTE else text
    found = list(LONG_STARTS) if first[:4] in starts else []
    if text[-9:] in ends:
        found.append((0, 9))
    if first[:2] in short_starts:
        found.append((2, 0))
    if text[-2:] in short_ends:
        found.append((0, 2))
    return found


@cache
def _gate() -> tuple[frozenset[str], ...]:
    return tuple(frozenset(line.split(_ITEM)) for line in _section(1))


def open_templates(text: str) -> list[Numbered]:
    """Return the templates without an anchor whose longest literal a text has."""
    keys = (OPEN,) if text.isascii() else (OPEN, OPEN_FOREIGN)
    return [each for key in keys for literal, each in _open(key) if literal in text]


@cache
def _open(key: int) -> list[tuple[str, Numbered]]:
    anchors, lines, *_ = _head()
    found: list[Numbered] = []
    for place in range(bisect_left(anchors, key), bisect_right(anchors, key)):
        found += _templates(lines[place])
    return [(max(each.template.literals, key=len), each) for each in found]


@lru_cache(maxsize=4096)
def _templates(number: int) -> tuple[Numbered, ...]:
    return tuple(map(_template, _line(number).split(_ITEM)))


def _template(text: str) -> Numbered:
    number, variables, literals = text.split(_FIELD)
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
    gate = [set[str]() for _ in range(4)]
    sections = [[_FIELD.join(map(_field, each)) for each in entries], [""] * len(gate)]
    anchored: list[tuple[int, int]] = []
    total = len(entries) + len(gate)
    for templates_of_one in languages.values():
        keys, lines = _anchored(templates_of_one, gate)
        anchored += ((key, total + place) for place, key in enumerate(keys))
        sections.append(lines)
        total += len(lines)
    anchored.sort()
    sections[1] = [_ITEM.join(sorted(each)) for each in gate]
    compressed = [zlib.compress(_LINE.join(lines).encode(), 9) for lines in sections]
    numbers = array("I", [len(anchored), len(sections)])
    first = 0
    for lines, raw in zip(sections, compressed, strict=True):
        numbers.extend((first, len(raw)))
        first += len(lines)
    numbers.extend(key for key, _ in anchored)
    numbers.extend(line for _, line in anchored)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tobytes() + b"".join(compressed)


def _anchored(
    numbered: Iterable[tuple[int, Template]], gate: Sequence[set[str]]
) -> tuple[list[int], list[str]]:
    """Return anchors in order, and the line of each; add the starts and ends to the gate."""
    found: dict[int, list[str]] = {}
    for number, template in numbered:
        variables = _PART.join(f"{name}:{kind}" for name, kind in template.variables)
        text = _FIELD.join((str(number), variables, _PART.join(template.literals)))
        found.setdefault(anchor(template.literals), []).append(text)
        told = ends_of(template.literals)
        if told is not None:
            gate[told[0]].add(told[1])
    keys = sorted(found)
    return keys, [_ITEM.join(found[key]) for key in keys]


def _field(field: Sequence[str]) -> str:
    return field if isinstance(field, str) else " ".join(field)
