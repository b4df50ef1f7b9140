"""Scrubbing 1 MB of log lines, beside the search for e-mail addresses alone in the same text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from benchmarks.result import Result, side_by_side

from pattern_engine.text.scrubbing import scrub

if TYPE_CHECKING:
    from collections.abc import Iterator

_LINE = 'ERROR user 1234 at 10.0.0.1: {"password": "x", "mail": "bob@example.com"} not found\n'
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")


def run() -> Iterator[Result]:
    """Measure both in turn."""
    text = _LINE * (1_000_000 // len(_LINE))
    times = side_by_side(
        {"scrub": lambda: scrub(text), "search": lambda: _EMAIL.sub("", text)}, rounds=5, warm_up=1
    )
    yield Result(
        "1 MB of log lines scrubbed", times["scrub"], "ms", "e-mail alone", times["search"]
    )
