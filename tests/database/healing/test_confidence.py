"""Success rate over all decided outcomes, confidence over the last ten, lower bound by their age.

Whether the script itself ended well decides neither: what counts is whether the error stopped.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from tests.database.healing.outcomes import DAY, WINDOW

if TYPE_CHECKING:
    from tests.conftest import Rest, Sql
    from tests.database.conftest import Patterns
    from tests.database.healing.outcomes import Outcomes


@pytest.fixture
def pattern_id(patterns: Patterns) -> str:
    """A pattern with an approved fix, seen once."""
    made = patterns.new()
    patterns.approve(made)
    return made


def _pattern(engine: Rest, pattern_id: str) -> dict[str, Any]:
    return engine.select("error_patterns", pattern_id=f"eq.{pattern_id}")[0]


@pytest.mark.parametrize(
    ("letters", "rate", "confidence"),
    [
        # + is verified, - failed, ? inconclusive, oldest first.
        ("+", 100, 0.95),
        ("-", 0, 0.50),
        ("+-", 50, 0.60),
        ("-++", 66.67, 0.70),
        ("+-++", 75, 0.85),
        ("-+++++++++", 90, 0.95),
        ("--++++++++", 80, 0.85),
        ("---+++++++", 70, 0.70),
        ("----++++++", 60, 0.70),
        ("-----+++++", 50, 0.60),
        ("------++++", 40, 0.50),
        # The last ten decide the confidence, all of them the rate.
        ("----------++++++++++", 50, 0.95),
        ("++++++++++-----", 66.67, 0.60),
        ("+" * 10 + "-" * 10, 50, 0.50),
        # What proved nothing counts for nothing.
        ("?", 0, 0.50),
        ("?+?", 100, 0.95),
        ("??-+?", 50, 0.60),
    ],
)
def test_rate_and_confidence_follow_the_table(
    engine: Rest,
    patterns: Patterns,
    outcomes: Outcomes,
    letters: str,
    rate: float,
    confidence: float,
) -> None:
    """0.95 from 90 %, 0.85 from 75 %, 0.70 from 60 %, 0.60 from 50 %, else 0.50."""
    pattern_id = patterns.new()
    patterns.approve(pattern_id)
    for letter in letters:
        outcomes.settle(pattern_id, letter)
    stored = engine.select("error_patterns", pattern_id=f"eq.{pattern_id}")[0]
    assert (stored["success_rate"], stored["confidence_score"]) == (rate, confidence)


def test_a_run_that_went_well_proves_nothing_yet(engine: Rest, patterns: Patterns) -> None:
    """Until the error has stayed away for its time, a run leaves rate and confidence alone."""
    pattern_id = patterns.new()
    patterns.approve(pattern_id)
    outcome = patterns.apply(pattern_id)
    assert outcome["success"] is True
    assert outcome["pattern"] == {"success_rate": 0, "confidence_score": 0.5}
    (verification,) = engine.select("pattern_verifications", pattern_id=f"eq.{pattern_id}")
    assert (verification["outcome"], verification["decided_at"]) == ("pending", None)


def test_runs_that_end_together_all_count(
    engine: Rest, patterns: Patterns, outcomes: Outcomes
) -> None:
    """Of many applications that are recorded at once the last one has counted all."""
    pattern_id = patterns.new()
    patterns.approve(pattern_id)
    outcomes.settle(pattern_id, "+")
    claims = [patterns.claim(pattern_id)["application_id"] for _ in range(16)]

    def fail(application_id: str) -> None:
        engine.call(
            "finish_application_v1",
            p_application_id=application_id,
            p_outcome={"success": False, "error": "x", "execution_time_ms": 1},
        )

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(fail, claims))
    stored = engine.select("error_patterns", pattern_id=f"eq.{pattern_id}")[0]
    assert stored["success_rate"] == round(100 / 17, 2)
    assert stored["consecutive_failures"] == 16
    assert len(engine.select("pattern_applications", pattern_id=f"eq.{pattern_id}")) == 17


def test_counting_an_error_leaves_the_confidence(patterns: Patterns, outcomes: Outcomes) -> None:
    """Confidence is about the fix: more errors do not change it."""
    error = patterns.error()
    pattern_id = patterns.learn(error)[0]["pattern_id"]
    patterns.approve(pattern_id)
    outcomes.settle(pattern_id, "+")
    outcomes.passes(pattern_id, 2 * WINDOW)
    assert patterns.learn(error)[0]["confidence_score"] == 0.95


#: Weights of verified and of failed outcomes: whole and decayed, few and many.
WEIGHTS = [(float(verified), float(failed)) for verified in range(5) for failed in range(5)] + [
    (12.0, 3.0), (40.0, 1.0), (0.001, 0.0), (1e-9, 50.0), (0.625, 0.4), (59.9, 0.01), (8.3, 117.2),
    (1000.0, 0.0), (0.0, 1000.0), (1e5, 3.0), (5.5, 1e6), (0.0, 1e6), (1e6, 0.0), (1e6, 1e6),
]  # fmt: skip


@pytest.mark.parametrize(("verified", "failed"), WEIGHTS)
def test_the_lower_bound_is_the_five_percent_quantile(
    database: Sql, verified: float, failed: float
) -> None:
    """Left of it lies 5 % of what is known of the share of runs that end well, to 1e-8."""
    _check_bound(_bound(database, verified, failed), verified, failed, 1e-8)


@pytest.mark.parametrize("outcomes", [0, 1, 9, 99, 999_999])
def test_the_lower_bound_of_unanimous_outcomes_is_a_root(database: Sql, outcomes: int) -> None:
    """Where all outcomes agree, the distribution is a power of the share."""
    root = 1 / (1 + outcomes)
    assert _bound(database, outcomes, 0) == pytest.approx(0.05**root, abs=1e-8)
    assert _bound(database, 0, outcomes) == pytest.approx(1 - 0.95**root, abs=1e-8)


def _bound(database: Sql, verified: object, failed: object) -> float:
    bound: float = database.value(
        "select ops_internal.beta_lower_bound(%s::float8, %s::float8)", verified, failed
    )
    return bound


def _check_bound(bound: float, verified: float, failed: float, tolerance: float) -> None:
    low, high = max(bound - tolerance, 0.0), min(bound + tolerance, 1.0)
    assert _share_below(low, verified, failed) < 0.05 < _share_below(high, verified, failed)


def _share_below(x: float, verified: float, failed: float) -> float:
    """Return how much of the area under s ** verified * (1 - s) ** failed lies left of x."""
    if not 0 < x < 1:
        return x
    left, right = (_area(low, high, x, verified, failed) for low, high in ((0.0, x), (x, 1.0)))
    return left / (left + right)


def _area(low: float, high: float, x: float, verified: float, failed: float) -> float:
    """Return the area from low to high; the curve's height at x is the unit.

    Tanh-sinh quadrature, which endpoints where the curve has no derivatives do not disturb.
    """
    total = 0.0
    for step in range(-1200, 1201):
        across = math.pi / 2 * math.sinh(step / 300)
        weight = math.cosh(step / 300) / math.cosh(across) ** 2
        # The shares of the way from either end, each without cancelling.
        from_low, from_high = 1 / (1 + math.exp(-2 * across)), 1 / (1 + math.exp(2 * across))
        s, rest = low + (high - low) * from_low, 1 - high + (high - low) * from_high
        height = verified * math.log(s / x) + failed * math.log(rest / (1 - x))
        total += weight * math.exp(max(height, -700.0))
    return total * (high - low)


def test_the_lower_bound_follows_every_outcome(
    engine: Rest, outcomes: Outcomes, pattern_id: str
) -> None:
    """It and the failures in a row move with each outcome that proved something."""
    decided = ""
    for letter, in_a_row in zip("+-?--+?+-", (0, 1, 1, 2, 3, 0, 0, 0, 1), strict=True):
        outcomes.settle(pattern_id, letter)
        decided += letter.replace("?", "")
        found = _pattern(engine, pattern_id)
        assert found["consecutive_failures"] == in_a_row
        assert found["confidence_outcomes"] == pytest.approx(len(decided), abs=0.02)
        # The runs lie minutes apart, and count a little less by then.
        bound = found["confidence_lower_bound"]
        _check_bound(bound, decided.count("+"), decided.count("-"), 0.002)


def test_old_outcomes_count_less(engine: Rest, outcomes: Outcomes, pattern_id: str) -> None:
    """After 30 days an outcome counts a half; the success rate keeps them all."""
    outcomes.settle(pattern_id, "-")
    outcomes.passes(pattern_id, 60 * DAY)
    outcomes.settle(pattern_id, "+")
    outcomes.passes(pattern_id, 30 * DAY)
    outcomes.judge(pattern_id)
    found = _pattern(engine, pattern_id)
    # 30 days ago it was verified, 90 days ago it failed.
    _check_bound(found["confidence_lower_bound"], 1 / 2, 1 / 8, 0.001)
    assert found["confidence_outcomes"] == pytest.approx(5 / 8, abs=0.01)
    assert found["success_rate"] == 50


def test_a_new_version_begins_with_no_outcomes(
    engine: Rest, patterns: Patterns, outcomes: Outcomes, pattern_id: str
) -> None:
    """The lower bound and the failures in a row are those of the latest version; the rate is all."""
    for letter in "--":
        outcomes.settle(pattern_id, letter)
    patterns.disable(pattern_id)
    patterns.approve(pattern_id, "select 2")
    found = _pattern(engine, pattern_id)
    assert (found["confidence_lower_bound"], found["consecutive_failures"]) == (None, 0)
    outcomes.settle(pattern_id, "+")
    found = _pattern(engine, pattern_id)
    assert found["success_rate"] == 33.33
    assert found["confidence_lower_bound"] == pytest.approx(0.05**0.5, abs=0.001)


@pytest.mark.parametrize(("verified", "failed"), [(-1, 0), (0, -1), ("NaN", 0), ("Infinity", 0)])
def test_there_is_no_bound_of_impossible_outcomes(
    database: Sql, verified: object, failed: object
) -> None:
    """An error, and not a search without end."""
    with pytest.raises(Exception, match="no bound of"):
        _bound(database, verified, failed)
