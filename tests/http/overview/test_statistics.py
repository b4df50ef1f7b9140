"""The statistics have the specification's key figures and three more."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.http.conftest import Load, Wire

FIGURES = {
    "total_patterns": 42,
    "enabled_patterns": 18,
    "approved_patterns": 18,
    "avg_success_rate": 76.5,
    "total_applications": 324,
    "patterns_by_type": {"database": 15, "api": 12, "rls": 8, "stripe": 4, "deployment": 3},
    "top_patterns": [{"pattern_signature": "pattern_1", "success_rate": 95.0}],
    "awaiting_approval": [{"pattern_signature": "pattern_2", "occurrence_count": 12}],
    "unlearnable": {"total": 0, "latest": []},
    "as_of": "2026-01-01T00:00:00+00:00",
}


def test_the_figures_are_passed_on(load: Load, wire: Wire, engine: dict[str, str]) -> None:
    """The answer has exactly these keys, even if the database returns more."""
    wire.replies["statistics_v1"] = {**FIGURES, "internal": True}
    answer = load("statistics").get("/", headers=engine)
    assert answer.get_json() == {"statistics": FIGURES}


def test_types_without_patterns_are_zero(load: Load, wire: Wire, engine: dict[str, str]) -> None:
    """All five types are present, even without patterns."""
    wire.replies["statistics_v1"] = {**FIGURES, "patterns_by_type": {"api": 1}}
    found = load("statistics").get("/", headers=engine).get_json()["statistics"]
    assert found["patterns_by_type"] == {
        "database": 0,
        "api": 1,
        "rls": 0,
        "stripe": 0,
        "deployment": 0,
    }
