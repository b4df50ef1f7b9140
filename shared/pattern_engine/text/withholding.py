"""Keeping what scrubbing removes from an error out of all else that is said of it.

A fix sees its error whole. Whatever it throws, prints or returns may repeat a part of it, without
the words beside it by which scrubbing would recognise it: `password=hunter2` becomes `hunter2`.
"""

from __future__ import annotations

import json
import re
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from pattern_engine.text import scrubbing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

REMOVED: Final = "[removed]"
_PLACEHOLDER: Final = re.compile(r"\[[a-z0-9_]{1,40}\]")
_MIN_ANYWHERE: Final = 6
"""Characters of a text that is replaced within a word, too."""


class Withheld:
    """What scrubbing removes from an error's message and captured values."""

    def __init__(self, error: Mapping[str, Any]) -> None:
        """Take an error as its fix sees it."""
        self._error = error

    def hide(self, text: str) -> str:
        """Return a text scrubbed and without anything that scrubbing removed from the error."""
        return self._without(scrubbing.scrub(self._without(text)))

    def hide_json(self, value: Any) -> Any:  # noqa: ANN401  any JSON
        """Do the same for the texts and keys within a JSON value."""
        hidden = _mapped(value, self._without)
        return _mapped(scrubbing.scrub_json(hidden), self._without)

    def _without(self, text: str) -> str:
        return self._expression.sub(REMOVED, text) if self._expression else text

    @cached_property
    def _expression(self) -> re.Pattern[str] | None:
        found = set(self._removed())
        # As JSON writes them, they are other texts.
        found |= {json.dumps(text)[1:-1] for text in found} | {
            json.dumps(text, ensure_ascii=False)[1:-1] for text in found
        }
        parts = [_anywhere(text) for text in sorted(found, key=len, reverse=True)]
        return re.compile("|".join(parts)) if parts else None

    def _removed(self) -> Iterator[str]:
        message = str(self._error.get("message") or "")
        yield from removed(message, scrubbing.scrub(message))
        captured = {name: str(value) for name, value in self._error.get("captured", {}).items()}
        for name, scrubbed in scrubbing.scrub_json(captured).items():
            if scrubbed == "[scrubbed]":
                yield captured[name]
            else:
                yield from removed(captured[name], scrubbed)


NOTHING: Final = Withheld({})
"""What is withheld where the error is not known."""


def removed(text: str, scrubbed: str) -> list[str]:
    """Return the parts of a text in whose places its scrubbed form has a placeholder."""
    found: list[str] = []
    kept = _PLACEHOLDER.split(scrubbed)
    position = len(kept[0])
    for following in kept[1:]:
        end = text.find(following, position) if following else len(text)
        if end < 0:
            # A placeholder of the text itself was taken for one of scrubbing.
            return [*found, *text[position:].split()]
        found += text[position:end].splitlines()
        position = end + len(following)
    return [part for each in found if (part := each.strip())]


def _anywhere(text: str) -> str:
    escaped = re.escape(text)
    return escaped if len(text) >= _MIN_ANYWHERE else rf"(?<!\w){escaped}(?!\w)"


def _mapped(value: Any, change: Callable[[str], str]) -> Any:  # noqa: ANN401  any JSON
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [_mapped(each, change) for each in value]
    if isinstance(value, dict):
        return {change(key): _mapped(each, change) for key, each in value.items()}
    return value
