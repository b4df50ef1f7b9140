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
    post,
    refused,
)

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from tests.http.conftest import Load, Wire


CHANGED: dict[str, tuple[dict[str, Any], str]] = {
    "the digest": ({"stored_matches": False}, "The stored fix differs from the approved fix"),
    "what is looked at before": (
        {"sample_script": "SELECT 1"},
        "The stored prepared script differs from the one that the approved script yields now",
    ),
    "what runs": (
        {"prepared_script": "DELETE FROM public.users WHERE true"},
        "The stored prepared script differs from the one that the approved script yields now",
    ),
    "the script": (
        {"script": "delete from users"},
        "The analysis refuses the approved fix now: ",
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


def test_what_the_laws_forbid_is_not_done(
    healer: FlaskClient, wire: Wire, engine: dict[str, str]
) -> None:
    """The specification's answer: the verdict of each law, worded; and a note with the error."""
    wire.replies["claim_application_v1"] = refused("laws")
    answer = post(healer, engine).get_json()
    assert list(answer) == ["applied", "reason", "constitutional_validation"]
    assert answer["reason"] == "Constitutional validation failed"
    (law,) = answer["constitutional_validation"]["laws"]
    storm = "10 patterns with a fix had errors within 60 s, at 10 all fixes are paused"
    assert law["reason"] == f"{storm}; not evaluated: there was no run before"
    assert (law["law"], law["outcome"]) == (4, "fail")
    assert wire.names == ["find_candidates_v1", "claim_application_v1", "record_refusals_v1"]
    (note,) = wire.sent("record_refusals_v1")["p_refusals"]
    assert note["reason"].startswith(f"Constitutional validation failed: {storm}")


def test_what_the_script_does_is_told_to_the_laws(
    healer: FlaskClient, wire: Wire, engine: dict[str, str]
) -> None:
    """The engine computes what only it can: here the cap on rows, beyond what is allowed."""
    wire.replies["find_candidates_v1"] = [candidate(fix=fix(max_rows=1_000_000))]
    post(healer, engine)
    parts = {part["part"]: part for part in wire.sent("claim_application_v1")["p_parts"]}
    assert (parts["cap"]["law"], parts["cap"]["holds"], parts["cap"]["risk"]) == (1, False, 1.0)
    assert parts["cap"]["numbers"]["max_rows_allowed"] == 100_000
    assert parts["analysis"]["holds"] is True


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
        assert answer["reason"].startswith("Approval takes two people here")


def test_a_target_is_told_by_its_values_and_keeps_them_secret(
    healer: FlaskClient, wire: Wire, engine: dict[str, str]
) -> None:
    """The same values are the same target, others another, and none can be read out of it."""
    wire.replies["find_candidates_v1"] = [candidate(fix=fix(target=["order"]))]
    targets = []
    for number in (7, 8, 7):
        message = f"null value in column status of order {number}"
        wire.replies["find_candidates_v1"] = [
            candidate(fix=fix(target=["order"]), log=log(message=message))
        ]
        wire.requests.clear()
        post(healer, engine, message=message)
        targets.append(wire.sent("claim_application_v1")["p_target"])
    assert targets[0] == targets[2] != targets[1]
    assert all(len(target) == 32 for target in targets)
