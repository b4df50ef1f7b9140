"""Cases of reading: a text as it is logged, and what its root error is."""

from __future__ import annotations

from typing import Any, NamedTuple

from pattern_engine import reading
from pattern_engine.reading.places import place_of


class Case(NamedTuple):
    """A text and what reading finds in it; what a case does not name is not compared."""

    text: str
    message: str
    code: str | None = None
    kind: str | None = None
    detail: str | None = None
    hint: str | None = None
    context: str | None = None
    statement: str | None = None
    origin: str | None = None
    status: str | None = None
    place: str | None = None
    """The throwing place in the application."""
    objects: dict[str, str] | None = None
    chain: str | None = None
    """A message that was peeled off."""


def found(case: Case) -> dict[str, Any]:
    """Return what reading finds of what a case names."""
    error = reading.read(case.text)
    read = {name: getattr(error, name, None) for name in case._fields if name != "text"}
    read["place"] = place_of(error)
    read["chain"] = case.chain if case.chain in error.chain else error.chain
    return {name: read[name] for name in wanted(case)}


def wanted(case: Case) -> dict[str, Any]:
    """Return what a case names."""
    named = case._asdict().items()
    return {name: value for name, value in named if value is not None and name != "text"}
