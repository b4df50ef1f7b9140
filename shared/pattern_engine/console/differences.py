"""Showing what two versions of a fix have not in common, line by line."""

from __future__ import annotations

import difflib
import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_KINDS: Final = {"+": "added", "-": "removed", " ": "same"}


class Line(NamedTuple):
    """A line of a difference."""

    kind: str
    """added, removed, same, or place for the numbers of the lines that follow."""
    text: str


def lines(before: str, after: str) -> list[Line]:
    """Return the difference between two texts, with three lines around it; empty if equal."""
    found = difflib.unified_diff(before.split("\n"), after.split("\n"), n=3, lineterm="")
    return [_line(each) for each in list(found)[2:]]


def _line(text: str) -> Line:
    if text.startswith("@@"):
        return Line("place", text)
    return Line(_KINDS[text[0]], text[1:])


def of_fixes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[tuple[str, list[Line]]]:
    """Return, by part of a fix, what differs between two of them."""
    return [(name, found) for name, found in _parts(before, after) if found]


def _parts(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[tuple[str, list[Line]]]:
    yield "Script", lines(str(before.get("script") or ""), str(after.get("script") or ""))
    undo = [str(each.get("undo_script") or "") for each in (before, after)]
    yield "Undo script", lines(*undo)
    for key, name in (("parameters", "Parameters"), ("guard", "Guard")):
        yield name, lines(pretty(before.get(key)), pretty(after.get(key)))


def pretty(value: object) -> str:
    """Return JSON as people read it, with its keys in order."""
    return json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True)
