"""The expression of a pattern: its text, its size, and that JavaScript reads it alike."""

import re
from typing import TYPE_CHECKING, Any

import pytest
import re2
from tests.core.grouping.javascript import check_alike
from tests.processor import spent_by

from pattern_engine import grouping
from pattern_engine.grouping.v1.expression import MAX_LENGTH, expression

if TYPE_CHECKING:
    import psycopg


def test_an_expression_reads_as_documented() -> None:
    """Letters in both cases, any amount of white space, both ends anchored."""
    assert expression("a (b)") == r"^[\t-\r ]*[Aa][\t-\r ]+\([Bb]\)[\t-\r ]*$"


ANSWERS = [
    ("Connection failed to 'db' on port 5432", "connection FAILED to  'x y' on port 1", True),
    ("Connection failed to 'db' on port 5432", "Connection failed to db on port 1", False),
    ("Connection failed to 'db' on port 5432", "x Connection failed to 'db' on port 1", False),
    ("Connection failed to 'db' on port 5432", "Connection failed to 'db' on port 1 x", False),
    ("returned 404", "returned 500", False),
    ("uuid is missing", "d290f1ee-6c54-4b01-90e6-d701748f0851 is missing", True),
    ("a.b", "axb", False),
    ("50% [x] {y} ^$ \\ |", "51% [x] {y} ^$ \\ |", True),
    ("ſelect \u212a", "select k", False),
    ("select k", "ſelect \u212a", False),
    ("İ", "i", False),
    ("é", "É", False),
    ("long " * 1000, "LONG " * 1000, True),
    ("long " * 1000, "long " * 815, False),
    ("'a'" * 400 + " end", "'b'" * 400 + " other", True),
]


@pytest.mark.parametrize(("message", "other", "answer"), ANSWERS)
def test_an_expression_matches_its_pattern_alone(message: str, other: str, answer: bool) -> None:
    """It matches what differs in values, case and white space, and nothing that differs in words.

    The last row is the exception: an expression over the limit ends before the words that differ.
    """
    pattern = expression(grouping.normalize(message))
    assert (re.search(pattern, other) is not None) == answer
    assert (re2.search(pattern, other) is not None) == answer


def test_javascript_reads_an_expression_alike() -> None:
    """The text is a JavaScript expression too, without flags and with the flag u."""
    cases = [(expression(grouping.normalize(message)), other) for message, other, _ in ANSWERS]
    assert check_alike(cases) == [answer for _, _, answer in ANSWERS]


LARGEST = [
    "abcdefghij " * 500,
    "a" * 5000,
    "1," * 3000,
    "''" * 2500,
    "uuid " * 1000,
    "timestamp " * 500,
    "://a " * 1500,
    ".*+?()[]" * 600,
    "\ufffd " * 2000,
]


@pytest.mark.parametrize("message", LARGEST, ids=lambda message: message[:10])
def test_the_largest_expressions_compile_quickly(
    postgres: "psycopg.Connection[Any]", message: str
) -> None:
    """At the bound of 4 KiB, whatever the message holds, Postgres needs less than a second."""
    pattern = expression(grouping.normalize(message))
    assert len(pattern) <= MAX_LENGTH + 100
    before = spent_by(postgres)
    row = postgres.execute("select %s::text ~ %s::text", (message, pattern)).fetchone()
    assert row == (True,)
    assert spent_by(postgres) - before < 1
