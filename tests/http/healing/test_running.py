"""Running a fix: cut off in time, recorded whatever happens, never left going on."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from pattern_engine import fixes
from pattern_engine.exceptions import DatabaseUnreachable
from pattern_engine.fixes.execution import Job, Outcome
from pattern_engine.healing import running
from pattern_engine.settings import Facilities

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.http.conftest import Wire

    from pattern_engine.database.database import Database
    from pattern_engine.database.records import JobRecord

ID = "44444444-4444-4444-8444-444444444444"


def outcome(**changes: object) -> dict[str, Any]:
    """How an application ended."""
    return {
        "success": True,
        "error": None,
        "rows_touched": 1,
        "tables": {"public.users": 1},
        "execution_time_ms": 3,
        "pattern": {"success_rate": 100, "confidence_score": 0.95},
        **changes,
    }


def finished(sent: dict[str, Any]) -> dict[str, Any]:
    """What the database records of a run that was cut off."""
    return outcome(**sent["p_outcome"])


def test_a_run_in_time_is_one_call(wire: Wire, database: Database) -> None:
    """Nothing is cancelled or recorded twice where nothing went wrong."""
    wire.replies["run_application_v1"] = outcome()
    assert running.run(database, ID, None, 5000, Facilities())["success"] is True
    assert wire.names == ["run_application_v1"]


class Statement:
    """A statement that runs until it is cancelled."""

    def __init__(self, wire: Wire, deaf_to: int = 0) -> None:
        self.cancelled = threading.Event()
        self.deaf_to = deaf_to
        self.tries = 0
        wire.replies["run_application_v1"] = self.run
        wire.replies["cancel_application_v1"] = self.cancel
        wire.replies["finish_application_v1"] = finished

    def run(self, _: dict[str, Any]) -> httpx.Response:
        """Run until cancelled, as PostgREST tells it."""
        assert self.cancelled.wait(5)
        message = "canceling statement due to user request"
        return httpx.Response(500, json={"code": "57014", "message": message})

    def cancel(self, _: dict[str, Any]) -> bool:
        """Cancel, but for the first tries: the statement may not have begun."""
        self.tries += 1
        if self.tries <= self.deaf_to:
            return False
        self.cancelled.set()
        return True


def test_a_run_that_takes_too_long_is_cut_off(wire: Wire, database: Database) -> None:
    """At its time limit the backend is cancelled, and the application recorded as failed."""
    Statement(wire)
    started = time.monotonic()
    found = running.run(database, ID, None, 100, Facilities())
    assert 0.1 <= time.monotonic() - started < 1
    assert (found["success"], found["error"]) == (
        False,
        "The run was stopped at its time limit of 100 ms",
    )
    assert found["execution_time_ms"] >= 100
    assert wire.names == ["run_application_v1", "cancel_application_v1", "finish_application_v1"]


def test_cancelling_is_tried_until_it_works(wire: Wire, database: Database) -> None:
    """A run that had not begun at its time limit is stopped when it has."""
    statement = Statement(wire, deaf_to=2)
    assert (
        running.run(database, ID, None, 20, Facilities())["error"]
        == "The run was stopped at its time limit of 20 ms"
    )
    assert statement.tries == 3


def test_a_cancel_that_fails_does_not_end_the_timekeeping(
    wire: Wire, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database may be busy at that moment; the next try counts."""
    monkeypatch.setattr(running, "CANCEL_INTERVAL_SECONDS", 0.01)
    statement = Statement(wire)
    answers = iter([httpx.ReadTimeout("busy"), httpx.Response(500)])
    wire.replies["cancel_application_v1"] = lambda sent: (
        next(answers, None) or statement.cancel(sent)
    )
    assert (
        running.run(database, ID, None, 20, Facilities())["error"]
        == "The run was stopped at its time limit of 20 ms"
    )


LOST: dict[str, httpx.Response | Exception] = {
    "hung up": httpx.RemoteProtocolError("Server disconnected without sending a response."),
    "no answer": httpx.ReadTimeout("slow"),
    "gateway": httpx.Response(504),
    "statement time-out": httpx.Response(500, json={"code": "57014", "message": "timeout"}),
    "deadlock": httpx.Response(500, json={"code": "40P01", "message": "deadlock detected"}),
    "nonsense": httpx.Response(200, json=[]),
}


@pytest.mark.parametrize("failure", LOST.values(), ids=LOST.keys())
def test_a_run_whose_answer_is_lost_is_stopped_and_recorded(
    wire: Wire, database: Database, failure: httpx.Response | Exception
) -> None:
    """A client that hangs up stops nothing: it has to be cancelled, and its end recorded."""
    wire.replies["run_application_v1"] = failure
    wire.replies["cancel_application_v1"] = False
    wire.replies["finish_application_v1"] = finished
    found = running.run(database, ID, None, 5000, Facilities())
    assert found["success"] is False
    assert found["error"]
    assert wire.names == ["run_application_v1", "cancel_application_v1", "finish_application_v1"]


@pytest.mark.parametrize(
    ("failure", "speaks"),
    [
        ("hung up", False),
        ("no answer", False),
        ("gateway", False),
        ("statement time-out", True),
        ("deadlock", True),
    ],
)
def test_a_broken_connection_is_not_held_against_the_fix(
    wire: Wire, database: Database, failure: str, speaks: bool
) -> None:
    """Whether the script began is not known: inconclusive. A statement that was stopped had begun."""
    wire.replies["run_application_v1"] = LOST[failure]
    wire.replies["cancel_application_v1"] = False
    wire.replies["finish_application_v1"] = finished
    running.run(database, ID, None, 5000, Facilities())
    assert wire.sent("finish_application_v1")["p_outcome"]["started"] is speaks


def test_a_run_that_had_ended_well_stays_so(wire: Wire, database: Database) -> None:
    """Where only the answer was lost, what the run itself recorded is the outcome."""
    wire.replies["run_application_v1"] = httpx.ReadError("reset")
    wire.replies["cancel_application_v1"] = False
    wire.replies["finish_application_v1"] = outcome()
    assert running.run(database, ID, None, 5000, Facilities())["success"] is True


def test_an_outcome_is_recorded_once_the_database_is_back(
    wire: Wire, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is known is not lost because it was away for a moment; recording twice is safe."""
    monkeypatch.setattr(running, "RECORDING_PAUSES_SECONDS", (0.01, 0.01))
    answers = iter([httpx.ConnectError("refused"), httpx.ReadTimeout("slow")])

    def finish(sent: dict[str, Any]) -> dict[str, Any]:
        problem = next(answers, None)
        if problem is not None:
            raise problem
        return finished(sent)

    wire.replies["run_application_v1"] = httpx.ReadError("reset")
    wire.replies["cancel_application_v1"] = False
    wire.replies["finish_application_v1"] = finish
    assert running.run(database, ID, None, 5000, Facilities())["success"] is False
    assert wire.names.count("finish_application_v1") >= 3


def test_an_outcome_that_cannot_be_recorded_is_an_error(
    wire: Wire, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the database gone nobody knows how it ended, and nobody claims to."""
    monkeypatch.setattr(running, "RECORDING_PAUSES_SECONDS", (0.01,))
    for name in ("run_application_v1", "cancel_application_v1", "finish_application_v1"):
        wire.replies[name] = httpx.ConnectError("refused")
    with pytest.raises(DatabaseUnreachable):
        running.run(database, ID, None, 5000, Facilities())


def test_no_thread_is_left(
    wire: Wire, database: Database, refusal: Callable[..., httpx.Response]
) -> None:
    """The timekeeper goes when the run is over, however it went."""
    wire.replies["run_application_v1"] = refusal("PL010")
    wire.replies["cancel_application_v1"] = False
    wire.replies["finish_application_v1"] = finished
    running.run(database, ID, None, 8000, Facilities())
    time.sleep(0.05)
    assert not [one for one in threading.enumerate() if one.name.startswith("time-limit")]


JOB: JobRecord = {
    "fix_type": "typescript",
    "script": "fix()",
    "parameters": {},
    "error": {"message": "something broke"},
    "timeout_ms": 5000,
    "max_retries": 0,
    "max_rows": 10,
    "secrets": {},
}
DEEP: list[Any] = []
for _ in range(5000):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    ("output", "recorded"),
    [
        ({"a\x00": ["b\x00", "\ud800"]}, {"a\ufffd": ["b\ufffd", "\ufffd"]}),
        (DEEP, "left out: nested too deep"),
    ],
    ids=["unstorable", "deep"],
)
def test_whatever_a_script_answers_its_end_is_recorded(
    wire: Wire,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    output: object,
    recorded: object,
) -> None:
    """JSON says what Postgres refuses; a run that ended is never left open for it."""

    class Talker:
        def run(self, _: Job) -> Outcome:
            return Outcome(success=False, output=output, error="it said \x00")

    monkeypatch.setattr(fixes, "executor", lambda *_: Talker())
    wire.replies["finish_application_v1"] = finished
    running.run(database, ID, JOB, 5000, Facilities())
    sent = wire.sent("finish_application_v1")["p_outcome"]
    assert (sent["output"], sent["error"]) == (recorded, "it said \ufffd")
