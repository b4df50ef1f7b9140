"""How far a pattern's fix is trusted, from what happened when it was applied.

Confidence and success rate are the specification's ("Pattern Confidence Tuning", "Update pattern
statistics"), and the database computes the same; a test compares the two. They say 95 % after one
success. The lower bound does not: it is the share of runs that all but surely end well, by the
outcomes so far, of which those long ago count less.
"""

import math
from collections.abc import Iterator, Sequence
from decimal import ROUND_HALF_UP, Decimal
from itertools import count
from typing import Final

__all__ = [
    "INITIAL_CONFIDENCE",
    "LAST_APPLICATIONS",
    "THRESHOLDS",
    "confidence",
    "decayed",
    "lower_bound",
    "success_rate",
]

#: Of how many applications, the latest ones, confidence speaks.
LAST_APPLICATIONS: Final = 10
#: Percentage of successes from which on → confidence, highest first; below all of them, the initial
#: one.
THRESHOLDS: Final = (
    (90, Decimal("0.95")),
    (75, Decimal("0.85")),
    (60, Decimal("0.70")),
    (50, Decimal("0.60")),
)
INITIAL_CONFIDENCE: Final = Decimal("0.50")


def confidence(outcomes: Sequence[bool]) -> Decimal:
    """Return the confidence by the outcomes of applications, the latest first.

    Only the first ten count. Whole numbers are compared, so that nine of ten are 90 % exactly.
    """
    latest = outcomes[:LAST_APPLICATIONS]
    successes = sum(latest)
    for percentage, score in THRESHOLDS:
        if latest and successes * 100 >= percentage * len(latest):
            return score
    return INITIAL_CONFIDENCE


def success_rate(successes: int, total: int) -> Decimal:
    """Return the percentage of successes, 0.00 to 100.00, rounded half up as in Postgres.

    Raises:
        ValueError: more successes than applications, or a negative number.
    """
    if not 0 <= successes <= total:
        raise ValueError(f"{successes} successes of {total} applications are impossible")
    if total == 0:
        return Decimal("0.00")
    rate = Decimal(successes * 100) / Decimal(total)
    return rate.quantize(Decimal("0.01"), rounding=ROUND_HALF_UP)


def decayed(
    outcomes: Sequence[tuple[bool, float]], half_life_days: float = 30.0
) -> tuple[float, float]:
    """Return the weights of verified and of failed outcomes: each halves every so many days.

    Args:
        outcomes: whether each was verified, and its age in days; one of the future counts as new.
        half_life_days: above 0.
    """
    weights = {True: 0.0, False: 0.0}
    for verified, age in outcomes:
        weights[verified] += 0.5 ** (max(0.0, age) / half_life_days)
    return weights[True], weights[False]


def lower_bound(verified: float, failed: float, quantile: float = 0.05) -> float:
    """Return the quantile of Beta(1 + verified, 1 + failed), exact to 1e-9.

    That distribution is what is known of the share of runs that end well, if nothing was known
    before; with no outcome at all its 5 % quantile is 0.05.

    Args:
        verified: how many outcomes, by weight, were verified; 0 to 1e6.
        failed: how many failed; 0 to 1e6.
        quantile: above 0 and below 1.

    Raises:
        ValueError: for numbers out of these bounds.
    """
    if not (0 <= verified <= 1e6 and 0 <= failed <= 1e6 and 0 < quantile < 1):
        raise ValueError(f"no bound of {verified} verified, {failed} failed at {quantile}")
    low, high = 0.0, 1.0
    while high - low > 1e-9:
        middle = (low + high) / 2
        if _beta_below(middle, 1 + verified, 1 + failed) < quantile:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _beta_below(x: float, a: float, b: float) -> float:
    """Return how likely Beta(a, b) is below x, 0 < x < 1: the regularised incomplete beta function.

    Its continued fraction converges fast on one side of the mean; the other side is its mirror.
    Source: NIST Digital Library of Mathematical Functions, 8.17.4 and 8.17.22.
    """
    if x > (a + 1) / (a + b + 2):
        return 1 - _beta_below(1 - x, b, a)
    logarithm = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    front = math.exp(logarithm + a * math.log(x) + b * math.log1p(-x))
    return front / a * _fraction(x, a, b)


def _fraction(x: float, a: float, b: float) -> float:
    """Return 1 / (1 + d1 / (1 + d2 / (1 + …))), taken so far that nothing changes any more.

    By the modified method of Lentz: numerators and denominators of the approximants overflow, the
    ratios of neighbouring ones do not.
    """
    numerators, denominators, value = 1.0, 0.0, 1.0
    for term in _terms(x, a, b):
        numerators = 1 + term / numerators
        denominators = 1 / (1 + term * denominators)
        value *= numerators * denominators
        if abs(numerators * denominators - 1) < 1e-14:
            break
    return 1 / value


def _terms(x: float, a: float, b: float) -> Iterator[float]:
    """Yield d1, d2, and so on."""
    for m in count():
        yield -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        yield (m + 1) * (b - m - 1) * x / ((a + 2 * m + 1) * (a + 2 * m + 2))
