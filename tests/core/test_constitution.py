"""The Four Laws: each can pass, and each can fail."""

from dataclasses import replace
from typing import Any

import pytest

from pattern_engine.constitution import Circumstances, Limits, system_entropy, validate

CALM = Circumstances(
    pattern_signature="pattern_1",
    tables=("public.users",),
    recent_errors=3,
    recent_errors_of_pattern=1,
)


def _outcomes(**changes: Any) -> dict[int, str]:
    verdict = validate(replace(CALM, **changes))
    return {law.law: law.outcome for law in verdict.laws}


def test_a_bounded_fix_in_calm_times_complies() -> None:
    """All four laws pass, each with its name and a reason."""
    verdict = validate(CALM)
    assert verdict.compliant
    assert [(law.law, law.name) for law in verdict.laws] == [
        (1, "Do No Harm"),
        (2, "Increase Order"),
        (3, "Sacred Geometry"),
        (4, "Harmonic Resonance"),
    ]
    assert all(law.reason for law in verdict.laws)


FAILURES = [
    (1, {"findings": ("delete without WHERE",)}, "delete without WHERE"),
    (1, {"max_rows": None}, "no cap"),
    (1, {"max_rows": 100_001}, "100001"),
    (2, {"recent_errors": 100, "recent_errors_of_pattern": 49}, "49 of them, 49%"),
    (2, {"recent_errors": 5_000, "recent_errors_of_pattern": 0}, "entropy of 1.00"),
    (3, {"timeout_ms": 8_001}, "8001 ms"),
    (3, {"timeout_ms": 0}, "0 ms"),
    (3, {"max_retries": 9}, "9 retries"),
    (3, {"max_retries": -1}, "-1 retries"),
    (3, {"confidence": 0.49}, "0.49"),
    (3, {"confidence": float("nan")}, "nan"),
    (4, {"seconds_since_last_application": 59.0}, "59 s"),
]


@pytest.mark.parametrize(("law", "changes", "reason"), FAILURES)
def test_each_law_can_fail(law: int, changes: dict[str, Any], reason: str) -> None:
    """What breaks one law breaks that one alone, and the reason holds the number."""
    verdict = validate(replace(CALM, **changes))
    assert [violation.law for violation in verdict.violations] == [law]
    assert reason in verdict.violations[0].reason
    assert not verdict.compliant


ALLOWED: list[dict[str, Any]] = [
    {"max_rows": 100_000},
    {"max_rows": None, "writes": False},
    {"recent_errors": 99, "recent_errors_of_pattern": 0},
    {"recent_errors": 100, "recent_errors_of_pattern": 50},
    {"timeout_ms": 8_000, "max_retries": 8, "confidence": 0.50},
    {"seconds_since_last_application": 60.0},
    {"seconds_since_last_application": None},
]


@pytest.mark.parametrize("changes", ALLOWED)
def test_the_limits_themselves_are_allowed(changes: dict[str, Any]) -> None:
    """A value at its limit passes."""
    assert set(_outcomes(**changes).values()) == {"pass"}


def test_limits_are_values() -> None:
    """Another set of limits gives another verdict."""
    assert not validate(CALM, Limits(max_rows=10)).compliant
    later = replace(CALM, seconds_since_last_application=5.0)
    assert validate(later, Limits(cooldown_seconds=1.0)).compliant


@pytest.mark.parametrize(("errors", "entropy"), [(0, 0.0), (7, 0.07), (100, 1.0), (1000, 1.0)])
def test_entropy_is_errors_over_a_hundred(errors: int, entropy: float) -> None:
    """Zero to one, as the specification has it."""
    assert system_entropy(errors) == entropy


def test_the_json_has_the_specifications_profile() -> None:
    """The profile's fields as the specification names them, laws and verdict beside them."""
    assert validate(CALM).as_dict() == {
        "method_type": "harmonic_resonance",
        "risk_to_life": 0.0,
        "entropy_increase": -0.05,
        "geometric_ratio": 1.618,
        "target_frequency": 7.83,
        "description": "Auto-fix pattern: pattern_1",
        "system_entropy": 0.03,
        "laws": [
            {
                "law": 1,
                "name": "Do No Harm",
                "outcome": "pass",
                "reason": "at most 1000 rows in public.users",
            },
            {
                "law": 2,
                "name": "Increase Order",
                "outcome": "pass",
                "reason": "3 errors in five minutes make an entropy of 0.03",
            },
            {
                "law": 3,
                "name": "Sacred Geometry",
                "outcome": "pass",
                "reason": "5000 ms, 0 retries, confidence 0.50",
            },
            {
                "law": 4,
                "name": "Harmonic Resonance",
                "outcome": "pass",
                "reason": "never applied before",
            },
        ],
        "compliant": True,
    }


@pytest.mark.parametrize(
    ("changes", "field", "value"),
    [
        ({"max_rows": None}, "risk_to_life", 1.0),
        ({"recent_errors": 200}, "entropy_increase", 0.05),
        ({"max_retries": 99}, "geometric_ratio", 0.0),
        ({"seconds_since_last_application": 1.0}, "target_frequency", 0.0),
    ],
)
def test_a_failed_law_shows_in_the_profile(
    changes: dict[str, Any], field: str, value: float
) -> None:
    """The profile is computed: a law that fails changes the number that stands for it."""
    assert getattr(validate(replace(CALM, **changes)).profile, field) == value
