"""Success rate over all applications; confidence over the last ten, by a table."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.conftest import Rest
    from tests.database.conftest import Patterns


def _finish(engine: Rest, patterns: Patterns, pattern_id: str, success: bool) -> dict[str, Any]:
    application_id = patterns.claim(pattern_id)["application_id"]
    outcome: dict[str, Any] = engine.call(
        "finish_application_v1",
        p_application_id=application_id,
        p_outcome={"success": success, "error": None, "execution_time_ms": 1},
    )
    return outcome


@pytest.mark.parametrize(
    ("outcomes", "rate", "confidence"),
    [
        # + is a success, - a failure, oldest first.
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
    ],
)
def test_rate_and_confidence_follow_the_table(
    engine: Rest, patterns: Patterns, outcomes: str, rate: float, confidence: float
) -> None:
    """0.95 from 90 %, 0.85 from 75 %, 0.70 from 60 %, 0.60 from 50 %, else 0.50."""
    pattern_id = patterns.new()
    patterns.approve(pattern_id)
    for letter in outcomes:
        last = _finish(engine, patterns, pattern_id, letter == "+")
    assert last["pattern"] == {"success_rate": rate, "confidence_score": confidence}
    stored = engine.select("error_patterns", pattern_id=f"eq.{pattern_id}")[0]
    assert (stored["success_rate"], stored["confidence_score"]) == (rate, confidence)


def test_runs_that_end_together_all_count(engine: Rest, patterns: Patterns) -> None:
    """Of many applications that are recorded at once the last one has counted all."""
    pattern_id = patterns.new()
    patterns.approve(pattern_id)
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda n: _finish(engine, patterns, pattern_id, n % 4 > 0), range(16)))
    stored = engine.select("error_patterns", pattern_id=f"eq.{pattern_id}")[0]
    assert stored["success_rate"] == 75
    assert len(engine.select("pattern_applications", pattern_id=f"eq.{pattern_id}")) == 16


def test_counting_an_error_leaves_the_confidence(engine: Rest, patterns: Patterns) -> None:
    """Confidence is about the fix: more errors do not change it."""
    error = patterns.error()
    pattern_id = patterns.learn(error)[0]["pattern_id"]
    patterns.approve(pattern_id)
    _finish(engine, patterns, pattern_id, success=True)
    assert patterns.learn(error)[0]["confidence_score"] == 0.95
