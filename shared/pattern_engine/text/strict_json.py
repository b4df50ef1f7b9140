"""JSON without what RFC 8259 leaves open and clients get wrong.

A key given twice, NaN and Infinity, numbers that overflow, and nesting beyond all reason are
refused instead of being guessed at.
"""

from __future__ import annotations

import json
import math

__all__ = ["MOST_DEPTH", "StrictJsonError", "TooDeepError", "parse", "shown"]

MOST_DEPTH = 32
_MOST_SHOWN_LENGTH = 100
"""A wrong value is shown up to this length."""


class StrictJsonError(ValueError):
    """It is not the JSON that is asked for."""


class TooDeepError(StrictJsonError):
    """It is nested deeper than `MOST_DEPTH` levels."""

    def __init__(self) -> None:
        super().__init__(f"it is nested more than {MOST_DEPTH} levels deep")


def parse(text: str) -> object:
    """Read JSON.

    Raises:
        TooDeepError: for nesting beyond `MOST_DEPTH` levels.
        StrictJsonError: with the place, for whatever else is wrong.
    """
    try:
        value: object = json.loads(
            text, object_pairs_hook=_once_each, parse_constant=_no_constant, parse_float=_finite
        )
    except RecursionError:
        raise TooDeepError from None
    except ValueError as problem:
        raise StrictJsonError(str(problem)) from None
    _require_shallow(value)
    return value


def _once_each(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """An object whose keys are all different: parsers disagree about which of two wins."""
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {shown(twice)} is given more than once")
    return found


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"the number {shown(text)} is too large")
    return value


def _require_shallow(value: object) -> None:
    """Refuse deep nesting here, before code that works by recursion meets it."""
    level = [value]
    for _ in range(MOST_DEPTH):
        level = [
            child
            for parent in level
            if isinstance(parent, dict | list)
            for child in (parent.values() if isinstance(parent, dict) else parent)
        ]
        if not level:
            return
    raise TooDeepError


def shown(value: object) -> str:
    """A value as a reader may recognise it, cut short."""
    if isinstance(value, dict | list):
        return f"{'an object' if isinstance(value, dict) else 'a list'} of {len(value)}"
    text = json.dumps(value, ensure_ascii=True, default=str)
    return text if len(text) <= _MOST_SHOWN_LENGTH else text[: _MOST_SHOWN_LENGTH - 1] + "…"
