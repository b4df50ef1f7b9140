"""Confidence and success rate."""

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pattern_engine.confidence import confidence, success_rate

if TYPE_CHECKING:
    import psycopg


@pytest.mark.parametrize(
    ("successes", "of", "score"),
    [
        (0, 0, "0.50"), (1, 1, "0.95"), (0, 1, "0.50"), (1, 2, "0.60"),
        (2, 3, "0.70"), (3, 4, "0.85"), (10, 10, "0.95"), (9, 10, "0.95"),
        (8, 10, "0.85"), (7, 10, "0.70"), (6, 10, "0.70"), (5, 10, "0.60"),
        (4, 10, "0.50"), (0, 10, "0.50"), (3, 5, "0.70"), (8, 9, "0.85"),
    ],
)  # fmt: skip
def test_confidence_follows_the_table(successes: int, of: int, score: str) -> None:
    """0.95 from 90 %, 0.85 from 75 %, 0.70 from 60 %, 0.60 from 50 %, else 0.50."""
    assert confidence([True] * successes + [False] * (of - successes)) == Decimal(score)


def test_only_the_last_ten_count() -> None:
    """The latest comes first; what is older than ten applications is forgotten."""
    assert confidence([True] * 10 + [False] * 90) == Decimal("0.95")
    assert confidence([False] * 10 + [True] * 90) == Decimal("0.50")


@pytest.mark.parametrize(
    ("successes", "total", "rate"),
    [
        (0, 0, "0.00"),
        (0, 5, "0.00"),
        (5, 5, "100.00"),
        (1, 3, "33.33"),
        (2, 3, "66.67"),
        (1, 800, "0.13"),
    ],
)
def test_success_rate_has_two_decimals(successes: int, total: int, rate: str) -> None:
    """0.00 to 100.00, halves rounded up."""
    assert success_rate(successes, total) == Decimal(rate)


@given(st.integers(0, 10**6).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_success_rate_is_what_postgres_stores(
    postgres: "psycopg.Connection[Any]", counts: tuple[int, int]
) -> None:
    """The column is numeric(5,2): Python and the database round alike."""
    successes, total = counts
    row = postgres.execute(
        "select coalesce((%s * 100.0::numeric / nullif(%s, 0))::numeric(5,2), 0)", counts
    ).fetchone()
    assert row == (success_rate(successes, total),)


@pytest.mark.parametrize(("successes", "total"), [(2, 1), (-1, 1)])
def test_impossible_counts_are_refused(successes: int, total: int) -> None:
    """More successes than applications is a bug of the caller."""
    with pytest.raises(ValueError, match="impossible"):
        success_rate(successes, total)
