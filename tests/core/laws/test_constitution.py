"""The Four Laws: the parts that the engine computes, each of which can fail, and the words."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pattern_engine.healing import refusals
from pattern_engine.laws import verdict
from pattern_engine.laws.circumstances import Circumstances
from pattern_engine.laws.parts import is_quiet, parts
from pattern_engine.limits import FIX_TYPES, MAX_TIMEOUT_MS
from pattern_engine.thresholds import Thresholds, quiet_hours

NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)
CALM = Circumstances(tables=("public.users",), dry_run_rows=12, now=NOON)
USUAL = Thresholds()


def test_the_parts_of_a_script_that_nothing_speaks_against() -> None:
    """Each has its law and its numbers, beside their thresholds."""
    assert [part._asdict() for part in parts(CALM, USUAL)] == [
        _part(1, "analysis", 0, findings=[]),
        _part(1, "destruction", 0, destructive_operations=[], allow_destructive="on"),
        _part(1, "cap", 1_000 / 100_001, max_rows=1_000, max_rows_allowed=100_000, writes="yes"),
        _part(1, "dry_run", 12 / 1_001, dry_run_rows=12, max_rows=1_000),
        _part(1, "tables", 1 / 11, tables=["public.users"], max_tables=10),
        _part(1, "hosts", 0, hosts=[], max_hosts=5),
        _part(3, "time_limit", 0, timeout_ms=5_000, timeout_ms_allowed=8_000),
        _part(3, "retries", 0, max_retries=0, max_retries_allowed=8),
        _part(4, "quiet_hours", 0, now="2026-01-15T12:00:00+00:00", quiet_hours=""),
    ]


def _part(law: int, part: str, risk: float, **numbers: object) -> dict[str, Any]:
    return {"law": law, "part": part, "holds": True, "numbers": numbers, "risk": risk}


def test_without_a_dry_run_nobody_can_judge_by_one() -> None:
    """Every other part holds or does not."""
    found = {part.part: part.holds for part in parts(Circumstances(now=NOON), USUAL)}
    assert [name for name, holds in found.items() if holds is None] == ["dry_run"]


Changes = dict[str, Any]
FAILURES: list[tuple[int, str, Changes, Changes, str]] = [
    # law, part, circumstances, thresholds, what the sentence says
    (
        *(1, "analysis", {"findings": ("delete without WHERE", "no tests")}, {}),
        "the static analysis has 2 objections (delete without WHERE; no tests)",
    ),
    (
        *(1, "destruction", {"destructive": ("delete x.y",)}, {"allow_destructive": False}),
        "destructive operations: 1 (delete x.y), allow_destructive is off",
    ),
    (
        *(1, "cap", {"max_rows": 100_001}, {}),
        "the fix may touch 100001 rows (it writes: yes), 100000 are allowed",
    ),
    (
        *(1, "cap", {"max_rows": 11, "dry_run_rows": 1}, {"max_rows": 10}),
        "the fix may touch 11 rows (it writes: yes), 10 are allowed",
    ),
    (
        *(1, "dry_run", {"dry_run_rows": 1_001}, {}),
        "its dry-run touched 1001 rows, the fix may touch 1000",
    ),
    (
        *(1, "dry_run", {"max_rows": 0, "dry_run_rows": 1}, {}),
        "its dry-run touched 1 rows, the fix may touch 0",
    ),
    (
        *(1, "tables", {"tables": ("a.b", "c.d")}, {"max_tables": 1}),
        "it names 2 tables (a.b; c.d), 1 are allowed",
    ),
    (
        *(1, "hosts", {"hosts": [f"h{n}" for n in range(6)]}, {}),
        "it names 6 hosts (h0; h1; h2; h3; h4; h5), 5 are allowed",
    ),
    (3, "time_limit", {"timeout_ms": 8_001}, {}, "its time limit is 8001 ms, 8000 are allowed"),
    (
        *(3, "time_limit", {"timeout_ms": 60_001, "fix_type": "bash"}, {}),
        "its time limit is 60001 ms, 60000 are allowed",
    ),
    (3, "time_limit", {"timeout_ms": 0}, {}, "its time limit is 0 ms"),
    (3, "retries", {"max_retries": 9}, {}, "it may be tried again 9 times, 8 are allowed"),
    (3, "retries", {"max_retries": -1}, {}, "it may be tried again -1 times"),
    (
        *(4, "quiet_hours", {}, {"quiet_hours": quiet_hours("11:00-13:00")}),
        "it is 2026-01-15T12:00:00+00:00, the quiet hours are: 11:00-13:00 UTC",
    ),
]


@pytest.mark.parametrize(("law", "part", "changes", "thresholds", "told"), FAILURES)
def test_each_part_of_each_law_can_fail(
    law: int, part: str, changes: Changes, thresholds: Changes, told: str
) -> None:
    """What breaks one part breaks that one alone, and its sentence holds the numbers."""
    found = parts(replace(CALM, **changes), replace(USUAL, **thresholds))
    (broken,) = (each for each in found if each.holds is not True)
    assert (broken.law, broken.part, broken.holds) == (law, part, False)
    assert verdict.sentence(broken.part, broken.numbers).startswith(told)


AT_THE_LIMIT: list[tuple[Changes, Changes]] = [
    ({"max_rows": 100_000, "dry_run_rows": 100_000}, {}),
    ({"max_rows": 100_001, "writes": False}, {}),
    ({"destructive": ("delete x.y",)}, {}),
    ({"tables": ("t",) * 10, "hosts": ("h",) * 5}, {}),
    ({"timeout_ms": 1, "max_retries": 0}, {}),
    *(
        ({"fix_type": fix_type, "timeout_ms": MAX_TIMEOUT_MS[fix_type], "max_retries": 8}, {})
        for fix_type in FIX_TYPES
    ),
    ({}, {"quiet_hours": quiet_hours("12:01-12:00")}),
]


@pytest.mark.parametrize(("changes", "thresholds"), AT_THE_LIMIT)
def test_what_is_still_allowed_passes(changes: Changes, thresholds: Changes) -> None:
    """The last value before the one that fails."""
    found = parts(replace(CALM, **changes), replace(USUAL, **thresholds))
    assert [part.part for part in found if part.holds is not True] == []


@pytest.mark.parametrize(
    ("changes", "risk"),
    [
        ({}, 1 / 11),
        ({"tables": (), "max_rows": 90_000}, 90_000 / 100_001),
        ({"tables": (), "dry_run_rows": 999}, 999 / 1_001),
        ({"hosts": ("a", "b", "c", "d", "e")}, 5 / 6),
        ({"findings": ("x",)}, 1.0),
        ({"dry_run_rows": 10**9}, 1.0),
        ({"tables": (), "max_rows": 90_000, "writes": False}, 12 / 90_001),
    ],
)
def test_the_risk_is_computed(changes: Changes, risk: float) -> None:
    """A count's share of the first that is too many; the riskiest part decides."""
    found = parts(replace(CALM, **changes), USUAL)
    assert max(part.risk for part in found) == pytest.approx(risk, rel=1e-12)


@given(
    st.builds(
        Circumstances,
        findings=st.lists(st.just("x"), max_size=1),
        destructive=st.lists(st.just("x"), max_size=1),
        writes=st.booleans(),
        tables=st.lists(st.just("t"), max_size=12),
        hosts=st.lists(st.just("h"), max_size=7),
        max_rows=st.integers(0, 200_000),
        dry_run_rows=st.none() | st.integers(0, 200_000),
        now=st.just(NOON),
    ),
    st.booleans(),
)
def test_certain_risk_and_the_first_law_are_one(asked: Circumstances, allow: bool) -> None:
    """A part's risk is 1 exactly when it does not hold, and within 0 to 1 always; so is JSON."""
    found = parts(asked, Thresholds(allow_destructive=allow))
    for part in found:
        if part.law == 1:
            assert 0.0 <= part.risk <= 1.0
            assert (part.risk == 1.0) == (part.holds is False)
    assert json.loads(json.dumps([part._asdict() for part in found], allow_nan=False))


# -- Words: those of the parts that the database computes are tested with its numbers -------------


def _law(**parts: bool | None) -> dict[str, Any]:
    """Law 3 as the database answers it."""
    return {
        "law": 3,
        "name": "Sacred Geometry",
        "outcome": "fail" if False in parts.values() else "pass",
        "parts": parts,
        "numbers": {
            "timeout_ms": 9,
            "timeout_ms_allowed": 8,
            "max_retries": 1,
            "max_retries_allowed": 2,
            "decided_outcomes": 4,
            "min_lower_bound_outcomes": 5,
        },
    }


TIME, RETRIES = (
    "its time limit is 9 ms, 8 are allowed",
    "it may be tried again 1 times, 2 are allowed",
)
UNKNOWN = "not evaluated: 4 outcomes are decided, 5 are needed to judge by them"


@pytest.mark.parametrize(
    ("law", "reason"),
    [
        # In the order of the sentences, not of the answer.
        (_law(retries=True, time_limit=True), f"{TIME}; {RETRIES}"),
        (_law(retries=True, lower_bound=None), f"{RETRIES}; {UNKNOWN}"),
        (_law(retries=True, time_limit=False), TIME),
        (_law(lower_bound=None, time_limit=False, retries=True), f"{TIME}; {UNKNOWN}"),
        (_law(lower_bound=None), UNKNOWN),
    ],
)
def test_a_law_says_what_decided(law: dict[str, Any], reason: str) -> None:
    """The parts that do not hold, else those that do; and what nobody can tell."""
    worded = verdict.worded({"compliant": True, "laws": [law]})
    assert worded["compliant"] is True
    (told,) = worded["laws"]
    assert told == {
        "law": 3,
        "name": "Sacred Geometry",
        "outcome": law["outcome"],
        "reason": reason,
        "numbers": law["numbers"],
    }


def test_what_speaks_against_a_run_is_one_sentence() -> None:
    """Of the laws that failed; empty where none did."""
    held, failed = _law(retries=True), _law(time_limit=False)
    assert verdict.against({"laws": [held, failed, failed]}) == f"{TIME}; {TIME}"
    assert verdict.against({"laws": [held]}) == ""


def test_every_part_of_the_engine_has_words() -> None:
    """And those that nobody may be able to judge have them for that, too."""
    for circumstances in (CALM, Circumstances(now=NOON)):
        for part in parts(circumstances, USUAL):
            if part.holds is None:
                assert verdict.UNKNOWN[part.part].format(**part.numbers)
            else:
                assert "None" not in verdict.sentence(part.part, part.numbers)
    assert verdict.UNKNOWN.keys() < verdict.SENTENCES.keys()


@pytest.mark.parametrize(
    ("refusal", "reason"),
    [
        ({"code": "not_live"}, "This version of the fix is not the live version"),
        ({"code": "in_hand"}, "Another worker is handling this error"),
        ({"code": "moved"}, "This error was moved to another pattern"),
        ({"code": "laws"}, "Constitutional validation failed"),
        (
            {"code": "shadow"},
            "The fix would have run, but it is a shadow; POST /enable makes it live",
        ),
        (
            {"code": "applied_before"},
            "This version of the fix has already run for this log row",
        ),
        (
            {"code": "paused", "until": "2026-01-15T12:00:00.123+02:00", "reason": "counting"},
            "All fixes are paused until 2026-01-15 10:00:00 UTC: counting",
        ),
        (
            {"code": "demoted", "reason": "2 failed outcomes in a row"},
            "The fix was demoted (2 failed outcomes in a row); POST /enable makes it live again",
        ),
    ],
)
def test_a_refusal_has_words(refusal: Any, reason: str) -> None:
    """For each code with which the database refuses a claim."""
    assert refusals.reason(refusal) == reason


# -- Quiet hours -----------------------------------------------------------------------------------


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
