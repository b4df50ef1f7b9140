"""Applying a fix: what may speak against it does, and what runs is told."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
from tests.http.healing.candidates import (
    APPLICATION_ID,
    MESSAGE,
    PATTERN_ID,
    SCRIPT,
    candidate,
    fix,
    log,
    outcome,
    post,
    refused,
)

from pattern_engine import grouping
from pattern_engine.healing.answering import FOR_OPERATORS, STILL_RUNNING
from pattern_engine.healing.refusals import NO_ERROR
from pattern_engine.thresholds import Thresholds

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from tests.http.conftest import Load, Wire

VIOLATION = 'new row for relation "orders" violates check constraint "orders_pkey"'


def test_a_fix_runs_and_is_answered(
    healer: FlaskClient, wire: Wire, engine: dict[str, str]
) -> None:
    """Find, claim, run: three calls, and the specification's answer."""
    answer = post(healer, engine)
    assert answer.status_code == 200
    assert answer.get_json() == {
        "applied": True,
        "success": True,
        "pattern": {
            "pattern_id": PATTERN_ID,
            "pattern_signature": "pattern_3k5j8m",
            "auto_fix_script": SCRIPT,
            "success_rate": 85.5,
        },
        "execution_time_ms": 150,
    }
    assert wire.names == ["find_candidates_v1", "claim_application_v1", "run_application_v1"]


def test_a_claim_names_the_pinned_version_and_what_the_engine_knows(
    healer: FlaskClient, wire: Wire, engine: dict[str, str]
) -> None:
    """What was checked is what is claimed; the script will see the error."""
    post(healer, engine)
    sent = wire.sent("claim_application_v1")
    assert (sent["p_pattern_id"], sent["p_system_log_id"]) == (PATTERN_ID, 12)
    assert (sent["p_fix_version"], sent["p_sha256"]) == (3, "abc")
    assert sent["p_error"] == {
        "message": MESSAGE,
        "source": "shop",
        "captured": {"order": "7"},
        "system_log_id": 12,
        "scrubbed": MESSAGE,
    }
    assert (sent["p_target"], sent["p_policy"]) == ("", Thresholds().policy())
    assert {part["law"] for part in sent["p_parts"]} == {1, 3, 4}
    assert all(part["holds"] for part in sent["p_parts"])
    assert wire.sent("run_application_v1") == {"p_application_id": APPLICATION_ID}


def test_a_person_heals_an_error_of_their_own(
    healer: FlaskClient, wire: Wire, person: dict[str, str]
) -> None:
    """With the row and its message a person may; applying is the engine's work, by its key."""
    assert post(healer, person).get_json() == {"applied": True, "success": True}
    assert {request.headers["authorization"] for request in wire.requests} == {
        "Bearer sb_secret_test"
    }


#: What the database knows → the gate that is noted, and the reason that is answered and noted.
REFUSALS: dict[str, tuple[dict[str, Any], str, str]] = {
    "no pattern": ({"pattern": None, "fix": None}, "", "No matching pattern found"),
    "no fix": ({"fix": None}, "", "The matching pattern has no enabled fix"),
    "a pause": (
        {"hold": {"code": "paused", "until": "2026-01-01T12:00:00Z", "reason": "deploy"}},
        "paused",
        "All fixes are paused until 2026-01-01 12:00:00 UTC: deploy",
    ),
    "demoted": (
        {"hold": {"code": "demoted", "reason": "2 failed outcomes in a row"}},
        "demoted",
        "The fix was demoted (2 failed outcomes in a row); POST /enable makes it live again",
    ),
    "before the approval": (
        {"before_approval": True},
        "before_approval",
        "The error occurred before the fix was approved",
    ),
    "history": ({"log": log(age_seconds=901)}, "too_old", "The error is older than 900 seconds"),
    "an untrusted writer": (
        {"log": log(written_by="authenticated")},
        "writer",
        "The log row was written by the role authenticated; the fix trusts only rows of: service_role",
    ),
    "a row that is no error": ({"hold": {"code": "no_error"}}, "no_error", NO_ERROR),
}


@pytest.mark.parametrize("caller", ["engine", "person"])
@pytest.mark.parametrize(("known", "gate", "reason"), REFUSALS.values(), ids=REFUSALS.keys())
def test_what_speaks_against_a_fix_is_answered(
    healer: FlaskClient,
    wire: Wire,
    request: pytest.FixtureRequest,
    *,
    caller: str,
    known: dict[str, Any],
    gate: str,
    reason: str,
) -> None:
    """Not applied, and nothing more is done; the reason is for the engine, and noted."""
    wire.replies["find_candidates_v1"] = [candidate(**known)]
    answer = post(healer, request.getfixturevalue(caller)).get_json()
    assert answer == {"applied": False, "reason": reason if caller == "engine" else FOR_OPERATORS}
    noted = known.get("fix", fix()) is not None
    assert wire.names == ["find_candidates_v1", *["record_refusals_v1"] * noted]
    if noted:
        refusal = {"system_log_id": 12, "gate": gate, "reason": reason, "target": None}
        assert wire.sent("record_refusals_v1") == {"p_refusals": [refusal]}


def test_a_signature_that_came_later_is_refused_and_told(
    healer: FlaskClient, wire: Wire, engine: dict[str, str]
) -> None:
    """Its approver could not see it: the fix does not run, and people learn why."""
    wire.replies["find_candidates_v1"] = [candidate(fix=None, untrusted_signature="pattern_x")]
    wire.replies["refuse_signature_v1"] = True
    answer = post(healer, engine).get_json()
    assert answer["applied"] is False
    assert "pattern_x was added to the pattern after the fix was approved" in answer["reason"]
    assert wire.sent("refuse_signature_v1") == {"p_signature": "pattern_x", "p_system_log_id": 12}
    assert wire.names[-1] == "record_refusals_v1"


@pytest.mark.parametrize(
    ("identifiers", "told"),
    [
        (
            {"table": "orders", "constraint": "orders_pkey"},
            """Version 3 of the fix was not approved for constraint 'orders_pkey', table 'orders'; \
POST /confirm with "version": 3, "identifiers": [{"constraint": "orders_pkey", "table": "orders"}] \
lets it run for them""",
        ),
        ({}, "The error names none of the identifiers for which version 3"),
    ],
)
def test_an_error_outside_the_guard_is_refused_and_told(
    healer: FlaskClient,
    wire: Wire,
    engine: dict[str, str],
    identifiers: dict[str, str],
    told: str,
) -> None:
    """The reason has what a person can send to confirm it, and is noted with the error."""
    outside = {"version": 3, "identifiers": identifiers}
    wire.replies["find_candidates_v1"] = [candidate(fix=None, outside_guard=outside)]
    answer = post(healer, engine).get_json()
    assert answer["applied"] is False
    assert answer["reason"].startswith(told)
    assert wire.names == ["find_candidates_v1", "record_refusals_v1"]
    (noted,) = wire.sent("record_refusals_v1")["p_refusals"]
    assert noted["reason"] == answer["reason"]


def test_what_an_error_names_is_sent_with_it(
    healer: FlaskClient, wire: Wire, engine: dict[str, str]
) -> None:
    """Where a fix is searched and again where the error is claimed."""
    wire.replies["find_candidates_v1"] = [candidate(log=log(message=VIOLATION))]
    wire.replies["claim_application_v1"] = refused("outside_guard")
    answer = post(healer, engine, VIOLATION).get_json()
    assert answer["reason"] == "The fix was not approved for what the error names"
    named = {"table": "orders", "constraint": "orders_pkey"}
    (query,) = wire.sent("find_candidates_v1")["p_errors"]
    assert query["identifiers"] == wire.sent("claim_application_v1")["p_identifiers"] == named


def test_the_age_limit_can_be_another(
    load: Load, wire: Wire, environment: pytest.MonkeyPatch, engine: dict[str, str]
) -> None:
    """How long an error can be healed is for the project to say."""
    environment.setenv("PATTERN_ENGINE_APPLY_MAX_AGE_SECONDS", "1")
    wire.replies["find_candidates_v1"] = [candidate()]
    wire.replies["record_refusals_v1"] = 1
    answer = post(load("apply"), engine).get_json()
    assert answer["reason"] == "The error is older than 1 seconds"


def test_other_writers_can_be_trusted(
    healer: FlaskClient, wire: Wire, person: dict[str, str]
) -> None:
    """An approval may widen whose rows fire the fix."""
    wire.replies["find_candidates_v1"] = [
        candidate(
            log=log(written_by="authenticated"),
            fix=fix(trusted_writers=["service_role", "authenticated"]),
        )
    ]
    assert post(healer, person).get_json()["applied"] is True


PERSONAL: dict[str, tuple[dict[str, Any] | None, int | None, int, str]] = {
    "no row named": (None, None, 404, "unknown_log_row"),
    "no such row": (None, 12, 404, "unknown_log_row"),
    "another's row": (log(user_id=PATTERN_ID), 12, 403, "foreign_log_row"),
    "nobody's row": (log(user_id=None), 12, 403, "foreign_log_row"),
    "another message": (log(message=f"{MESSAGE} "), 12, 403, "foreign_log_row"),
}


@pytest.mark.parametrize(("row", "row_id", "status", "code"), PERSONAL.values(), ids=PERSONAL)
def test_a_person_needs_a_row_of_their_own(
    healer: FlaskClient,
    wire: Wire,
    person: dict[str, str],
    *,
    row: dict[str, Any] | None,
    row_id: int | None,
    status: int,
    code: str,
) -> None:
    """Nobody heals an error of somebody else, or one that did not occur."""
    wire.replies["find_candidates_v1"] = [candidate(log=row)]
    answer = post(healer, person, system_log_id=row_id)
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (status, code)
    assert wire.names == ["find_candidates_v1"]


def test_the_engine_needs_no_row(healer: FlaskClient, wire: Wire, engine: dict[str, str]) -> None:
    """A server that holds the secret key is believed that the error happened."""
    wire.replies["find_candidates_v1"] = [candidate(log=None)]
    assert post(healer, engine, system_log_id=None).get_json()["applied"] is True
    assert wire.sent("claim_application_v1")["p_system_log_id"] is None


def test_the_engines_row_has_to_exist(
    healer: FlaskClient, wire: Wire, engine: dict[str, str]
) -> None:
    """An id that leads nowhere is a mistake, whoever makes it."""
    wire.replies["find_candidates_v1"] = [candidate(log=None)]
    assert post(healer, engine).status_code == 404


ELSEWHERE = {
    "in_hand": "Another worker is handling this error",
    "moved": "This error was moved to another pattern",
    "applied_before": "This version of the fix has already run for this log row",
}


@pytest.mark.parametrize(("code", "reason"), ELSEWHERE.items())
def test_an_error_that_is_dealt_with_elsewhere_is_left_alone(
    healer: FlaskClient, wire: Wire, engine: dict[str, str], code: str, reason: str
) -> None:
    """Of many who see one error, one applies the fix; nothing is noted that would keep others."""
    wire.replies["claim_application_v1"] = refused(code)
    assert post(healer, engine).get_json() == {"applied": False, "reason": reason}
    assert wire.names[-1] == "claim_application_v1"


HELD: dict[str, tuple[dict[str, Any], str]] = {
    "not live": (refused("not_live"), "This version of the fix is not the live version"),
    "a shadow": (
        refused("shadow"),
        "The fix would have run, but it is a shadow; POST /enable makes it live",
    ),
    "a pause": (
        refused("paused", until="2026-01-01T12:00:00Z", reason="deploy"),
        "All fixes are paused until 2026-01-01 12:00:00 UTC: deploy",
    ),
    "demoted": (
        refused("demoted", reason="it failed"),
        "The fix was demoted (it failed); POST /enable makes it live again",
    ),
}


@pytest.mark.parametrize(("answer", "reason"), HELD.values(), ids=HELD.keys())
def test_what_the_database_refuses_is_answered_and_noted(
    healer: FlaskClient, wire: Wire, engine: dict[str, str], answer: dict[str, Any], reason: str
) -> None:
    """The database decides last: its code becomes a sentence, and stays with the error."""
    wire.replies["claim_application_v1"] = answer
    assert post(healer, engine).get_json() == {"applied": False, "reason": reason}
    gate = answer["refusal"]["code"]
    note = {"system_log_id": 12, "gate": gate, "reason": reason, "target": None}
    assert wire.sent("record_refusals_v1") == {"p_refusals": [note]}


def test_a_fix_that_fails_is_told(healer: FlaskClient, wire: Wire, engine: dict[str, str]) -> None:
    """It was applied, without success, and why."""
    failed = outcome(success=False, error="division by zero", execution_time_ms=7)
    wire.replies["run_application_v1"] = failed
    answer = post(healer, engine).get_json()
    assert (answer["applied"], answer["success"]) == (True, False)
    assert (answer["reason"], answer["execution_time_ms"]) == ("division by zero", 7)


ANSWERS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "it failed": (
        {"run_application_v1": outcome(success=False, error="Key (email)=(a@b.test)")},
        {"applied": True, "success": False, "reason": FOR_OPERATORS},
    ),
    "the laws": (
        {"claim_application_v1": refused("laws")},
        {"applied": False, "reason": FOR_OPERATORS},
    ),
    "a pause": (
        {"claim_application_v1": refused("paused", until="2026-01-01T12:00:00Z", reason="war")},
        {"applied": False, "reason": FOR_OPERATORS},
    ),
}


@pytest.mark.parametrize(("replies", "told"), ANSWERS.values(), ids=ANSWERS.keys())
@pytest.mark.parametrize("role", [None, "ops_viewer"])
def test_a_user_is_told_whether_a_fix_helped_and_an_operator_why(
    healer: FlaskClient,
    wire: Wire,
    person: dict[str, str],
    role: str | None,
    replies: dict[str, Any],
    told: dict[str, Any],
) -> None:
    """Script, laws, load and reasons may quote what a user may not see; their role is the token's."""
    wire.replies |= replies | {"caller_role_v1": role}
    answer = post(healer, person).get_json()
    assert (answer == told) is (role is None)
    assert (FOR_OPERATORS in str(answer)) is (role is None)
    asked = wire.requests[-1]
    assert asked.url.path.endswith("/caller_role_v1")
    assert asked.headers["authorization"] == person["Authorization"]


def _run(**changes: object) -> dict[str, Any]:
    found = {"pattern_id": PATTERN_ID, "pattern_signature": "pattern_3k5j8m", "script": SCRIPT}
    return found | {"is_running": False, "outcome": None} | changes


@pytest.mark.parametrize("code", ["applied_before", "in_hand", "moved", "demoted"])
def test_whoever_comes_second_gets_the_outcome_of_the_first(
    healer: FlaskClient, wire: Wire, engine: dict[str, str], code: str
) -> None:
    """Of a run that is under way as soon as it has ended."""
    wire.replies["find_candidates_v1"] = [candidate(hold={"code": code, "reason": "it failed"})]
    runs = iter([_run(is_running=True), _run(is_running=True), _run(outcome=outcome())])
    wire.replies["run_of_log_row_v1"] = lambda _: next(runs)
    assert post(healer, engine).get_json() == {
        "applied": True,
        "success": True,
        "pattern": {
            "pattern_id": PATTERN_ID,
            "pattern_signature": "pattern_3k5j8m",
            "auto_fix_script": SCRIPT,
            "success_rate": 85.5,
        },
        "execution_time_ms": 150,
    }
    assert next(runs, None) is None


@pytest.mark.parametrize("caller", ["engine", "person"])
def test_a_run_is_waited_for_within_bounds(
    load: Load,
    wire: Wire,
    environment: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
    caller: str,
) -> None:
    """Then the answer is that it is still running, to a user as well: there is nothing else to do."""
    environment.setenv("PATTERN_ENGINE_APPLY_WAIT_SECONDS", "0.2")
    wire.replies["find_candidates_v1"] = [candidate(hold={"code": "in_hand"})]
    wire.replies["run_of_log_row_v1"] = _run(is_running=True)
    answer = post(load("apply"), request.getfixturevalue(caller)).get_json()
    assert answer == {"applied": False, "reason": STILL_RUNNING}


def test_a_run_whose_worker_died_is_not_waited_for(
    healer: FlaskClient, wire: Wire, engine: dict[str, str]
) -> None:
    """Nobody knows its outcome yet; the answer is the reason why no other fix runs."""
    wire.replies["find_candidates_v1"] = [candidate(hold={"code": "in_hand"})]
    wire.replies["run_of_log_row_v1"] = _run()
    answer = post(healer, engine).get_json()
    assert answer == {"applied": False, "reason": "Another worker is handling this error"}


@pytest.mark.parametrize("severity", ["debug", "info", "warning"])
def test_a_report_below_error_heals_nothing(
    healer: FlaskClient, wire: Wire, engine: dict[str, str], severity: str
) -> None:
    """Without a log row the level is the one that is sent."""
    wire.replies["find_candidates_v1"] = [candidate(log=None)]
    answer = post(healer, engine, system_log_id=None, severity=severity).get_json()
    assert answer == {"applied": False, "reason": NO_ERROR}
    assert wire.names == ["find_candidates_v1"]


def test_the_time_limit_of_the_fix_is_kept(
    healer: FlaskClient, wire: Wire, engine: dict[str, str]
) -> None:
    """A fix has the time that its approval gives it."""
    cancelled = threading.Event()

    def run(_: dict[str, Any]) -> dict[str, Any]:
        assert cancelled.wait(5)
        return outcome(success=False, error="The run was stopped at its time limit of 50 ms")

    def cancel(_: dict[str, Any]) -> int:
        cancelled.set()
        return 0

    wire.replies["find_candidates_v1"] = [candidate(fix=fix(timeout_ms=50))]
    wire.replies["run_application_v1"] = run
    wire.replies["cancel_application_v1"] = cancel
    answer = post(healer, engine).get_json()
    assert (answer["applied"], answer["success"]) == (True, False)


def test_an_unknown_signature_is_tried_on_expressions(
    healer: FlaskClient, wire: Wire, engine: dict[str, str]
) -> None:
    """The only enabled pattern whose expression matches is the one that is meant."""
    expressions = [
        {
            "pattern_id": PATTERN_ID,
            "pattern_signature": "pattern_3k5j8m",
            "error_message_pattern": "^null value in column status of order [0-9]+$",
        },
        {
            "pattern_id": APPLICATION_ID,
            "pattern_signature": "pattern_other",
            "error_message_pattern": "^something else$",
        },
    ]

    def find(sent: dict[str, Any]) -> list[dict[str, Any]]:
        (query,) = sent["p_errors"]
        if query["signatures"] == ["pattern_3k5j8m"]:
            return [candidate()]
        older = grouping.signature_of(grouping.normalize(MESSAGE), "grouping/v1")
        assert query["signatures"] == [older, grouping.group(MESSAGE).signature]
        return [candidate(pattern=None, fix=None, expressions=expressions)]

    wire.replies["read_grouping_v1"] = {"rules": [], "older_algorithms": ["grouping/v1"]}
    wire.replies["find_candidates_v1"] = find
    assert post(healer, engine).get_json()["applied"] is True
    assert wire.names.count("find_candidates_v1") == 2
    twice = [expressions[0], {**expressions[1], "error_message_pattern": "^null value"}]
    wire.replies["find_candidates_v1"] = [candidate(pattern=None, fix=None, expressions=twice)]
    assert post(healer, engine).get_json()["reason"] == "No matching pattern found"


def test_what_came_beside_the_message_finds_the_pattern(
    healer: FlaskClient, wire: Wire, engine: dict[str, str]
) -> None:
    """An error is healed by the fix of the pattern under which its log row would be learned."""
    assert post(healer, engine, error_data={"fingerprint": "shop"}).get_json()["success"] is True
    (query,) = wire.sent("find_candidates_v1")["p_errors"]
    assert grouping.group(MESSAGE, fingerprint="shop").signature in query["signatures"]


ROW = {
    **log(source="its own", log_level="critical", environment="staging"),
    "error_data": {"fingerprint": "its own"},
    "release": None,
    "learned": False,
}


@pytest.mark.parametrize("caller", ["engine", "person"])
def test_a_log_row_decides_what_it_is(
    healer: FlaskClient, wire: Wire, request: pytest.FixtureRequest, caller: str
) -> None:
    """A row leads to the pattern that the row tells of, by its rule, whatever is sent about it."""
    conditions = {"source": "its own", "environment": "staging", "min_severity": "critical"}
    rule = {"rule_id": "r", "expression": "null value", "fingerprint": "ruled", "conditions": {}}
    rules = [{**rule, "conditions": conditions}, {**rule, "fingerprint": "another"}]
    wire.replies["read_grouping_v1"] = {"rules": rules, "older_algorithms": []}
    wire.replies["read_logs_v1"] = [ROW]
    data = {"fingerprint": "another"}
    post(healer, request.getfixturevalue(caller), severity="info", error_data=data)
    (query,) = wire.sent("find_candidates_v1")["p_errors"]
    assert query["signatures"] == [grouping.group(MESSAGE, rule="ruled").signature]


def test_a_person_sends_the_message_of_the_row(
    healer: FlaskClient, wire: Wire, person: dict[str, str]
) -> None:
    """Another message is refused before anything is looked up."""
    wire.replies["read_logs_v1"] = [ROW]
    answer = post(healer, person, message="another")
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (403, "foreign_log_row")
    assert wire.names == ["read_logs_v1"]


def test_a_row_that_is_no_error_adds_nothing_by_a_person(
    healer: FlaskClient, wire: Wire, person: dict[str, str]
) -> None:
    """Where no error is stored under the id, a person's report is its message."""
    post(healer, person, error_data={"fingerprint": "another"})
    (query,) = wire.sent("find_candidates_v1")["p_errors"]
    assert query["signatures"] == [grouping.group(MESSAGE).signature]
