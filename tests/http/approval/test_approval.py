"""Approving and disabling: analysed first, decided by the database, in a person's name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.http.approval.proposed import proposal, rehearsal

if TYPE_CHECKING:
    from tests.http.conftest import Load, Wire

PATTERN_ID = "22222222-2222-4222-8222-222222222222"
USER_ID = "11111111-1111-4111-8111-111111111111"
SCRIPT = "-- Fix missing status\nUPDATE users SET status = 'active' WHERE status IS NULL;"
BODY = {
    "pattern_id": PATTERN_ID,
    "auto_fix_script": SCRIPT,
    "auto_fix_type": "sql",
    "auto_fix_parameters": {"timeout_ms": 5000, "max_retries": 3, "colour": {"a": [1]}},
    "approved_by": USER_ID,
}
ROW: dict[str, Any] = {
    "id": 1,
    "pattern_id": PATTERN_ID,
    "pattern_signature": "pattern_3k5j8m",
    "auto_fix_enabled": True,
    "auto_fix_script": SCRIPT,
    "human_approved": True,
    "approved_by": USER_ID,
    "approved_at": "2025-12-15T10:30:00+00:00",
    "constitutional_compliant": True,
    "metadata": {},
}
SHOWN = {
    "pattern_id": PATTERN_ID,
    "pattern_signature": "pattern_3k5j8m",
    "auto_fix_enabled": True,
    "human_approved": True,
    "approved_by": USER_ID,
    "approved_at": "2025-12-15T10:30:00+00:00",
    "constitutional_compliant": True,
}


@pytest.fixture(autouse=True)
def tried(wire: Wire) -> None:
    """The dry-run goes well, unless a test is about it."""
    wire.replies["propose_fix_v1"] = proposal()
    wire.replies["incidents_for_replay_v1"] = []
    wire.replies["find_candidates_v1"] = []
    wire.replies["rehearse_proposal_v1"] = [rehearsal()]


@pytest.mark.parametrize("end", ["", "."])
def test_a_fix_whose_dry_run_fails_is_refused(
    load: Load, wire: Wire, person: dict[str, str], end: str
) -> None:
    """The proposal by which it was tried is rejected with the reason, and nothing is approved."""
    failed = {"success": False, "error": f'relation "public.users" does not exist{end}'}
    wire.replies["rehearse_proposal_v1"] = [rehearsal() | failed]
    wire.replies["decide_fix_v1"] = {}
    answer = load("approve").post("/", json=BODY, headers=person)
    assert answer.status_code == 422
    assert "does not exist. Nothing" in answer.get_json()["error"]["message"]
    assert "does not exist" in wire.sent("decide_fix_v1")["p_reason"]
    assert "approve_pattern_v1" not in wire.names


def test_an_approval_is_passed_on_and_answered(
    load: Load, wire: Wire, person: dict[str, str]
) -> None:
    """The script as typed, the script that will run, the tables, and the parameters as given."""
    wire.replies["approve_pattern_v1"] = ROW
    answer = load("approve").post("/", json=BODY, headers=person)
    assert answer.get_json() == {"success": True, "pattern": SHOWN}
    sent = wire.sent("approve_pattern_v1")
    pinned = sent["p_fix"]
    assert (pinned["type"], pinned["script"]) == ("sql", SCRIPT)
    assert "public.users" in pinned["prepared_script"]
    assert pinned["tables"] == ["public.users"]
    assert pinned["parameters"] == BODY["auto_fix_parameters"]
    assert (pinned["undo_script"], pinned["prepared_undo_script"]) == (None, None)
    assert (sent["p_pattern_id"], sent["p_approved_by"]) == (PATTERN_ID, USER_ID)
    assert sent["p_mode"] == "live"
    assert wire.requests[0].headers["authorization"] == person["Authorization"]


def test_an_approval_answers_the_guard_and_what_is_outside(
    load: Load, wire: Wire, person: dict[str, str]
) -> None:
    """The condition is passed on as a parameter; the database makes the guard of it."""
    approved = {
        "version": 1,
        "sha256": "a" * 64,
        "mode": "live",
        "ends_at": "2999-01-01T00:00:00+00:00",
        "max_heals": 3,
        "guard": [{"constraint": "orders_pkey", "table": "*"}],
        "incidents": 3,
        "outside": 1,
        "samples": [
            {
                "identifiers": {"constraint": "orders_total_check"},
                "occurrences": 1,
                "last_seen": "2026-01-01T00:00:00+00:00",
                "system_log_id": 7,
            }
        ],
    }
    wire.replies["approve_pattern_v1"] = ROW | {"fix": approved}
    when = {"constraint": ["orders_pkey"], "table": "*"}
    terms = {"ends_at": "2999-01-01T01:00:00+01:00", "max_heals": 3}
    body = {**BODY, "auto_fix_parameters": {"when": when}, **terms}
    answer = load("approve").post("/", json=body, headers=person)
    assert answer.get_json() == {"success": True, "pattern": SHOWN, "fix": approved}
    sent = wire.sent("approve_pattern_v1")
    assert sent["p_fix"]["parameters"] == {"when": when}
    assert (sent["p_ends_at"], sent["p_max_heals"]) == (terms["ends_at"], 3)


@pytest.mark.parametrize(
    "when",
    [
        [],
        {"table": "orders"},
        {"table": []},
        {"table": ["*"]},
        {"table": [""]},
        {"table": ["x" * 201]},
        {"colour": "*"},
        {"frame": "*"},
    ],
)
def test_a_condition_that_does_not_fit_is_refused(
    load: Load, wire: Wire, person: dict[str, str], when: object
) -> None:
    """It has `*` or a list of objects for names of identifiers."""
    body = {**BODY, "auto_fix_parameters": {"when": when}}
    answer = load("approve").post("/", json=body, headers=person)
    assert (answer.status_code, wire.names) == (422, [])
    assert "when" in answer.get_json()["error"]["message"]


def test_parameters_may_be_left_out(load: Load, wire: Wire, person: dict[str, str]) -> None:
    """Defaults are the database's: nothing is filled in on the way."""
    wire.replies["approve_pattern_v1"] = ROW
    body = {name: value for name, value in BODY.items() if name != "auto_fix_parameters"}
    assert load("approve").post("/", json=body, headers=person).status_code == 200
    assert wire.sent("approve_pattern_v1")["p_fix"]["parameters"] == {}


REFUSED = {
    "no where": "delete from users",
    "schema change": "drop table users",
    "two statements, one bad": "update a set b = 1 where c = 2; drop table a",
    "no SQL": "restart the server",
}


@pytest.mark.parametrize("script", REFUSED.values(), ids=REFUSED.keys())
def test_a_script_that_may_do_harm_is_refused(
    load: Load, wire: Wire, person: dict[str, str], script: str
) -> None:
    """The reasons are in the answer, and nothing is stored."""
    body = {**BODY, "auto_fix_script": script}
    answer = load("approve").post("/", json=body, headers=person)
    error = answer.get_json()["error"]
    assert (answer.status_code, error["code"]) == (422, "fix_refused")
    assert error["details"]["reasons"][0]["rule"]
    assert error["details"]["reasons"][0]["message"] in error["message"]
    assert wire.names == []


def test_bash_has_to_be_switched_on(load: Load, wire: Wire, person: dict[str, str]) -> None:
    """Where the operator has not, a fix of that type is not approved either."""
    body = {**BODY, "auto_fix_type": "bash", "auto_fix_script": "echo hello"}
    answer = load("approve").post("/", json=body, headers=person)
    error = answer.get_json()["error"]
    assert (answer.status_code, error["code"]) == (501, "fix_type_not_supported")
    assert "PATTERN_ENGINE_BASH_FIXES=on" in error["message"]
    assert wire.names == []


def test_an_undo_script_is_pinned_too(load: Load, wire: Wire, person: dict[str, str]) -> None:
    """It is prepared like the fix, and what it touches counts."""
    wire.replies["approve_pattern_v1"] = ROW
    undo = "update accounts set status = null where status = 'active'"
    body = {**BODY, "undo_script": undo, "mode": "shadow"}
    assert load("approve").post("/", json=body, headers=person).status_code == 200
    sent = wire.sent("approve_pattern_v1")
    assert sent["p_fix"]["undo_script"] == undo
    assert "public.accounts" in sent["p_fix"]["prepared_undo_script"]
    assert sent["p_fix"]["tables"] == ["public.accounts", "public.users"]
    assert sent["p_mode"] == "shadow"


def test_an_undo_script_that_may_do_harm_is_refused(
    load: Load, wire: Wire, person: dict[str, str]
) -> None:
    """The reasons say that it is the undo script."""
    body = {**BODY, "undo_script": "drop table users"}
    error = load("approve").post("/", json=body, headers=person).get_json()["error"]
    assert error["code"] == "fix_refused"
    assert error["details"]["reasons"][0]["message"].startswith("undo script: ")
    assert wire.names == []


def test_one_person_alone_approves_nothing_where_two_are_asked_for(
    load: Load, wire: Wire, environment: pytest.MonkeyPatch, person: dict[str, str]
) -> None:
    """A fix is proposed then, and another decides."""
    environment.setenv("PATTERN_ENGINE_TWO_PEOPLE", "on")
    answer = load("approve").post("/", json=BODY, headers=person)
    error = answer.get_json()["error"]
    assert (answer.status_code, error["code"]) == (403, "own_fix")
    assert "/propose" in error["message"]
    assert wire.names == []


def test_a_fix_is_disabled_with_a_reason(load: Load, wire: Wire, person: dict[str, str]) -> None:
    """In the person's name, with his reason, answered like an approval."""
    wire.replies["disable_pattern_v1"] = {**ROW, "auto_fix_enabled": False}
    body = {"pattern_id": PATTERN_ID, "reason": "It made things worse."}
    answer = load("disable").post("/", json=body, headers=person)
    assert answer.get_json() == {"success": True, "pattern": {**SHOWN, "auto_fix_enabled": False}}
    assert wire.sent("disable_pattern_v1") == {
        "p_pattern_id": PATTERN_ID,
        "p_reason": "It made things worse.",
        "p_version": None,
        "p_sha256": None,
    }
    assert wire.requests[0].headers["authorization"] == person["Authorization"]
