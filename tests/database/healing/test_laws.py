"""The parts of the Four Laws that follow from what happened, by rows of the real tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.database.healing.policy import broken

from pattern_engine.fixes.retries import PAUSES_SECONDS
from pattern_engine.laws import verdict
from pattern_engine.limits import FIX_TYPES, FixType

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Sql
    from tests.database.healing.past import Past

    Story = Callable[[Past], object]
    Policy = dict[str, float]

DAY, HOUR = 86_400, 3_600


NOTHING: Story = lambda past: past  # noqa: E731  a case like the others
SHARE = {"storm_share": 0.9}
WEAK, FADED = {"confidence_lower_bound": 0.0999}, {"confidence_lower_bound": 0}
FAILURES: list[tuple[int, str, Story, Policy]] = [
    # law, part, what happened, thresholds
    (2, "load", lambda past: past.errors(100).incidents(49, 10), {}),
    (2, "load", lambda past: past.errors(500), {}),
    (2, "load", lambda past: past.errors(10), {"errors_at_maximum": 10}),
    (2, "load", lambda past: past.errors(100).incidents(89, 10), SHARE),
    (2, "history", lambda past: past.outcomes(1, "verified").outcomes(2, "failed"), {}),
    (2, "history", lambda past: past.outcomes(10, "failed"), {}),
    (3, "runs", lambda past: past.runs(60).incidents(99), {}),
    (3, "runs", lambda past: past.runs(2).incidents(2), {"runs_per_hour": 2}),
    (3, "runs_of_incidents", lambda past: past.runs(3).incidents(2), {}),
    (3, "runs_of_incidents", lambda past: past.runs(2), {}),
    (3, "runs_of_incidents", lambda past: past.runs(2).incidents(2), {"runs_per_incident": 0.5}),
    (3, "rows", lambda past: past.runs(1, rows=100_001).incidents(200), {}),
    (
        *(3, "rows", lambda past: past.runs(1, rows=51).runs(1, rows=50).incidents(2)),
        {"rows_per_hour": 100},
    ),
    (3, "rows_of_incidents", lambda past: past.runs(1, rows=1_001), {}),
    (3, "rows_of_incidents", lambda past: past.runs(2, rows=1_001).incidents(2), {}),
    (
        *(3, "rows_of_incidents", lambda past: past.runs(1, rows=39).incidents(2)),
        {"rows_per_incident": 19},
    ),
    (3, "confidence", lambda past: past.rated(confidence_score=0.49), {}),
    (3, "lower_bound", lambda past: past.rated(confidence_outcomes=5, **WEAK), {}),
    (3, "lower_bound", lambda past: past.rated(confidence_outcomes=4.5, **WEAK), {}),
    (4, "cooldown", lambda past: past.runs(1, 58, target=""), {}),
    (4, "cooldown", lambda past: past.runs(1, 118, target="").rated(consecutive_failures=2), {}),
    (
        4,
        "cooldown",
        lambda past: past.runs(1, 2 * DAY - 60, target="").rated(consecutive_failures=2),
        {"cooldown_seconds": DAY},
    ),
    (4, "flapping", lambda past: past.outcomes(3, "failed", version=9, overturned=DAY - 60), {}),
    (4, "storm", NOTHING, {"storm_patterns": 1}),
]


@pytest.mark.parametrize(("law", "part", "story", "policy"), FAILURES)
def test_each_part_of_each_law_can_fail(
    past: Past, law: int, part: str, story: Story, policy: Policy
) -> None:
    """What breaks one part breaks that one alone, fails its law alone, and has words."""
    story(past)
    found = past.judged(policy)
    assert broken({"validation": found}) == [(law, part)]
    assert [each["law"] for each in found["laws"] if each["outcome"] == "fail"] == [law]
    assert found["compliant"] is False
    told = verdict.sentence(part, found["laws"][law - 1]["numbers"])
    assert verdict.against(found).startswith(told)


AT_THE_LIMIT: list[tuple[Story, Policy]] = [
    (NOTHING, {}),
    (lambda past: past.errors(99), {}),
    (lambda past: past.errors(100).incidents(50, 10), {}),
    (lambda past: past.errors(100).incidents(90, 10), SHARE),
    (lambda past: past.outcomes(2, "failed"), {}),
    (lambda past: past.outcomes(2, "failed").outcomes(2, "verified"), {}),
    (lambda past: past.runs(59).incidents(59), {}),
    (lambda past: past.runs(1), {}),
    (lambda past: past.runs(1, rows=100_000).incidents(100), {}),
    (lambda past: past.runs(1, rows=1_000), {}),
    (lambda past: past.rated(confidence_score=0.50), {}),
    (lambda past: past.rated(confidence_outcomes=99, confidence_lower_bound=0.1), {}),
    (lambda past: past.rated(confidence_outcomes=4.49, **FADED), {}),
    (lambda past: past.runs(1, 60, target=""), {}),
    (lambda past: past.runs(1, 0, target=""), {"cooldown_seconds": 0}),
    (lambda past: past.runs(1, 120, target="").rated(consecutive_failures=2), {}),
    (lambda past: past.outcomes(2, "failed", version=9, overturned=60), {}),
    (NOTHING, {"storm_patterns": 2}),
]


@pytest.mark.parametrize(("story", "policy"), AT_THE_LIMIT)
def test_what_is_still_allowed_passes(past: Past, story: Story, policy: Policy) -> None:
    """The last value before the one that fails."""
    story(past)
    found = past.judged(policy)
    assert broken({"validation": found}) == []
    assert [law["outcome"] for law in found["laws"]] == ["pass"] * 4
    assert found["compliant"] is True


BESIDE_THE_POINT: dict[str, Story] = {
    "errors of more than five minutes ago": lambda past: past.errors(200, 301),
    "warnings": lambda past: past.errors(200, level="warning"),
    "critical rows": lambda past: past.errors(200, level="critical"),
    "outcomes from before it was enabled": lambda past: past.outcomes(9, "failed", HOUR + 1),
    "outcomes of another version": lambda past: past.outcomes(9, "failed", version=2),
    "outcomes of a shadow": lambda past: past.outcomes(9, "failed", mode="shadow"),
    "outcomes that nobody knows": lambda past: past.outcomes(9, "inconclusive"),
    "outcomes before the latest ten": lambda past: (
        past.outcomes(5, "failed", 50).outcomes(5, "verified", 60).outcomes(9, "failed", 70)
    ),
    "runs of more than an hour ago": lambda past: past.runs(99, HOUR + 1, rows=100_000),
    "what took runs back": lambda past: past.runs(99, rows=100_000, purpose="undo", target=""),
    "a run for another target": lambda past: past.runs(1, 1, target="other"),
    "a run of another version": lambda past: past.runs(1, 1, target="", version=2),
    "what was overturned more than a day ago": lambda past: past.outcomes(
        9, "failed", version=9, overturned=DAY + 1
    ),
}


@pytest.mark.parametrize("case", BESIDE_THE_POINT)
def test_what_does_not_count(past: Past, case: str) -> None:
    """What lies outside a part's time, or is of something else, speaks against nothing."""
    BESIDE_THE_POINT[case](past)
    assert broken({"validation": past.judged()}) == []


def test_a_run_that_is_taken_over_does_not_count(past: Past) -> None:
    """Neither for the budget nor for the cooldown: its worker died, and it is this very run."""
    past.runs(1, 1, target="", rows=100)
    dead = "select application_id from ops.pattern_claims where pattern_id = %s"
    policy: Policy = {"runs_per_hour": 1, "rows_per_hour": 99}
    failing = [(3, "rows"), (3, "runs"), (4, "cooldown")]
    assert broken({"validation": past.judged(policy)}) == failing
    taken = str(past.sql.value(dead, past.pattern_id))
    assert broken({"validation": past.judged(policy, taken=taken)}) == []


@pytest.mark.parametrize("strict", FIX_TYPES)
def test_each_type_of_fix_has_a_confidence_of_its_own(past: Past, strict: FixType) -> None:
    """A bash script may be asked for more than a statement."""
    past.rated(confidence_score=0.85)
    policy = {f"min_confidence_{strict}": 0.9}
    for fix_type in FIX_TYPES:
        found = past.judged(policy, fix={"fix_type": fix_type})
        expected = [(3, "confidence")] if fix_type == strict else []
        assert broken({"validation": found}) == expected
        assert found["laws"][2]["numbers"]["min_confidence"] == (0.9 if expected else 0.5)


def test_pauses_grow_as_fibonacci_has_it(database: Sql, past: Past) -> None:
    """One sequence for the cooldown, for retries in the database, and for those of the engine."""
    rows = database.rows("select ops_internal.fibonacci(n) as f from generate_series(0, 7) as n")
    found = [row["f"] for row in rows]
    assert found == [1, 1, 2, 3, 5, 8, 13, 21]
    assert [round(pause / 0.1) for pause in PAUSES_SECONDS] == found
    for failures, factor in enumerate(found):
        past.rated(consecutive_failures=failures)
        rhythm = past.judged({"cooldown_seconds": 10})["laws"][3]["numbers"]
        assert (rhythm["pause_seconds"], rhythm["cooldown_seconds"]) == (10 * factor, 10)
    past.rated(consecutive_failures=1_000_000)
    longest = past.judged({"cooldown_seconds": DAY})["laws"][3]["numbers"]["pause_seconds"]
    assert longest == 1e9, "a pause has an end"
