"""Confidence and success rate."""

import math
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pattern_engine.confidence import confidence, decayed, lower_bound, success_rate

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


QUANTILES = st.sampled_from([0.001, 0.05, 0.5, 0.95])
WEIGHTS = st.floats(0.0, 60.0)


@pytest.mark.parametrize(
    ("verified", "failed", "bound"),
    [
        (0, 0, 0.05),  # nothing is known: every share is as likely
        (1, 0, 0.05 ** (1 / 2)),
        (9, 0, 0.05 ** (1 / 10)),
        (0, 1, 1 - 0.95 ** (1 / 2)),
        (0, 9, 1 - 0.95 ** (1 / 10)),
        (999_999, 0, 0.05 ** (1 / 1_000_000)),
    ],
)
def test_the_lower_bound_of_unanimous_outcomes_is_a_root(
    verified: int, failed: int, bound: float
) -> None:
    """Where all outcomes agree, the distribution is a power of the share."""
    assert lower_bound(verified, failed) == pytest.approx(bound, abs=1e-9)


@given(st.integers(0, 40), st.integers(0, 40), QUANTILES)
def test_the_lower_bound_of_whole_numbers_is_a_tail_of_coin_tosses(
    verified: int, failed: int, quantile: float
) -> None:
    """Beta(a, b) is below x as often as a + b - 1 tosses, each won by x, are won a times or more."""
    x = lower_bound(verified, failed, quantile)
    wins, tosses = verified + 1, verified + failed + 1
    tail = sum(
        math.comb(tosses, won) * x**won * (1 - x) ** (tosses - won)
        for won in range(wins, tosses + 1)
    )
    assert tail == pytest.approx(quantile, abs=1e-6)


@given(WEIGHTS, WEIGHTS, QUANTILES)
def test_the_lower_bound_parts_the_density(verified: float, failed: float, quantile: float) -> None:
    """Left of it lies that share of the area; weights need not be whole."""
    x = lower_bound(verified, failed, quantile)
    left, right = (_area(low, high, verified, failed) for low, high in ((0.0, x), (x, 1.0)))
    assert left / (left + right) == pytest.approx(quantile, abs=1e-6)


def _area(low: float, high: float, verified: float, failed: float) -> float:
    """Return the area below s ** verified * (1 - s) ** failed.

    Tanh-sinh quadrature, which endpoints where the curve has no derivatives do not disturb.
    """
    total = 0.0
    for step in range(-150, 151):
        t = step * 0.025
        across = math.pi / 2 * math.sinh(t)
        weight = math.pi / 2 * math.cosh(t) / math.cosh(across) ** 2
        # The shares of the way from either end, each without cancelling.
        from_low, from_high = 1 / (1 + math.exp(-2 * across)), 1 / (1 + math.exp(2 * across))
        s, rest = low + (high - low) * from_low, 1 - high + (high - low) * from_high
        total += weight * s**verified * rest**failed
    return total * (high - low) / 2 * 0.025


@given(WEIGHTS, WEIGHTS)
def test_each_outcome_moves_the_lower_bound_its_way(verified: float, failed: float) -> None:
    """One more that was verified raises it, one more that failed lowers it, neither leaves 0 to 1."""
    bound = lower_bound(verified, failed)
    assert 0 < lower_bound(verified, failed + 1) < bound < lower_bound(verified + 1, failed) < 1


@pytest.mark.parametrize("extreme", [(0, 1e6), (1e6, 0), (1e6, 1e6), (1e-9, 1e6), (5.5, 1e6)])
def test_the_lower_bound_of_any_weights_is_found(extreme: tuple[float, float]) -> None:
    """The fraction converges far off the middle too, and keeps below the mean."""
    verified, failed = extreme
    assert 0 < lower_bound(*extreme) < (1 + verified) / (2 + verified + failed)


@pytest.mark.parametrize(
    "impossible",
    [(-1, 0), (0, -1), (math.nan, 0), (0, math.inf), (0, 0, 0.0), (0, 0, 1.0), (0, 0, math.nan)],
)
def test_impossible_weights_are_refused(impossible: tuple[float, ...]) -> None:
    """None of them ends in a number that looks like an answer."""
    with pytest.raises(ValueError, match="no bound of"):
        lower_bound(*impossible)


@pytest.mark.parametrize(
    ("outcomes", "weights"),
    [
        ([], (0.0, 0.0)),
        ([(True, 0.0), (False, 0.0), (True, 0.0)], (2.0, 1.0)),
        ([(True, 30.0), (False, 60.0)], (0.5, 0.25)),
        ([(True, -1.0)], (1.0, 0.0)),
        ([(False, 36_500.0)], (0.0, 0.0)),
    ],
)
def test_an_outcome_counts_half_after_its_half_life(
    outcomes: list[tuple[bool, float]], weights: tuple[float, float]
) -> None:
    """And a quarter after two; a clock that runs ahead makes none count double."""
    assert decayed(outcomes) == pytest.approx(weights)
    older = [(verified, age / 3) for verified, age in outcomes]
    assert decayed(older, half_life_days=10.0) == pytest.approx(weights)
