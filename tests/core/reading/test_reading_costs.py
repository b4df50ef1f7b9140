"""Reading ends, never raises, and takes time in proportion to the text, up to a bound."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.processor import fastest

from pattern_engine import reading
from pattern_engine.reading.error import MAX_LAYERS, ReadError
from pattern_engine.reading.reading import PEELERS, is_sentence

if TYPE_CHECKING:
    from collections.abc import Callable


def _nested(size: int) -> str:
    depth = size // 12
    return '{"error":' * depth + json.dumps({"message": "it broke"}) + "}" * depth


def _quotes(size: int) -> str:
    return "\"it 'broke' \" " * (size // 13)


def _causes(size: int) -> str:
    cause = "Caused by: shop.Failed: it broke\n\tat shop.Order.save(Order.java:12)\n"
    return "shop.Failed: no\n\tat shop.Order.all(Order.java:1)\n" + cause * (size // len(cause))


@pytest.mark.parametrize("text", [_nested, _quotes, _causes])
def test_the_time_of_reading_grows_with_the_length(text: Callable[[int], str]) -> None:
    """The exponent of the growth is at most 1.2: twice the text takes at most 2.3 times as long."""
    sizes = (1_000, 2_000, 4_000, 8_000)
    points = [(math.log(size), math.log(_seconds(text(size)))) for size in sizes]
    assert _slope(points) <= 1.2


def _seconds(text: str) -> float:
    return fastest(lambda: [reading.read(text) for _ in range(5)])


def _slope(points: list[tuple[float, float]]) -> float:
    """Return the slope of the straight line that has the least squares of distances."""
    x, y = (sum(values) / len(points) for values in zip(*points, strict=True))
    slope: float = sum((a - x) * (b - y) for a, b in points) / sum((a - x) ** 2 for a, _ in points)
    return slope


#: What the readers look for, alone and in the neighbourhood of what they must not confuse it with.
PIECES = [
    *("\n", " ", ": ", ":", "{", "}", "[", "]", "(", ")", '"', "'", "`", "\\", "=", ",", "|", " - "),
    *("ERROR:  ", "FEHLER:  ", "DETAIL:  ", "HINT:  x", "CONTEXT:  ", "STATEMENT:  ", "エラー:  "),
    *("Error: ", "Caused by: ", "Caused by:\n    0: ", "---> ", "** (A) ", "panic: ", "\n\tat a.b(C)"),
    *("Traceback (most recent call last):\n", '  File "/a.py", line 1, in f\n', "ValueError: x"),
    *("\n    at f (/a.js:1:2)", " {\n  [cause]: ", "goroutine 1 [running]:\n", "\n\t/a.go:1"),
    *("thread 'main' panicked at 'x', ", "src/main.rs:1", "[object] (A(code: 0): ", "\n#0 /a(1): f("),
    *("a.rb:1:in `f': ", " at x line 1.", "f@http://h/a.js:1:2", "\n   at A.B() in c:line 1"),
    *('{"message": ', '"code": "23505"', "'detail': None", ":code=>", "SQLSTATE[23505]: ", "HTTP 404 x: "),
    *("2026-01-01T10:00:00Z ", "db-1 | ", "<13>1 ", "[info] ", "level=error msg=", 'err="x y"', "\x1b[31m"),
    *("\\n", '\\"', "\\u00", "é", "\ud800", "\0", "23505", "(SQLSTATE 23505)", "relation x", "failed to "),
]  # fmt: skip
_TEXTS = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=4)), max_size=40).map("".join)


@given(_TEXTS)
@settings(max_examples=2000, deadline=None)
def test_any_text_is_read(text: str) -> None:
    """No text makes reading fail, and a text with anything to say has a message."""
    error = reading.read(text)
    assert len(error.layers) <= MAX_LAYERS
    assert bool(error.message) == bool(text.strip())


@given(st.lists(st.sampled_from([*PIECES, " ", "no", "x "]), min_size=1, max_size=4).map("".join))
@example('could not "42P01" "x y')
@example("could not do - it did not work")
@example("it failed at /a.php on line 3")
@example("it broke sqlstate 42P01")
@example("column c at character 12")
@settings(max_examples=3000, deadline=None)
def test_nothing_is_around_a_sentence(text: str) -> None:
    """What the first look takes for a sentence is one for every reader of envelopes."""
    sentence = f"It has {text} here".replace("  ", " ")
    for each in (sentence, text, f"it {text}".strip()):
        if is_sentence(each):
            assert not [peel for peel in PEELERS if peel(each, ReadError(origin="postgres"))]


@given(st.sampled_from(PIECES), st.sampled_from(PIECES), st.integers(0, 3))
@settings(max_examples=60, deadline=None)
def test_length_alone_costs_little(one: str, other: str, spaces: int) -> None:
    """Whatever is repeated for 64 KiB takes hardly longer to read than for 16 KiB."""
    unit = one + " " * spaces + other

    def seconds(length: int) -> float:
        text = (unit * (length // len(unit)))[:length]
        return fastest(lambda: reading.read(text), times=3)

    assert seconds(65_536) < 6 * max(seconds(16_384), 0.001)
