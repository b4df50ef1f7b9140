"""What the Four Laws say together: the verdict of the database, and its words."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from psycopg.types.json import Jsonb
from tests.conftest import RefusedError
from tests.database.healing.past import USUAL, Past
from tests.database.healing.policy import PARTS, POLICY

from pattern_engine.laws import verdict
from pattern_engine.laws.circumstances import Circumstances
from pattern_engine.laws.parts import parts
from pattern_engine.thresholds import Thresholds

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Sql
    from tests.database.conftest import Patterns

    Story = Callable[[Past], object]
    Policy = dict[str, float]

NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)


PROVEN = Circumstances(tables=("public.users",), dry_run_rows=12, now=NOON)


def _engine(circumstances: Circumstances) -> list[dict[str, Any]]:
    return [part._asdict() for part in parts(circumstances, Thresholds())]


def _prove(past: Past) -> None:
    """Ten outcomes verified, and two runs of the last hour for two errors."""
    past.errors(3)
    past.incidents(1, 10)
    past.incidents(1)
    past.runs(1, 600, target="", rows=30)
    past.runs(1, rows=10)
    past.outcomes(10, "verified")
    past.rated(confidence_score=0.9, confidence_lower_bound=0.8, confidence_outcomes=20)


def test_a_verdict_has_the_specifications_profile_and_every_number(past: Past) -> None:
    """The profile's fields as the specification names them, and four laws that pass."""
    _prove(past)
    found = past.judged(parts=_engine(PROVEN))
    laws = found.pop("laws")
    signature = past.sql.value(
        "select pattern_signature from ops.error_patterns where pattern_id = %s", past.pattern_id
    )
    assert found == {
        "method_type": "harmonic_resonance",
        "risk_to_life": pytest.approx(1 / 11),  # one table; the eleventh would be too many
        "entropy_increase": -0.05,
        "geometric_ratio": 1.618,
        "target_frequency": 7.83,
        "description": f"Auto-fix pattern: {signature}",
        "system_entropy": 0.03,
        "compliant": True,
    }
    assert [(law["law"], law["name"], law["outcome"]) for law in laws] == [
        (1, "Do No Harm", "pass"),
        (2, "Increase Order", "pass"),
        (3, "Sacred Geometry", "pass"),
        (4, "Harmonic Resonance", "pass"),
    ]
    assert all(holds is True for law in laws for holds in law["parts"].values())
    assert laws[0]["numbers"] == {
        name: figure
        for part in _engine(PROVEN)
        if part["law"] == 1
        for name, figure in part["numbers"].items()
    }
    assert laws[1]["numbers"] == {
        "recent_errors": 3,
        "errors_at_maximum": 100,
        "system_entropy": 0.03,
        "recent_errors_of_pattern": 1,
        "share_of_errors": pytest.approx(1 / 3),
        "storm_share": 0.5,
        "verified_outcomes": 10,
        "failed_outcomes": 0,
        "entropy_increase": -0.05,
    }
    assert laws[2]["numbers"] == {
        "timeout_ms": 5_000,
        "timeout_ms_allowed": 8_000,
        "max_retries": 0,
        "max_retries_allowed": 8,
        "runs_last_hour": 2,
        "runs_per_hour": 60,
        "incidents_last_hour": 2,
        "runs_per_incident": 1,
        "rows_last_hour": 40,
        "rows_per_hour": 100_000,
        "rows_per_incident": 1_000,
        "confidence": 0.9,
        "min_confidence": 0.5,
        "lower_bound": 0.8,
        "min_lower_bound": 0.1,
        "decided_outcomes": 20,
        "min_lower_bound_outcomes": 5,
    }
    assert laws[3]["numbers"] == {
        "seconds_since_last_run": pytest.approx(600, abs=30),
        "pause_seconds": 60,
        "cooldown_seconds": 60,
        "consecutive_failures": 0,
        "flaps_last_day": 0,
        "flaps_per_day": 3,
        "firing_patterns": 1,
        "storm_patterns": 10,
        "storm_seconds": 60,
        "now": "2026-01-15T12:00:00+00:00",
        "quiet_hours": "",
    }


def test_a_new_fix_complies_and_says_what_nobody_knows_yet(past: Past) -> None:
    """What has no data is null among the parts and the numbers, and forbids nothing."""
    found = past.judged()
    assert found["compliant"] is True
    assert found["entropy_increase"] == -0.05, "the specification's, until something is decided"
    unknown = {
        law["law"]: sorted(part for part, holds in law["parts"].items() if holds is None)
        for law in found["laws"]
    }
    assert unknown == {1: ["dry_run"], 2: ["history"], 3: ["lower_bound"], 4: ["cooldown"]}
    nulls = {
        law["law"]: sorted(name for name, figure in law["numbers"].items() if figure is None)
        for law in found["laws"]
    }
    assert nulls == {
        1: ["dry_run_rows"],
        2: ["entropy_increase", "share_of_errors"],
        3: ["lower_bound"],
        4: ["seconds_since_last_run"],
    }


@pytest.mark.parametrize(
    ("story", "policy", "field", "value"),
    [
        (lambda past: past.errors(200), {}, "system_entropy", 1),
        (lambda past: past.errors(7), {"errors_at_maximum": 10}, "system_entropy", 0.7),
        (
            lambda past: past.outcomes(1, "verified").outcomes(3, "failed"),
            *({}, "entropy_increase", 0.025),
        ),
        (
            lambda past: past.outcomes(3, "verified").outcomes(3, "failed"),
            *({}, "entropy_increase", 0),
        ),
        # Of eight parts of Law 3 the lower bound cannot be judged without outcomes.
        (lambda past: past.runs(2), {}, "geometric_ratio", 1.618 * 6 / 7),
        (
            lambda past: past.rated(
                confidence_outcomes=9, confidence_score=0.4, confidence_lower_bound=0
            ),
            *({}, "geometric_ratio", 1.618 * 6 / 8),
        ),
        (lambda past: past, {"storm_patterns": 1}, "target_frequency", 7.83 * 2 / 3),
        (
            lambda past: past.runs(1, 1, target=""),
            *({"storm_patterns": 1}, "target_frequency", 7.83 / 2),
        ),
    ],
)
def test_the_profile_is_computed(
    past: Past, story: Story, policy: Policy, field: str, value: float
) -> None:
    """Each of its numbers moves with what it stands for."""
    story(past)
    assert past.judged(policy)[field] == pytest.approx(value, rel=1e-9)


def test_the_risk_is_that_of_the_riskiest_part(past: Past) -> None:
    """It is 1 exactly when Law 1 fails."""
    for circumstances, risk in (
        (Circumstances(max_rows=90_000, now=NOON), 90_000 / 100_001),
        (Circumstances(dry_run_rows=999, now=NOON), 999 / 1_001),
        (Circumstances(hosts=("a", "b", "c", "d", "e"), now=NOON), 5 / 6),
        (Circumstances(findings=("x",), now=NOON), 1),
        (Circumstances(dry_run_rows=10**9, now=NOON), 1),
    ):
        found = past.judged(parts=_engine(circumstances))
        assert found["risk_to_life"] == pytest.approx(risk, rel=1e-9)
        assert (found["laws"][0]["outcome"] == "fail") == (risk == 1)


def _part(name: str, holds: bool | None, **numbers: object) -> dict[str, Any]:
    return {"law": 2, "part": name, "holds": holds, "numbers": numbers}


HELD, BROKEN, UNKNOWN = _part("a", True, a=1), _part("b", False, b=2), _part("c", None, c=None)


@pytest.mark.parametrize(
    ("given", "outcome"),
    [
        ([HELD, HELD | {"part": "d"}], "pass"),
        ([HELD, UNKNOWN], "pass"),
        ([HELD, BROKEN], "fail"),
        ([BROKEN, UNKNOWN], "fail"),
        ([UNKNOWN], "not_evaluated"),
    ],
)
def test_a_law_is_not_evaluated_only_if_nothing_of_it_could_be(
    database: Sql, given: list[dict[str, Any]], outcome: str
) -> None:
    """One part that does not hold decides; one without data decides nothing."""
    found = database.value(
        "select ops_internal.constitutional_verdict('pattern_1', %s)", Jsonb(given)
    )
    (law,) = found["laws"]
    assert law["outcome"] == outcome
    assert found["compliant"] is (outcome != "fail")
    assert law["parts"] == {part["part"]: part["holds"] for part in given}
    assert law["numbers"] == {
        name: figure for part in given for name, figure in part["numbers"].items()
    }


@pytest.mark.parametrize("given", [Jsonb([]), None])
def test_no_parts_are_no_compliance(database: Sql, given: object) -> None:
    """Where nothing was looked at, nothing is allowed."""
    verdict_of = "select ops_internal.constitutional_verdict('pattern_1', %s)"
    assert database.value(verdict_of, given)["compliant"] is False


@pytest.mark.parametrize("missing", [part["part"] for part in PARTS])
def test_nothing_is_claimed_without_each_of_the_engines_parts(
    patterns: Patterns, missing: str
) -> None:
    """PL022: a part that is missing, there twice, or of another law could not forbid anything."""
    pattern_id = patterns.new()
    patterns.approve(pattern_id)
    others = [part for part in PARTS if part["part"] != missing]
    (part,) = (part for part in PARTS if part["part"] == missing)
    wrong = (others, [*others, part | {"law": 2}], [*PARTS, part], [*others, part | {"part": "x"}])
    for given in (*wrong, [], None):
        with pytest.raises(RefusedError) as refused:
            patterns.claim(pattern_id, p_parts=given)
        assert refused.value.code == "PL022"
    assert patterns.claim(pattern_id, p_parts=PARTS, p_policy=POLICY)["refusal"] is None


# -- Words -----------------------------------------------------------------------------------------


def test_every_part_has_its_words(past: Past) -> None:
    """What the database answers can be told, whether a part holds, does not, or nobody knows."""
    new = past.judged()
    names = {part for law in new["laws"] for part in law["parts"]}
    assert names == verdict.SENTENCES.keys()
    unknown = {part for law in new["laws"] for part, holds in law["parts"].items() if holds is None}
    assert unknown == verdict.UNKNOWN.keys()
    _prove(past)
    proven = past.judged(parts=_engine(PROVEN))
    for found, outcomes in ((new, (None,)), (proven, (True, False))):
        for law in found["laws"]:
            for holds in outcomes:
                told = {
                    part: holds for part in law["parts"] if holds is not None or part in unknown
                }
                worded = verdict.worded(found | {"laws": [law | {"parts": told}]})
                reason = worded["laws"][0]["reason"]
                assert reason
                assert "{" not in reason
                assert "None" not in reason


def test_the_words_have_the_numbers_of_the_database(past: Past) -> None:
    """Rounded for reading, from what was really answered."""
    _prove(past)
    reasons = [law["reason"] for law in verdict.worded(past.judged(USUAL))["laws"]]
    assert reasons[1] == (
        "3 errors in five minutes make an entropy of 0.03; 1 of them are of this pattern; at an "
        "entropy of 1 its share must be at least 50%; of the latest ten outcomes 10 are verified and "
        "0 failed"
    )
    assert reasons[2] == (
        "its time limit is 5000 ms, 8000 are allowed; it may be tried again 0 times, 8 are allowed; "
        "2 runs in the last hour, 60 are allowed; 2 runs for 2 errors in the last hour, 1 are "
        "allowed for each error; 40 rows touched in the last hour, 100000 are allowed; 40 rows "
        "touched for 2 errors in the last hour, 1000 are allowed for each error; a confidence of "
        "0.90, 0.50 is needed; by 20 decided outcomes its success rate is at least 80.0%, 10.0% is "
        "needed"
    )
