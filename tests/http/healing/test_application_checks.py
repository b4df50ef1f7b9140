"""Before a fix runs: it is the one that was approved, and the Four Laws allow it now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.http.healing.candidates import (
    PATTERN_ID,
    USER_ID,
    candidate,
    fix,
    log,
    pattern,
    post,
    standing,
)

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from tests.http.conftest import Load, Wire


CHANGED: dict[str, tuple[dict[str, Any], str]] = {
    "the digest": ({"stored_matches": False}, "The stored fix is not the approved one"),
    "what is looked at before": (
        {"sample_script": "SELECT 1"},
        "What would run is not what the approved script says",
    ),
    "what runs": (
        {"prepared_script": "DELETE FROM public.users WHERE true"},
        "What would run is not what the approved script says",
    ),
    "the script": (
        {"script": "delete from users"},
        "The fix does not pass its analysis any more: ",
    ),
}


@pytest.mark.parametrize(("changes", "reason"), CHANGED.values(), ids=CHANGED.keys())
def test_a_changed_fix_is_refused_and_recorded(
    healer: FlaskClient,
    wire: Wire,
    engine: dict[str, str],
    *,
    changes: dict[str, Any],
    reason: str,
) -> None:
    """Whoever changed it, in whatever way: nothing runs, and people are told."""
    wire.replies["find_candidates_v1"] = [candidate(fix=fix(**changes))]
    answer = post(healer, engine).get_json()
    assert answer["applied"] is False
    assert answer["reason"].startswith(reason)
    assert wire.names == ["find_candidates_v1", "record_event_v1", "record_refusals_v1"]
    event = wire.sent("record_event_v1")
    assert (event["p_event_type"], event["p_severity"]) == ("fix_refused", "critical")
    assert event["p_metadata"]["pattern_id"] == PATTERN_ID
    assert event["p_metadata"]["reason"].startswith(reason)


UNLAWFUL: dict[str, tuple[dict[str, Any], int]] = {
    "too many rows": ({"fix": fix(max_rows=1_000_000)}, 1),
    "a storm of other errors": ({"recent_errors": 150, "recent_errors_of_pattern": 3}, 2),
    "no confidence": ({"pattern": pattern(confidence_score=0.4)}, 3),
    "a budget that is spent": ({"standing": standing(runs_last_hour=60)}, 3),
    "too soon": ({"standing": standing(seconds_since_run={"": 59})}, 4),
    "flapping": ({"standing": standing(flaps_last_day=3)}, 4),
}


@pytest.mark.parametrize(("known", "law"), UNLAWFUL.values(), ids=UNLAWFUL.keys())
def test_what_the_laws_forbid_is_not_done(
    healer: FlaskClient,
    wire: Wire,
    engine: dict[str, str],
    *,
    known: dict[str, Any],
    law: int,
) -> None:
    """The specification's answer and event, with the verdict of each law."""
    wire.replies["find_candidates_v1"] = [candidate(**known)]
    answer = post(healer, engine).get_json()
    assert list(answer) == ["applied", "reason", "constitutional_validation"]
    assert answer["reason"] == "Constitutional validation failed"
    failed = [
        one["law"]
        for one in answer["constitutional_validation"]["laws"]
        if one["outcome"] == "fail"
    ]
    assert failed == [law]
    assert wire.names == ["find_candidates_v1", "record_violation_v1", "record_refusals_v1"]
    recorded = wire.sent("record_violation_v1")
    assert recorded["p_validation"] == answer["constitutional_validation"]
    assert recorded["p_pattern_id"] == PATTERN_ID


def test_a_storm_of_this_very_error_is_fixed(
    healer: FlaskClient, wire: Wire, engine: dict[str, str]
) -> None:
    """At the maximum of errors a fix runs that lowers it."""
    wire.replies["find_candidates_v1"] = [
        candidate(recent_errors=150, recent_errors_of_pattern=140)
    ]
    assert post(healer, engine).get_json()["applied"] is True


def test_a_storm_pauses_all_fixes(healer: FlaskClient, wire: Wire, engine: dict[str, str]) -> None:
    """Where many patterns with a fix fire together, this one does not run, nor does any other."""
    wire.replies["find_candidates_v1"] = [candidate(firing_patterns=10)]
    answer = post(healer, engine).get_json()
    assert answer["reason"] == "Constitutional validation failed"
    assert wire.names == [
        "find_candidates_v1",
        "stop_for_storm_v1",
        "record_violation_v1",
        "record_refusals_v1",
    ]
    assert wire.sent("stop_for_storm_v1")["p_patterns"] == 10


TWO_PEOPLE = {
    "nobody else": ({"proposed_by": None, "approved_by": USER_ID}, False),
    "the same": ({"proposed_by": USER_ID, "approved_by": USER_ID}, False),
    "another": ({"proposed_by": PATTERN_ID, "approved_by": USER_ID}, True),
    "the same made it live": (
        {"proposed_by": PATTERN_ID, "approved_by": USER_ID, "mode_changed_by": PATTERN_ID},
        False,
    ),
}


@pytest.mark.parametrize(("who", "runs"), TWO_PEOPLE.values(), ids=TWO_PEOPLE.keys())
def test_two_people_can_be_asked_for(
    healer: FlaskClient,
    load: Load,
    wire: Wire,
    environment: pytest.MonkeyPatch,
    engine: dict[str, str],
    *,
    who: dict[str, Any],
    runs: bool,
) -> None:
    """Then what one person alone proposed and approved does not run, however it got there."""
    wire.replies["find_candidates_v1"] = [candidate(fix=fix(**who))]
    assert post(healer, engine).get_json()["applied"] is True
    environment.setenv("PATTERN_ENGINE_TWO_PEOPLE", "on")
    answer = post(load("apply"), engine).get_json()
    assert answer["applied"] is runs
    if not runs:
        assert answer["reason"].startswith("Two people are asked for here")


def test_a_target_is_told_by_its_values_and_keeps_them_secret(
    healer: FlaskClient, wire: Wire, engine: dict[str, str]
) -> None:
    """The same values are the same target, others another, and none can be read out of it."""
    wire.replies["find_candidates_v1"] = [candidate(fix=fix(target=["number"]))]
    targets = []
    for number in (7, 8, 7):
        message = f"null value in column status of user {number}"
        wire.replies["find_candidates_v1"] = [
            candidate(fix=fix(target=["number"]), log=log(message=message))
        ]
        wire.requests.clear()
        post(healer, engine, message=message)
        targets.append(wire.sent("claim_application_v1")["p_target"])
    assert targets[0] == targets[2] != targets[1]
    assert all(len(target) == 32 for target in targets)
