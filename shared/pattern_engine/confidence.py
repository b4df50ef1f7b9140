"""How far a pattern's fix is trusted, from what happened when it was applied.

Source: specification, "Pattern Confidence Tuning" and "Update pattern statistics". The database
computes the same; a test compares the two.
"""

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

__all__ = ["INITIAL_CONFIDENCE", "LAST_APPLICATIONS", "THRESHOLDS", "confidence", "success_rate"]

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
