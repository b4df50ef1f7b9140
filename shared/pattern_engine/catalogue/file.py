"""The catalogue's data file: what a message asks for is read, and nothing else.

Numbers are unsigned, of 32 bits, the lowest byte first:

1. how many sections there are, how many anchors of a start, how many others, and how many starts;
2. of each section, the number of its first line, and its compressed length;
3. all anchors of a start in order, and the line of each; the same of the others, which are few;
   what `anchors.begins` returns for the templates, in order;
4. the sections, each compressed by itself: lines of text. The first section has the entries, a line
   each; of the others, one a language, a line has the templates of an anchor. An anchor that
   several languages have stands in the section of the first one.

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
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pattern_engine.catalogue.anchors import (
    anchor,
    anchors,
    begins,
    of_end,
    of_start,
    starts_of,
    with_end,
)
from pattern_engine.catalogue.template import Template, Variable, shape

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = [
    "PATH",
    "End",
    "Entry",
    "Numbered",
    "Start",
    "end",
    "entry",
    "may_match",
    "start",
    "templates",
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


class _Sorted:
    """Numbers in order, each with a value: they are looked up in the file's own array.

    To make a dictionary of the anchors of all languages would take longer than to read English.
    """

    def __init__(self, keys: array[int], values: array[int]) -> None:
        self._keys, self._values, self._count = keys, values, len(keys)

    def __contains__(self, key: object) -> bool:
        return self.get(key) is not None

    def get(self, key: Any) -> int | None:  # noqa: ANN401  what `in` takes
        """Return the value of a key, or None."""
        place = bisect_left(self._keys, key)
        return self._values[place] if place < self._count and self._keys[place] == key else None


class _Head(NamedTuple):
    lines: _Sorted
    """The number of the line of each anchor that has a start."""
    edges: Mapping[int, int]
    """The same for the anchors that have none: few, so that every text can be looked for here."""
    starts: _Sorted
    firsts: Sequence[int]
    """The number of each section's first line."""
    sections: Sequence[bytes]


@cache
def _head() -> _Head:
    raw = PATH.read_bytes()
    sections, lines, edges, starts = _numbers(raw[:16])
    lengths = (2 * sections, lines, lines, edges, edges, starts)
    ends = list(accumulate(lengths, lambda end, length: end + 4 * length, initial=16))
    pairs, *numbers = (_numbers(raw[start:end]) for start, end in pairwise(ends))
    places = list(accumulate(pairs[1::2], initial=ends[-1]))
    compressed = [raw[start:end] for start, end in pairwise(places)]
    by_start = _Sorted(numbers[0], numbers[1])
    by_edge = dict(zip(numbers[2], numbers[3], strict=True))
    return _Head(by_start, by_edge, _Sorted(numbers[4], numbers[4]), pairs[::2], compressed)


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


def templates(text: bytes) -> list[Numbered]:
    """Return the templates that start and end as the shape of a plain text does."""
    lines, edges, starts, *_ = _head()
    with_start, without = anchors(text, starts)
    found = [line for key in with_start if (line := lines.get(key)) is not None]
    found += [edges[key] for key in without if key in edges]
    return [
        _template(item)
        for number in found
        for first, last, item in _items(number)
        if text.startswith(first) and text.endswith(last)
    ]


class Start(NamedTuple):
    """What templates there may be for a text by its start."""

    suffices: bool
    """Whether there may be one whatever the end is."""
    starts: list[int]


class End(NamedTuple):
    """What templates there may be for a text by its end."""

    suffices: bool
    """Whether there may be one whatever the start is."""
    shape: bytes


def start(text: bytes) -> Start:
    """Return what templates there may be by the start of the shape of a plain text."""
    lines, edges, starts, *_ = _head()
    own = starts_of(text, starts)
    alone = not edges.keys().isdisjoint(of_start(text)) or any(key in lines for key in own)
    return Start(alone, own)


def end(text: bytes) -> End:
    """Return what templates there may be by the end of the shape of a plain text."""
    return End(not _head().edges.keys().isdisjoint(of_end(text)), text)


def may_match(start: Start, end: End) -> bool:
    """Return whether there may be any template for a text with such a start and such an end."""
    if start.suffices or end.suffices:
        return True
    anchors = with_end(start.starts, end.shape) if start.starts else ()
    lines = _head().lines
    return any(key in lines for key in anchors)


@lru_cache(maxsize=4096)
def _items(number: int) -> tuple[tuple[bytes, bytes, str], ...]:
    """Return the templates of a line, not decoded yet, behind their first and last literal."""
    found = []
    for item in _line(number).split(_ITEM):
        literals = item[item.rindex(_FIELD) + 1 :].split(_PART)
        found.append((shape(literals[0]), shape(literals[-1]), item))
    return tuple(found)


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
    lines: dict[int, dict[str, None]] = {}
    starts: dict[int, int | None] = {}
    ends = [0]
    for numbered in languages.values():
        for number, template in numbered:
            literals = tuple(map(shape, template.literals))
            key = anchor(literals)
            if key is not None:  # a few have too little text at every place that an anchor can have
                lines.setdefault(key, {})[_item(number, template)] = None
                starts[key] = begins(literals)
        ends.append(len(lines))
    texts = list(map(_ITEM.join, lines.values()))
    sections = [[_FIELD.join(map(_field, each)) for each in entries]]
    sections += (texts[start:end] for start, end in pairwise(ends))
    places = sorted((key, place) for place, key in enumerate(lines, start=len(entries)))
    return _packed(
        sections,
        [each for each in places if starts[each[0]] is not None],
        [each for each in places if starts[each[0]] is None],
        sorted({start for start in starts.values() if start is not None}),
    )


def _packed(
    sections: Sequence[Sequence[str]],
    lines: Sequence[tuple[int, int]],
    edges: Sequence[tuple[int, int]],
    starts: Sequence[int],
) -> bytes:
    compressed = [zlib.compress(_LINE.join(section).encode(), 9) for section in sections]
    numbers = array("I", [len(sections), len(lines), len(edges), len(starts)])
    for first, raw in zip(accumulate(map(len, sections), initial=0), compressed, strict=False):
        numbers.extend((first, len(raw)))
    for more in (*zip(*lines, strict=True), *zip(*edges, strict=True), starts):
        numbers.extend(more)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tobytes() + b"".join(compressed)


def _item(number: int, template: Template) -> str:
    variables = _PART.join(f"{name}:{kind}" for name, kind in template.variables)
    return _FIELD.join((str(number), variables, _PART.join(template.literals)))


def _field(field: Sequence[str]) -> str:
    return field if isinstance(field, str) else " ".join(field)
