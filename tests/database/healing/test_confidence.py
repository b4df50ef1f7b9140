"""Success rate over all decided outcomes; confidence over the last ten, by a table.

Whether the script itself ended well decides neither: what counts is whether the error stopped.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from tests.database.healing.outcomes import WINDOW

if TYPE_CHECKING:
    from tests.conftest import Rest, Sql
    from tests.database.conftest import Patterns
    from tests.database.healing.outcomes import Outcomes


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


def test_nobody_but_the_database_says_what_is_verified(
    engine: Rest, patterns: Patterns, database: Sql
) -> None:
    """The secret key writes no verification, and reads them all."""
    pattern_id = patterns.new()
    patterns.approve(pattern_id)
    patterns.apply(pattern_id)
    assert engine.select("pattern_verifications", pattern_id=f"eq.{pattern_id}")
    for right in ("insert", "update", "delete", "truncate"):
        assert not database.value(
            "select has_any_column_privilege(%s, 'ops.pattern_verifications', %s)"
            if right in ("insert", "update")
            else "select has_table_privilege(%s, 'ops.pattern_verifications', %s)",
            "service_role",
            right,
        )
