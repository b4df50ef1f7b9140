"""The catalogue's data file: read at once, decoded only where a message asks for it.

Numbers are unsigned, of 32 bits, the lowest byte first:

1. how many anchors there are, and how many entries;
2. the anchors in order; the places of their templates; the places of the entries, each with one
   more place for the end;
3. the texts that the places point into. Templates of one anchor are separated by `BETWEEN`; a
   template is the number of its entry, its variables and its literals; an entry is its fields.
"""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_left
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from pattern_engine.catalogue.anchors import anchor
from pattern_engine.catalogue.template import Template, Variable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["PATH", "Entry", "entry", "templates", "written"]

PATH: Final = Path(__file__).with_name("messages.bin")
BETWEEN, FIELD, PART = "\x1d", "\x1e", "\x1f"


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


class _Data(NamedTuple):
    anchors: array[int]
    places: array[int]
    entries: array[int]
    texts: bytes


@cache
def _data() -> _Data:
    raw = PATH.read_bytes()
    count, entries = _numbers(raw[:8])
    ends = [8 + 4 * count, 12 + 8 * count, 16 + 8 * count + 4 * entries]
    return _Data(
        _numbers(raw[8 : ends[0]]),
        _numbers(raw[ends[0] : ends[1]]),
        _numbers(raw[ends[1] : ends[2]]),
        raw[ends[2] :],
    )


def _numbers(raw: bytes) -> array[int]:
    numbers = array("I", raw)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def templates(key: int) -> tuple[tuple[int, int, Template], ...]:
    """Return the templates of an anchor: weight, number of the entry, template."""
    data = _data()
    place = bisect_left(data.anchors, key)
    if place == len(data.anchors) or data.anchors[place] != key:
        return ()
    return _decoded(place)


@lru_cache(maxsize=4096)
def _decoded(place: int) -> tuple[tuple[int, int, Template], ...]:
    data = _data()
    text = data.texts[data.places[place] : data.places[place + 1]].decode()
    return tuple(map(_template, text.split(BETWEEN)))


def _template(text: str) -> tuple[int, int, Template]:
    number, variables, literals = text.split(FIELD)
    names = [Variable(*one.split(":")) for one in variables.split(PART)] if variables else []
    template = Template(tuple(literals.split(PART)), tuple(names))
    return template.weight, int(number), template


@lru_cache(maxsize=4096)
def entry(number: int) -> Entry:
    """Return an entry by its number."""
    data = _data()
    text = data.texts[data.entries[number] : data.entries[number + 1]].decode()
    origin, template, codes, kind, severity, symptom, documentation, identity = text.split(FIELD)
    return Entry(
        origin,
        template,
        tuple(codes.split()),
        kind,
        severity,
        symptom,
        documentation,
        tuple(identity.split()),
    )


def written(entries: Mapping[Entry, Iterable[Template]]) -> bytes:
    """Return the file with these entries and their templates; the same for the same content."""
    anchored: dict[int, list[str]] = {}
    for number, own in enumerate(entries.values()):
        for template in own:
            key = anchor(template.literals[0], template.literals[-1])
            anchored.setdefault(key, []).append(_text(number, template))
    keys = sorted(anchored)
    lines = [BETWEEN.join(anchored[key]).encode() for key in keys]
    lines += [_fields(each).encode() for each in entries]
    places = [0]
    for line in lines:
        places.append(places[-1] + len(line))
    numbers = array("I", [len(keys), len(entries), *keys])
    numbers.extend(places[: len(keys) + 1])
    numbers.extend(places[len(keys) :])
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tobytes() + b"".join(lines)


def _text(number: int, template: Template) -> str:
    variables = PART.join(f"{name}:{kind}" for name, kind in template.variables)
    return FIELD.join((str(number), variables, PART.join(template.literals)))


def _fields(each: Entry) -> str:
    fields = (" ".join(field) if isinstance(field, tuple) else field for field in each)
    return FIELD.join(fields)
