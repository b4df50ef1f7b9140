"""Parsing JSON strictly.

Repeated keys, NaN and Infinity, numbers that overflow, and deep nesting are refused, because RFC
8259 leaves their meaning open and parsers disagree about them.
"""

from __future__ import annotations

import json
import math
from decimal import Decimal
from typing import Self

MAX_DEPTH = 32
_EXACT_DIGITS = 15
_NO_DIGITS = {ord(sign): None for sign in "-+."}
_MAX_SHOWN_LENGTH = 100
"""The most characters of a wrong value that a message shows."""


class RoundedFloat(float):
    """A number that JSON wrote with more digits than a double has; `text` has all of them."""

    text: str

    def __new__(cls, text: str) -> Self:
        """Round a number, and keep how it was written."""
        number = super().__new__(cls, text)
        number.text = text
        return number


class StrictJsonError(ValueError):
    """The text is not the expected JSON."""


class TooDeepError(StrictJsonError):
    """The JSON is nested more than `MAX_DEPTH` levels deep."""

    def __init__(self) -> None:
        super().__init__(f"it is nested more than {MAX_DEPTH} levels deep")


def parse(text: str) -> object:
    """Read JSON.

    Raises:
        TooDeepError: for nesting beyond `MAX_DEPTH` levels.
        StrictJsonError: if the text is not valid, with the place of the error.
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
    """Return an object, after checking that its keys are different."""
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {shown(twice)} is repeated")
    return found


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"the number {shown(text)} is too large")
    # Up to 15 digits a number is the same again after it was read as a double and written.
    digits = text.lower().partition("e")[0].translate(_NO_DIGITS).strip("0")
    if len(digits) > _EXACT_DIGITS and Decimal(text) != Decimal(repr(value)):
        return RoundedFloat(text)
    return value


def _require_shallow(value: object) -> None:
    """Refuse deep nesting, which recursive code could not process."""
    level = [value]
    for _ in range(MAX_DEPTH):
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
    """Return a short text of a value for a message."""
    if isinstance(value, dict | list):
        return f"{'an object' if isinstance(value, dict) else 'a list'} of {len(value)}"
    text = json.dumps(value, ensure_ascii=True, default=str)
    return text if len(text) <= _MAX_SHOWN_LENGTH else text[: _MAX_SHOWN_LENGTH - 1] + "…"
