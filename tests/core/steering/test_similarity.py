"""The words in which two templates differ."""

from __future__ import annotations

import pytest

from pattern_engine.steering.similarity import differences

CASES = {
    "equal": ("a b c", "a b c", []),
    "one word": ("a b c", "a x c", [("b", "x")]),
    "several places": ("a b c d", "x b y d", [("a", "x"), ("c", "y")]),
    "only here": ("a b c", "a c", [("b", "")]),
    "only there": ("a c", "a b c", [("", "b")]),
    "words in a row": ("lost a b now", "lost x y z now", [("a b", "x y z")]),
    "nothing in common": ("a b", "c", [("a b", "c")]),
    "white space": ("a  b\n", " a b", []),
}


@pytest.mark.parametrize(("this", "other", "expected"), CASES.values(), ids=CASES.keys())
def test_words_that_differ_are_paired(
    this: str, other: str, expected: list[tuple[str, str]]
) -> None:
    """Differing words from the same place form a pair, in order."""
    assert [(pair["this"], pair["other"]) for pair in differences(this, other)] == expected


def test_long_templates_are_compared_in_their_beginning() -> None:
    """Only the first 200 words of a template are compared, because comparing takes quadratic time."""
    words = " ".join(str(number) for number in range(200))
    assert differences(f"{words} a", f"{words} b") == []
    (pair,) = differences("a " * 5000, "b " * 5000)
    assert (pair["this"], pair["other"]) == (" ".join("a" * 200), " ".join("b" * 200))
