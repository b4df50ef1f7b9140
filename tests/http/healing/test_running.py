"""Running a fix: cut off in time, recorded whatever happens, never left going on."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from pattern_engine import fixes
from pattern_engine.exceptions import Unavailable
from pattern_engine.fixes.execution import Job, Outcome
from pattern_engine.healing import running
from pattern_engine.settings import Facilities
from pattern_engine.text.withholding import NOTHING

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
    """What the database records of an outcome that the engine reports."""
    return outcome(**sent["p_outcome"])


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test waits for the pauses between tries."""
    monkeypatch.setattr(running, "PAUSES_SECONDS", (0.01, 0.01))
    monkeypatch.setattr(running, "CANCEL_INTERVAL_SECONDS", 0.01)


def test_a_run_in_time_is_one_call(wire: Wire, database: Database) -> None:
    """Nothing is cancelled or recorded twice where nothing went wrong."""
    wire.replies["run_application_v1"] = outcome()
    assert running.run(database, ID, None, 5000, Facilities(), NOTHING)["success"] is True
    assert wire.names == ["run_application_v1"]


class Statement:
    """A script that runs until it is cancelled; the database knows how long it has run."""

    def __init__(self, wire: Wire, *left: int | None) -> None:
        self.cancelled = threading.Event()
        self.left = iter(left)
        self.asked: list[float] = []
        wire.replies["run_application_v1"] = self.run
        wire.replies["cancel_application_v1"] = self.cancel

    def run(self, _: dict[str, Any]) -> dict[str, Any]:
        """Run until cancelled; the database records that itself."""
        assert self.cancelled.wait(5)
        return outcome(success=False, error="The run was stopped at its time limit of 20 ms")

    def cancel(self, _: dict[str, Any]) -> int | None:
        """Answer the milliseconds that are left; cancel when there are none."""
        self.asked.append(time.monotonic())
        left = next(self.left, 0)
        if left == 0:
            self.cancelled.set()
        return left


def test_a_run_that_takes_too_long_is_cut_off(wire: Wire, database: Database) -> None:
    """After its time limit the database is asked to cancel it, and records it as failed."""
    statement = Statement(wire)
    started = time.monotonic()
    found = running.run(database, ID, None, 100, Facilities(), NOTHING)
    assert statement.asked[0] - started >= 0.1
    assert found["error"] == "The run was stopped at its time limit of 20 ms"
    assert wire.names == ["run_application_v1", "cancel_application_v1"]


def test_the_database_says_how_much_time_is_left(wire: Wire, database: Database) -> None:
    """A script that waited for a connection or a lock has its whole time from its first statement."""
    statement = Statement(wire, None, None, 150)
    running.run(database, ID, None, 20, Facilities(), NOTHING)
    assert len(statement.asked) == 4
    assert statement.asked[3] - statement.asked[2] >= 0.15


def test_a_cancel_that_fails_does_not_end_the_timekeeping(wire: Wire, database: Database) -> None:
    """The database may be busy at that moment; the next try counts."""
    statement = Statement(wire)
    answers = iter([httpx.ReadTimeout("busy"), httpx.Response(500)])
    wire.replies["cancel_application_v1"] = lambda sent: (
        next(answers, None) or statement.cancel(sent)
    )
    found = running.run(database, ID, None, 20, Facilities(), NOTHING)
    assert found["error"] == "The run was stopped at its time limit of 20 ms"


LOST: dict[str, httpx.Response | Exception] = {
    "hung up": httpx.RemoteProtocolError("Server disconnected without sending a response."),
    "no answer": httpx.ReadTimeout("slow"),
    "gateway": httpx.Response(504),
    "no SQLSTATE": httpx.Response(500, json={"code": "SUP", "message": "unknown"}),
    "no JSON": httpx.Response(500, text="worker died"),
    "killed": httpx.Response(500, json={"code": "57P01", "message": "terminating connection"}),
    "statement time-out": httpx.Response(500, json={"code": "57014", "message": "timeout"}),
    "deadlock": httpx.Response(500, json={"code": "40P01", "message": "deadlock detected"}),
}


@pytest.mark.parametrize("failure", LOST.values(), ids=LOST.keys())
def test_a_run_without_an_answer_is_sent_again(
    wire: Wire, database: Database, failure: httpx.Response | Exception
) -> None:
    """A run that was committed answers its recorded outcome; otherwise nothing of it was kept."""
    answers = iter([failure])

    def run(_: dict[str, Any]) -> Any:
        problem = next(answers, None)
        if isinstance(problem, Exception):
            raise problem
        return problem or outcome()

    wire.replies["run_application_v1"] = run
    assert running.run(database, ID, None, 5000, Facilities(), NOTHING)["success"] is True
    assert wire.names == ["run_application_v1"] * 2


@pytest.mark.parametrize("failure", LOST.values(), ids=LOST.keys())
def test_an_outcome_that_nobody_knows_is_not_recorded(
    wire: Wire, database: Database, failure: httpx.Response | Exception
) -> None:
    """The claim stays open: after its lease another worker runs it, or it ends as inconclusive."""
    wire.replies["run_application_v1"] = failure
    with pytest.raises(Unavailable):
        running.run(database, ID, None, 5000, Facilities(), NOTHING)
    assert set(wire.names) == {"run_application_v1"}


def test_a_failure_of_the_recording_is_not_held_against_the_fix(
    wire: Wire, database: Database, refusal: Callable[..., httpx.Response]
) -> None:
    """What the script does wrong is recorded with the run, so any other error is inconclusive."""
    wire.replies["run_application_v1"] = refusal("23514")
    wire.replies["finish_application_v1"] = finished
    assert running.run(database, ID, None, 5000, Facilities(), NOTHING)["success"] is False
    assert wire.sent("finish_application_v1")["p_outcome"]["started"] is False


def test_an_outcome_is_recorded_once_the_database_is_back(wire: Wire, database: Database) -> None:
    """What is known is not lost because it was away for a moment; recording twice is safe."""
    answers = iter([httpx.ConnectError("refused"), httpx.ReadTimeout("slow")])

    def finish(sent: dict[str, Any]) -> dict[str, Any]:
        problem = next(answers, None)
        if problem is not None:
            raise problem
        return finished(sent)

    wire.replies["finish_application_v1"] = finish
    assert running.record(database, ID, Outcome(success=False), NOTHING)["success"] is False
    assert wire.names.count("finish_application_v1") == 3


def test_no_thread_is_left(
    wire: Wire, database: Database, refusal: Callable[..., httpx.Response]
) -> None:
    """The timekeeper goes when the run is over, however it went."""
    wire.replies["run_application_v1"] = refusal("PL010")
    wire.replies["cancel_application_v1"] = False
    wire.replies["finish_application_v1"] = finished
    running.run(database, ID, None, 8000, Facilities(), NOTHING)
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
    running.run(database, ID, JOB, 5000, Facilities(), NOTHING)
    sent = wire.sent("finish_application_v1")["p_outcome"]
    assert (sent["output"], sent["error"]) == (recorded, "it said \ufffd")
