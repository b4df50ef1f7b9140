"""The Four Laws: each can pass, each part of each can fail, and all say with which numbers."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pattern_engine.laws.circumstances import Circumstances
from pattern_engine.laws.parts import Part, backoff_seconds, is_quiet, system_entropy
from pattern_engine.laws.verdict import LawVerdict, validate
from pattern_engine.thresholds import Thresholds, quiet_hours

NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)
CALM = Circumstances(
    pattern_signature="pattern_1",
    tables=("public.users",),
    dry_run_rows=12,
    verified_outcomes=10,
    decided_outcomes=20,
    lower_bound=0.8,
    recent_errors=3,
    recent_errors_of_pattern=1,
    runs_last_hour=2,
    rows_last_hour=40,
    incidents_last_hour=2,
    seconds_since_last_run=600.0,
    firing_patterns=1,
    now=NOON,
)
NEW = Circumstances(pattern_signature="pattern_2", now=NOON)
USUAL = Thresholds()


def test_a_proven_fix_in_calm_times_complies() -> None:
    """All four laws pass, each with its name and a reason, and nothing is left open."""
    verdict = validate(CALM, USUAL)
    assert verdict.compliant
    assert [(law.law, law.name, law.outcome) for law in verdict.laws] == [
        (1, "Do No Harm", "pass"),
        (2, "Increase Order", "pass"),
        (3, "Sacred Geometry", "pass"),
        (4, "Harmonic Resonance", "pass"),
    ]
    assert not any("not evaluated" in law.reason for law in verdict.laws)
    assert not any(None in law.numbers.values() for law in verdict.laws)


def test_a_new_fix_complies_and_says_what_nobody_knows_yet() -> None:
    """What has no data is named in the reason and null among the numbers, and forbids nothing."""
    verdict = validate(NEW, USUAL)
    assert verdict.compliant
    assert {
        law.law: (
            law.reason.partition("not evaluated: ")[2],
            [name for name, figure in law.numbers.items() if figure is None],
        )
        for law in verdict.laws
    } == {
        1: ("there was no dry-run", ["dry_run_rows"]),
        2: ("no outcome is decided, -0.05 is assumed", ["share_of_errors", "entropy_increase"]),
        3: ("0 decided outcomes, a lower bound needs 5", ["lower_bound"]),
        4: ("there was no run before", ["seconds_since_last_run"]),
    }


NAN = float("nan")
Changes = dict[str, Any]
FAILURES: list[tuple[int, Changes, Changes, str]] = [
    # law, circumstances, thresholds, what the reason says
    (1, {"findings": ("delete without WHERE",)}, {}, "the analysis found: delete without WHERE"),
    (1, {"destructive": ("delete x.y",)}, {"allow_destructive": False}, "off here: delete x.y"),
    (1, {"max_rows": None}, {}, "no cap"),
    (1, {"max_rows": 100_001}, {}, "its cap is 100001 rows, 100000 are allowed"),
    (1, {"max_rows": 11, "dry_run_rows": 1}, {"most_rows": 10}, "its cap is 11 rows, 10 are"),
    (1, {"dry_run_rows": 1_001}, {}, "its dry-run touched 1001 rows, its cap is 1000"),
    (1, {"max_rows": 0, "dry_run_rows": 1}, {}, "its dry-run touched 1 rows, its cap is 0"),
    (1, {"tables": ("a.b", "c.d")}, {"most_tables": 1}, "tables: 2 (a.b, c.d), 1 are allowed"),
    (1, {"hosts": [f"h{n}" for n in range(6)]}, {}, "hosts: 6 (h0, h1"),
    (2, {"recent_errors": 100, "recent_errors_of_pattern": 49}, {}, "49 of them, 49%"),
    (2, {"recent_errors": 5_000, "recent_errors_of_pattern": 0}, {}, "entropy of 1.00"),
    (2, {"recent_errors": 10}, {"errors_at_maximum": 10}, "10 errors in five minutes"),
    (2, {"recent_errors": 100, "recent_errors_of_pattern": 89}, {"storm_share": 0.9}, "90% needed"),
    (2, {"verified_outcomes": 1, "failed_outcomes": 2}, {}, "1 of 3 decided outcomes"),
    (2, {"verified_outcomes": 0, "failed_outcomes": 10}, {}, "entropy increase of 0.050"),
    (3, {"timeout_ms": 8_001}, {}, "8001 ms, 1 to 8000 are allowed"),
    (3, {"timeout_ms": 60_001, "most_timeout_ms": 60_000}, {}, "60001 ms, 1 to 60000"),
    (3, {"timeout_ms": 0}, {}, "0 ms"),
    (3, {"max_retries": 9}, {}, "9 retries, 0 to 8 are allowed"),
    (3, {"max_retries": -1}, {}, "-1 retries"),
    (3, {"runs_last_hour": 60, "incidents_last_hour": 99}, {}, "60 runs in the last hour, 60 are"),
    (3, {"runs_last_hour": 2}, {"runs_per_hour": 2}, "2 runs in the last hour, 2 are allowed"),
    (3, {"runs_last_hour": 3}, {}, "3 runs for 2 errors in the last hour, up to 2"),
    (3, {"incidents_last_hour": 0}, {}, "2 runs for 0 errors in the last hour, up to 1"),
    (3, {"runs_last_hour": 2}, {"runs_per_incident": 0.5}, "up to 1 are in proportion"),
    (3, {"rows_last_hour": 101}, {"rows_per_hour": 100}, "101 rows in the last hour, 100 are"),
    (3, {"rows_last_hour": 2_001}, {}, "2001 rows for 2 errors in the last hour, up to 2000"),
    (3, {"rows_last_hour": 40}, {"rows_per_incident": 19}, "up to 38 are in proportion"),
    (3, {"confidence": 0.49}, {}, "a confidence of 0.49, 0.50 needed for sql"),
    (3, {"confidence": NAN}, {}, "a confidence of nan"),
    (3, {"lower_bound": 0.09}, {}, "a lower bound of 0.090, 0.100 needed"),
    (3, {"lower_bound": NAN}, {}, "a lower bound of nan"),
    (3, {"lower_bound": 0.09, "decided_outcomes": 5}, {}, "a lower bound of 0.090"),
    (4, {"seconds_since_last_run": 59.9}, {}, "59.9 s since the last run, 60.0 s needed"),
    (4, {"seconds_since_last_run": NAN}, {}, "nan s since the last run"),
    (4, {"seconds_since_last_run": 119.0, "consecutive_failures": 2}, {}, "120.0 s needed after 2"),
    (4, {"flaps_last_day": 3}, {}, "3 verified outcomes overturned in a day, 3 are flapping"),
    (4, {"firing_patterns": 10}, {}, "10 patterns with a fix fired within 60 s, 10 are a storm"),
    (4, {}, {"quiet_hours": quiet_hours("11:00-13:00")}, "in the quiet hours 11:00-13:00 UTC"),
]


@pytest.mark.parametrize(("law", "changes", "thresholds", "reason"), FAILURES)
def test_each_part_of_each_law_can_fail(
    law: int, changes: Changes, thresholds: Changes, reason: str
) -> None:
    """What breaks one law breaks that one alone, and the reason holds the numbers."""
    verdict = validate(replace(CALM, **changes), replace(USUAL, **thresholds))
    assert [violation.law for violation in verdict.violations] == [law]
    assert reason in verdict.violations[0].reason
    assert not verdict.compliant


def test_each_type_of_fix_has_a_confidence_of_its_own() -> None:
    """A bash script may be asked for more than a statement."""
    types = ("sql", "typescript", "bash", "api_call")
    for strict in types:
        changes: Changes = {f"min_confidence_{strict}": 0.9}
        thresholds = replace(USUAL, **changes)
        for fix_type in types:
            asked = replace(CALM, fix_type=fix_type, confidence=0.85)
            assert validate(asked, thresholds).compliant == (fix_type != strict)
    with pytest.raises(KeyError):
        validate(replace(CALM, fix_type="cobol"), USUAL)


AT_THE_LIMIT: list[tuple[Changes, Changes]] = [
    ({"max_rows": 100_000, "dry_run_rows": 100_000}, {}),
    ({"max_rows": None, "writes": False}, {}),
    ({"destructive": ("delete x.y",)}, {}),
    ({"tables": ("t",) * 10, "hosts": ("h",) * 5}, {}),
    ({"recent_errors": 99, "recent_errors_of_pattern": 0}, {}),
    ({"recent_errors": 100, "recent_errors_of_pattern": 50}, {}),
    ({"verified_outcomes": 0, "failed_outcomes": 2}, {}),
    ({"verified_outcomes": 2, "failed_outcomes": 2}, {}),
    ({"timeout_ms": 8_000, "max_retries": 8, "confidence": 0.50}, {}),
    ({"timeout_ms": 60_000, "most_timeout_ms": 60_000, "max_retries": 4}, {}),
    ({"runs_last_hour": 59, "incidents_last_hour": 59}, {}),
    ({"runs_last_hour": 1, "incidents_last_hour": 0}, {}),
    ({"rows_last_hour": 100_000, "incidents_last_hour": 100}, {}),
    ({"lower_bound": 0.1}, {}),
    ({"lower_bound": 0.0, "decided_outcomes": 4}, {}),
    ({"seconds_since_last_run": 60.0}, {}),
    ({"seconds_since_last_run": 0.0}, {"cooldown_seconds": 0.0}),
    ({"seconds_since_last_run": None}, {}),
    ({"flaps_last_day": 2, "firing_patterns": 9}, {}),
    ({}, {"quiet_hours": quiet_hours("12:01-12:00")}),
]


@pytest.mark.parametrize(("changes", "thresholds"), AT_THE_LIMIT)
def test_what_is_still_allowed_passes(changes: Changes, thresholds: Changes) -> None:
    """The last value before the one that fails."""
    verdict = validate(replace(CALM, **changes), replace(USUAL, **thresholds))
    assert [law.outcome for law in verdict.laws] == ["pass"] * 4


HELD = Part(True, "it held", {"a": 1})
BROKEN = Part(False, "it broke", {"b": 2})
UNKNOWN = Part(None, "nobody knows", {"c": None})


@pytest.mark.parametrize(
    ("parts", "outcome", "reason"),
    [
        ([HELD, HELD], "pass", "it held; it held"),
        ([HELD, UNKNOWN], "pass", "it held; not evaluated: nobody knows"),
        ([HELD, BROKEN], "fail", "it broke"),
        ([BROKEN, UNKNOWN], "fail", "it broke; not evaluated: nobody knows"),
        ([UNKNOWN], "not_evaluated", "not evaluated: nobody knows"),
    ],
)
def test_a_law_is_not_evaluated_only_if_nothing_of_it_could_be(
    parts: list[Part], outcome: str, reason: str
) -> None:
    """One part that does not hold decides; one without data decides nothing."""
    verdict = LawVerdict.of(2, parts)
    assert (verdict.outcome, verdict.reason) == (outcome, reason)
    assert verdict.numbers == {
        name: figure for part in parts for name, figure in part.numbers.items()
    }


@pytest.mark.parametrize(
    ("errors", "maximum", "entropy"),
    [(0, 100, 0.0), (7, 100, 0.07), (100, 100, 1.0), (1000, 100, 1.0), (7, 10, 0.7)],
)
def test_entropy_is_errors_over_their_maximum(errors: int, maximum: int, entropy: float) -> None:
    """Zero to one; the specification's maximum is a hundred."""
    assert system_entropy(errors, maximum) == entropy
    assert maximum != 100 or system_entropy(errors) == entropy


def test_the_pause_grows_as_fibonacci_has_it() -> None:
    """Each further failure in a row lengthens it; none shortens it."""
    thresholds = Thresholds(cooldown_seconds=10.0)
    pauses = [backoff_seconds(thresholds, failures) for failures in range(8)]
    assert pauses == [10, 10, 20, 30, 50, 80, 130, 210]


def test_the_json_has_the_specifications_profile() -> None:
    """The profile's fields as the specification names them, laws and verdict beside them."""
    told = validate(CALM, USUAL).as_dict()
    laws = told.pop("laws")
    assert told == {
        "method_type": "harmonic_resonance",
        "risk_to_life": 1 / 11,  # one table; the eleventh would be too many
        "entropy_increase": -0.05,
        "geometric_ratio": 1.618,
        "target_frequency": 7.83,
        "description": "Auto-fix pattern: pattern_1",
        "system_entropy": 0.03,
        "compliant": True,
    }
    assert isinstance(laws, list)
    assert [law["numbers"] for law in laws] == [
        {
            "findings": 0,
            "destructive_operations": 0,
            "allow_destructive": "on",
            "max_rows": 1_000,
            "most_rows": 100_000,
            "dry_run_rows": 12,
            "tables": 1,
            "most_tables": 10,
            "hosts": 0,
            "most_hosts": 5,
        },
        {
            "recent_errors": 3,
            "errors_at_maximum": 100,
            "system_entropy": 0.03,
            "recent_errors_of_pattern": 1,
            "share_of_errors": 1 / 3,
            "storm_share": 0.5,
            "verified_outcomes": 10,
            "failed_outcomes": 0,
            "entropy_increase": -0.05,
        },
        {
            "timeout_ms": 5_000,
            "most_timeout_ms": 8_000,
            "max_retries": 0,
            "most_retries": 8,
            "runs_last_hour": 2,
            "runs_per_hour": 60,
            "incidents_last_hour": 2,
            "runs_per_incident": 1.0,
            "rows_last_hour": 40,
            "rows_per_hour": 100_000,
            "rows_per_incident": 1_000,
            "confidence": 0.5,
            "min_confidence_sql": 0.5,
            "lower_bound": 0.8,
            "min_lower_bound": 0.1,
            "decided_outcomes": 20,
            "min_lower_bound_outcomes": 5,
        },
        {
            "seconds_since_last_run": 600.0,
            "pause_seconds": 60.0,
            "cooldown_seconds": 60.0,
            "consecutive_failures": 0,
            "flaps_last_day": 0,
            "flaps_per_day": 3,
            "firing_patterns": 1,
            "storm_patterns": 10,
            "storm_seconds": 60.0,
            "now": "2026-01-15T12:00:00+00:00",
            "quiet_hours": "",
        },
    ]
    assert laws[0] == {
        "law": 1,
        "name": "Do No Harm",
        "outcome": "pass",
        "reason": "the analysis found nothing; no operation is destructive; "
        "its cap is 1000 rows, 100000 are allowed; its dry-run touched 12 rows, its cap is 1000; "
        "tables: 1 (public.users), 10 are allowed; hosts: 0, 5 are allowed",
        "numbers": laws[0]["numbers"],
    }


def test_a_verdict_is_json_whatever_was_looked_at() -> None:
    """A confidence that is no number must not keep its own violation from being recorded."""
    odd = replace(CALM, confidence=NAN, seconds_since_last_run=float("inf"))
    told = json.dumps(validate(odd, USUAL).as_dict(), allow_nan=False)
    assert '"confidence": "nan"' in told
    even = replace(CALM, verified_outcomes=3, failed_outcomes=3)
    assert '"entropy_increase": 0.0' in json.dumps(validate(even, USUAL).as_dict())


@pytest.mark.parametrize(
    ("changes", "field", "value"),
    [
        ({"tables": ("t",), "max_rows": 90_000}, "risk_to_life", 90_000 / 100_001),
        ({"dry_run_rows": 999}, "risk_to_life", 999 / 1_001),
        ({"hosts": ("a", "b", "c", "d", "e")}, "risk_to_life", 5 / 6),
        ({"findings": ("x",)}, "risk_to_life", 1.0),
        ({"dry_run_rows": 10**9}, "risk_to_life", 1.0),
        ({"recent_errors": 200}, "system_entropy", 1.0),
        ({"verified_outcomes": 1, "failed_outcomes": 3}, "entropy_increase", 0.025),
        ({"verified_outcomes": 3, "failed_outcomes": 3}, "entropy_increase", 0.0),
        ({"verified_outcomes": 0}, "entropy_increase", -0.05),
        ({"max_retries": 99}, "geometric_ratio", 1.618 * 7 / 8),
        ({"max_retries": 99, "lower_bound": None}, "geometric_ratio", 1.618 * 6 / 7),
        ({"flaps_last_day": 3, "firing_patterns": 99}, "target_frequency", 7.83 / 2),
    ],
)
def test_the_profile_is_computed(changes: Changes, field: str, value: float) -> None:
    """Each of its numbers moves with what it stands for."""
    profile = validate(replace(CALM, **changes), USUAL).profile
    assert getattr(profile, field) == pytest.approx(value, rel=1e-12)


@given(
    st.builds(
        Circumstances,
        pattern_signature=st.just("pattern_3"),
        findings=st.lists(st.just("x"), max_size=1),
        destructive=st.lists(st.just("x"), max_size=1),
        writes=st.booleans(),
        tables=st.lists(st.just("t"), max_size=12),
        hosts=st.lists(st.just("h"), max_size=7),
        max_rows=st.none() | st.integers(0, 200_000),
        dry_run_rows=st.none() | st.integers(0, 200_000),
        now=st.just(NOON),
    ),
    st.booleans(),
)
def test_certain_risk_and_the_first_law_are_one(asked: Circumstances, allow: bool) -> None:
    """The risk is 1 exactly when the law fails, and within 0 to 1 always."""
    verdict = validate(asked, Thresholds(allow_destructive=allow))
    assert 0.0 <= verdict.profile.risk_to_life <= 1.0
    assert (verdict.profile.risk_to_life == 1.0) == (verdict.laws[0].outcome == "fail")


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("listed", "now", "quiet"),
    [
        ("", "2026-01-15T03:00Z", False),
        ("22:00-06:00", "2026-01-15T21:59:59.999Z", False),
        ("22:00-06:00", "2026-01-15T22:00Z", True),
        ("22:00-06:00", "2026-01-15T00:00Z", True),
        ("22:00-06:00", "2026-01-15T05:59:59.999Z", True),
        ("22:00-06:00", "2026-01-15T06:00Z", False),
        ("12:00-13:00", "2026-01-15T11:59Z", False),
        ("12:00-13:00", "2026-01-15T12:00Z", True),
        ("12:00-13:00", "2026-01-15T13:00Z", False),
        ("00:00-24:00", "2026-01-15T23:59Z", True),
        ("22:00-24:00", "2026-01-15T00:00Z", False),
        ("22:00-06:00, 12:00-13:00", "2026-01-15T12:30Z", True),
        # The moment may be told in any zone.
        ("22:00-06:00", "2026-01-15T16:30-06:00", True),
        # Berlin is an hour ahead of UTC in winter and two hours in summer.
        ("22:00-06:00 Europe/Berlin", "2026-01-15T20:59Z", False),
        ("22:00-06:00 Europe/Berlin", "2026-01-15T21:00Z", True),
        ("22:00-06:00 Europe/Berlin", "2026-07-15T20:00Z", True),
        ("22:00-06:00 Europe/Berlin", "2026-07-15T04:00Z", False),
        ("22:00-06:00 Europe/Berlin, 12:00-13:00 America/New_York", "2026-01-15T17:00Z", True),
        # 25 October 2026: three o'clock turns back to two, and half past two strikes twice.
        ("02:15-02:45 Europe/Berlin", "2026-10-25T00:30Z", True),
        ("02:15-02:45 Europe/Berlin", "2026-10-25T01:00Z", False),
        ("02:15-02:45 Europe/Berlin", "2026-10-25T01:30Z", True),
        # 29 March 2026: two o'clock is three o'clock, and there is no half past two.
        ("02:15-02:45 Europe/Berlin", "2026-03-29T00:59:59Z", False),
        ("02:15-02:45 Europe/Berlin", "2026-03-29T01:00Z", False),
        ("02:15-03:15 Europe/Berlin", "2026-03-29T01:00Z", True),
    ],
)
def test_quiet_hours_go_by_the_clock_on_the_wall(listed: str, now: str, quiet: bool) -> None:
    """Over midnight, in any zone, through both changes of the clock."""
    assert is_quiet(_at(now), quiet_hours(listed)) is quiet


def test_a_night_is_as_long_as_the_clocks_make_it() -> None:
    """22:00 to 06:00 in Berlin: eight hours, nine and seven when the clocks change."""
    night = quiet_hours("22:00-06:00 Europe/Berlin")
    for noon, hours in (("2026-06-15", 8), ("2026-10-24", 9), ("2026-03-28", 7)):
        start = _at(f"{noon}T10:00Z")
        minutes = sum(is_quiet(start + timedelta(minutes=n), night) for n in range(24 * 60))
        assert minutes == hours * 60


def test_a_time_without_a_zone_is_no_time() -> None:
    """Taken for the machine's own zone it would be right on one machine and wrong on another."""
    with pytest.raises(ValueError, match="no time zone"):
        is_quiet(_at("2026-01-15T12:00"), quiet_hours("22:00-06:00"))
