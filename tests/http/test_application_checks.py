"""Before a fix runs: it is the one that was approved, and the Four Laws allow it now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.http.candidates import PATTERN_ID, candidate, fix, pattern, post

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from tests.http.conftest import Wire


CHANGED: dict[str, tuple[dict[str, Any], str]] = {
    "the digest": ({"stored_matches": False}, "The stored fix is not the approved one"),
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
    assert wire.names == ["find_candidates_v1", "record_event_v1"]
    event = wire.sent("record_event_v1")
    assert (event["p_event_type"], event["p_severity"]) == ("fix_refused", "critical")
    assert event["p_metadata"]["pattern_id"] == PATTERN_ID
    assert event["p_metadata"]["reason"].startswith(reason)


UNLAWFUL: dict[str, tuple[dict[str, Any], int]] = {
    "too many rows": ({"fix": fix(max_rows=1_000_000)}, 1),
    "a storm of other errors": ({"recent_errors": 150, "recent_errors_of_pattern": 3}, 2),
    "no confidence": ({"pattern": pattern(confidence_score=0.4)}, 3),
    "too often": ({"applications_last_minute": 601}, 4),
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
        if one["outcome"] != "pass"
    ]
    assert failed == [law]
    assert wire.names == ["find_candidates_v1", "record_violation_v1"]
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
