"""Enabling, rolling back, pausing, resuming, suggesting: the operator's other levers."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from tests.http.approval.proposed import DIGEST, incident, pattern_row
from tests.http.conftest import FUNCTIONS
from tests.http.healing.candidates import (
    APPLICATION_ID,
    MESSAGE,
    PATTERN_ID,
    PREPARED,
    SCRIPT,
    USER_ID,
    outcome,
)

from pattern_engine import fixes
from pattern_engine.fixes.analysis import Analysis
from pattern_engine.fixes.execution import Outcome
from pattern_engine.healing import rollback

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx
    from tests.http.conftest import Load, Wire

    from pattern_engine.fixes.execution import Job

UNDO_ID = "66666666-6666-4666-8666-666666666666"
PAUSE_ID = "77777777-7777-4777-8777-777777777777"
ROW = pattern_row()
PAUSE = {
    "id": 3,
    "pause_id": PAUSE_ID,
    "cause": "person",
    "reason": "migration",
    "started_at": "2026-01-01T00:00:00+00:00",
    "started_by": USER_ID,
    "expires_at": "2026-01-01T01:00:00+00:00",
    "ended_at": None,
    "ended_by": None,
    "ended_reason": None,
}
SUGGESTION: dict[str, Any] = {
    "pattern_id": PATTERN_ID,
    "pattern_signature": "pattern_3k5j8m",
    "pattern_type": "database",
    "template": "null value in column <word>",
    "score": 0.8,
    "in_same_cluster": True,
    "auto_fix_type": "sql",
    "auto_fix_script": SCRIPT,
    "auto_fix_parameters": {"max_rows": 10},
    "undo_script": None,
    "version": 2,
    "is_live": True,
    "success_rate": 90.0,
    "confidence_score": 0.9,
    "confidence_lower_bound": 0.7,
    "confidence_outcomes": 9.5,
    "track_record": {"verified": 9, "failed": 1, "inconclusive": 0, "pending": 1},
}


def undo(**changes: object) -> dict[str, Any]:
    """A roll-back that was taken in hand."""
    return {
        "application_id": UNDO_ID,
        "pattern_id": PATTERN_ID,
        "system_log_id": 12,
        "fix_type": "sql",
        "undo_script": SCRIPT,
        "prepared_undo_script": PREPARED,
        "parameters": {},
        "timeout_ms": 5000,
        **changes,
    }


@pytest.fixture(autouse=True)
def _database(wire: Wire) -> None:
    """A database in which everything goes well."""
    wire.replies |= {
        "enable_fix_v1": ROW,
        "start_rollback_v1": undo(),
        "read_logs_v1": [incident(12)],
        "recall_error_v1": True,
        "run_application_v1": outcome(),
        "pause_fixes_v1": PAUSE,
        "resume_fixes_v1": {"ended": [PAUSE_ID]},
        "suggested_fixes_v1": [SUGGESTION],
    }


# -- enabling --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("setting", "two_people"), [("off", False), ("on", True)])
def test_enabling_carries_the_digest(
    load: Load,
    wire: Wire,
    person: dict[str, str],
    environment: pytest.MonkeyPatch,
    *,
    setting: str,
    two_people: bool,
) -> None:
    """In the person's name; whether two are needed is the deployment's, not the caller's."""
    environment.setenv("PATTERN_ENGINE_TWO_PEOPLE", setting)
    body = {"pattern_id": PATTERN_ID, "sha256": DIGEST, "reason": "a week without harm"}
    body |= {"ends_at": "2999-01-01T00:00:00+00:00"}
    answer = load("enable").post("/", json=body, headers=person)
    assert answer.get_json()["pattern"]["auto_fix_enabled"] is True
    assert wire.sent("enable_fix_v1") == {
        "p_pattern_id": PATTERN_ID,
        "p_sha256": DIGEST,
        "p_reason": "a week without harm",
        "p_two_people": two_people,
        "p_ends_at": "2999-01-01T00:00:00+00:00",
        "p_max_heals": None,
    }
    assert wire.requests[0].headers["authorization"] == person["Authorization"]


# -- rolling back ----------------------------------------------------------------------------------


def test_a_run_is_taken_back_in_the_persons_name(
    load: Load, wire: Wire, person: dict[str, str], engine: dict[str, str]
) -> None:
    """He decides, the engine runs it; how it ended is the answer."""
    body = {"application_id": APPLICATION_ID, "reason": "wrong rows"}
    answer = load("rollback").post("/", json=body, headers=person)
    assert answer.get_json() == {
        "success": True,
        "application_id": UNDO_ID,
        "undoes": APPLICATION_ID,
        "pattern_id": PATTERN_ID,
        "reason": None,
        "rows_touched": 2,
        "tables": {"public.users": 2},
        "execution_time_ms": 150,
    }
    assert wire.sent("start_rollback_v1") == {
        "p_application_id": APPLICATION_ID,
        "p_reason": "wrong rows",
    }
    assert wire.sent("run_application_v1") == {"p_application_id": UNDO_ID}
    headers = {
        name: request.headers["authorization"]
        for name, request in zip(wire.names, wire.requests, strict=True)
    }
    assert headers["start_rollback_v1"] == person["Authorization"]
    assert headers["run_application_v1"] == engine["Authorization"]


def test_the_undo_script_sees_what_the_fix_saw(
    load: Load, wire: Wire, person: dict[str, str]
) -> None:
    """What was captured is forgotten after a run: it comes from the log row, before the undo."""
    load("rollback").post("/", json={"application_id": APPLICATION_ID}, headers=person)
    assert wire.sent("read_logs_v1") == {"p_ids": [12]}
    recalled = wire.sent("recall_error_v1")
    assert recalled["p_application_id"] == UNDO_ID
    assert recalled["p_error"]["message"] == MESSAGE
    assert "7" in recalled["p_error"]["captured"].values()
    assert wire.names.index("recall_error_v1") < wire.names.index("run_application_v1")


GONE: dict[str, tuple[int | None, list[str]]] = {
    "no log row": (None, ["start_rollback_v1", "run_application_v1"]),
    "one that is gone": (12, ["start_rollback_v1", "read_logs_v1", "run_application_v1"]),
}


@pytest.mark.parametrize(("log_id", "asked"), GONE.values(), ids=GONE.keys())
def test_without_its_log_row_a_run_is_taken_back_all_the_same(
    load: Load, wire: Wire, person: dict[str, str], log_id: int | None, asked: list[str]
) -> None:
    """By what is left of the error."""
    wire.replies["start_rollback_v1"] = undo(system_log_id=log_id)
    wire.replies["read_logs_v1"] = []
    answer = load("rollback").post("/", json={"application_id": APPLICATION_ID}, headers=person)
    assert answer.get_json()["success"] is True
    assert wire.names == asked


def test_an_undo_that_fails_is_said(load: Load, wire: Wire, person: dict[str, str]) -> None:
    """It is an outcome, with its reason, as a fix that fails is."""
    wire.replies["run_application_v1"] = outcome(
        success=False, error="no such row", rows_touched=0, tables={}
    )
    answer = load("rollback").post("/", json={"application_id": APPLICATION_ID}, headers=person)
    assert answer.status_code == 200
    told = answer.get_json()
    assert (told["success"], told["reason"], told["rows_touched"]) == (False, "no such row", 0)


def test_other_types_are_undone_by_their_executor(
    load: Load, wire: Wire, person: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the job as the database has it, and recorded as every run is."""
    ran: list[Job] = []

    class Recorder:
        def run(self, job: Job) -> Outcome:
            ran.append(job)
            return Outcome(success=False, error="exit code 1", duration_ms=7)

    monkeypatch.setattr(fixes, "executor", lambda *_: Recorder())
    monkeypatch.setattr(fixes, "analyse", lambda *_: Analysis("undo()"))
    wire.replies["start_rollback_v1"] = undo(
        fix_type="typescript", undo_script="undo()", prepared_undo_script="undo()"
    )
    wire.replies["application_job_v1"] = {
        "fix_type": "typescript",
        "script": "undo()",
        "parameters": {},
        "error": {"message": MESSAGE, "scrubbed": MESSAGE},
        "timeout_ms": 5000,
        "max_retries": 0,
        "max_rows": 10,
        "secrets": {},
    }
    wire.replies["finish_application_v1"] = outcome(success=False, error="exit code 1")
    answer = load("rollback").post("/", json={"application_id": APPLICATION_ID}, headers=person)
    assert answer.get_json()["reason"] == "exit code 1"
    assert [job.script for job in ran] == ["undo()"]
    assert wire.sent("application_job_v1") == {"p_application_id": UNDO_ID}
    recorded = wire.sent("finish_application_v1")
    assert recorded["p_application_id"] == UNDO_ID
    assert recorded["p_outcome"]["error"] == "exit code 1"


UNSOUND = {
    "another script would run": {"prepared_undo_script": "DELETE FROM public.users"},
    "it is refused": {"undo_script": "drop table users"},
}


@pytest.mark.parametrize("change", UNSOUND.values(), ids=UNSOUND.keys())
def test_an_undo_script_is_analysed_again_before_it_runs(
    load: Load, wire: Wire, person: dict[str, str], change: dict[str, Any]
) -> None:
    """As a fix is: what does not pass does not run, and that is recorded and said."""
    wire.replies["start_rollback_v1"] = undo(**change)
    wire.replies["finish_application_v1"] = outcome(success=False, error=rollback.REFUSED)
    answer = load("rollback").post("/", json={"application_id": APPLICATION_ID}, headers=person)
    assert (answer.get_json()["success"], answer.get_json()["reason"]) == (False, rollback.REFUSED)
    assert wire.names == ["start_rollback_v1", "finish_application_v1"]
    assert wire.sent("finish_application_v1") == {
        "p_application_id": UNDO_ID,
        "p_outcome": {
            "success": False,
            "started": False,
            "error": rollback.REFUSED,
            "execution_time_ms": 0,
        },
    }


def test_what_cannot_be_taken_back_runs_nothing(
    load: Load, wire: Wire, person: dict[str, str], refusal: Callable[..., httpx.Response]
) -> None:
    """The database's refusal is the answer, and the undo script does not run."""
    wire.replies["start_rollback_v1"] = refusal("PL021")
    answer = load("rollback").post("/", json={"application_id": APPLICATION_ID}, headers=person)
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (409, "not_undoable")
    assert wire.names == ["start_rollback_v1"]


def test_a_changed_fix_takes_nothing_back_and_is_told(
    load: Load, wire: Wire, person: dict[str, str], refusal: Callable[..., httpx.Response]
) -> None:
    """What the refusal recorded is undone with it; the engine tells that someone changed a fix."""
    wire.replies["start_rollback_v1"] = refusal("PL006")
    wire.replies["record_event_v1"] = "55555555-5555-4555-8555-555555555555"
    answer = load("rollback").post("/", json={"application_id": APPLICATION_ID}, headers=person)
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (409, "fix_not_pinned")
    assert wire.names == ["start_rollback_v1", "record_event_v1"]
    event = wire.sent("record_event_v1")
    assert (event["p_event_type"], event["p_severity"]) == ("fix_refused", "critical")
    assert event["p_metadata"]["application_id"] == APPLICATION_ID


# -- pausing ---------------------------------------------------------------------------------------


def test_a_pause_is_passed_on(load: Load, wire: Wire, person: dict[str, str]) -> None:
    """With reason and end, in the person's name."""
    body = {"reason": "migration", "seconds": 3600}
    answer = load("pause").post("/", json=body, headers=person)
    shown = ("pause_id", "reason", "started_at", "started_by", "expires_at")
    assert answer.get_json() == {"success": True, "pause": {name: PAUSE[name] for name in shown}}
    assert wire.sent("pause_fixes_v1") == {"p_reason": "migration", "p_seconds": 3600}
    assert wire.requests[0].headers["authorization"] == person["Authorization"]


@pytest.mark.parametrize("body", [{"reason": "all is well"}, None], ids=["why", "no body"])
def test_resuming_is_passed_on(
    load: Load, wire: Wire, person: dict[str, str], body: dict[str, Any] | None
) -> None:
    """In the person's name; at three in the morning a body is too much to ask."""
    answer = load("resume").post("/", json=body, headers=person)
    assert answer.get_json() == {"success": True, "ended": [PAUSE_ID]}
    assert wire.sent("resume_fixes_v1") == {"p_reason": body and body["reason"]}
    assert wire.requests[0].headers["authorization"] == person["Authorization"]


# -- suggesting ------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["person", "engine"])
def test_suggestions_are_drafts_with_their_record(
    load: Load, wire: Wire, request: pytest.FixtureRequest, who: str
) -> None:
    """Script, parameters and what became of it elsewhere."""
    headers: dict[str, str] = request.getfixturevalue(who)
    answer = load("suggestions").get(f"/?pattern_id={PATTERN_ID}&limit=3", headers=headers)
    assert answer.get_json() == {"suggestions": [SUGGESTION]}
    assert wire.sent("suggested_fixes_v1") == {"p_pattern_id": PATTERN_ID, "p_limit": 3}
    assert wire.requests[0].headers["authorization"] == headers["Authorization"]


@pytest.mark.parametrize("query", ["", f"pattern_id={PATTERN_ID}&limit=51", "pattern_id=1"])
def test_a_question_that_does_not_fit_is_refused(
    load: Load, wire: Wire, person: dict[str, str], query: str
) -> None:
    """Nothing is guessed."""
    assert load("suggestions").get(f"/?{query}", headers=person).status_code == 422
    assert wire.names == []


# -- all of them -----------------------------------------------------------------------------------

WRONG: dict[str, tuple[str, dict[str, Any], str]] = {
    "enable without digest": ("enable", {"pattern_id": PATTERN_ID}, "sha256"),
    "enable by half a digest": (
        "enable",
        {"pattern_id": PATTERN_ID, "sha256": "abc"},
        "sha256",
    ),
    "no application": ("rollback", {"reason": "wrong"}, "application_id"),
    "a long reason": (
        "rollback",
        {"application_id": APPLICATION_ID, "reason": "x" * 1001},
        "reason",
    ),
    "a pause without reason": ("pause", {"seconds": 60}, "reason"),
    "a pause without end": ("pause", {"reason": "migration"}, "seconds"),
    "a pause of no length": ("pause", {"reason": "migration", "seconds": 0}, "seconds"),
    "a pause for ever": ("pause", {"reason": "migration", "seconds": 2_592_001}, "seconds"),
    "resuming something": ("resume", {"pause_id": PAUSE_ID}, "pause_id"),
}


@pytest.mark.parametrize(("function", "body", "told"), WRONG.values(), ids=WRONG.keys())
def test_a_body_that_does_not_fit_is_refused(
    load: Load, wire: Wire, person: dict[str, str], function: str, body: dict[str, Any], told: str
) -> None:
    """With the field that is wrong, before the database is asked."""
    answer = load(function).post("/", json=body, headers=person)
    assert answer.status_code == 422
    assert told in answer.get_json()["error"]["message"]
    assert wire.names == []


@pytest.mark.parametrize("function", ["learn", "apply", "webhook", "statistics"])
def test_what_runs_for_each_error_starts_without_these_models(function: str) -> None:
    """Start-up time is what a serverless caller feels."""
    program = (
        "import runpy, sys\n"
        f"runpy.run_path({str(FUNCTIONS / function / 'main.py')!r})\n"
        "print(*(name for name in sys.modules if name.startswith('pattern_engine.approval')))"
    )
    started = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert started.stdout.strip() == ""
