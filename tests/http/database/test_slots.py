"""A process has few calls of the database open at once, and refuses what it cannot send soon."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from pattern_engine.database import slots
from pattern_engine.exceptions import DatabaseBusy, LockNotAvailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.http.conftest import Load, Wire

    from pattern_engine.database.database import Database

ID = "44444444-4444-4444-8444-444444444444"
MOST = 4
"""The default of PATTERN_ENGINE_DATABASE_CALLS."""


class Locked:
    """A database in which every call waits for a lock."""

    def __init__(self, wire: Wire) -> None:
        self.opened = threading.Event()
        self.open = 0
        self.most = 0
        self.full = threading.Event()
        self._count = threading.Lock()
        wire.replies["read_logs_v1"] = self.read
        wire.replies["cancel_application_v1"] = None

    def read(self, _: dict[str, Any]) -> list[Any]:
        """Answer when the lock is gone."""
        with self._count:
            self.open += 1
            self.most = max(self.most, self.open)
            if self.open == MOST:
                self.full.set()
        assert self.opened.wait(20)
        with self._count:
            self.open -= 1
        return []


@pytest.fixture
def locked(wire: Wire) -> Iterator[Locked]:
    """The lock is gone at the end of the test."""
    locked = Locked(wire)
    yield locked
    locked.opened.set()


def test_calls_beyond_the_bound_wait_for_their_turn(locked: Locked, database: Database) -> None:
    """As many calls are open as the setting says, and the next ones follow."""
    with ThreadPoolExecutor(MOST * 3) as pool:
        reads = [pool.submit(database.read_logs, [1]) for _ in range(MOST * 3)]
        assert locked.full.wait(10)
        locked.opened.set()
        assert [read.result(10) for read in reads] == [[]] * len(reads)
    assert locked.most == MOST


def test_a_call_that_gets_no_turn_is_refused(
    locked: Locked, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits for a bounded time only, and never where enough others wait."""
    monkeypatch.setattr(slots, "WAIT_SECONDS", 0.05)
    with ThreadPoolExecutor(MOST) as pool:
        for _ in range(MOST):
            pool.submit(database.read_logs, [1])
        assert locked.full.wait(10)
        with pytest.raises(DatabaseBusy):
            database.read_logs([1])
        locked.opened.set()
    assert database.read_logs([1]) == []


def test_where_many_wait_the_next_is_refused_at_once(locked: Locked, database: Database) -> None:
    """So the threads of the process are free for other requests."""
    waiting = MOST * slots.WAITING_FOR_EACH
    with ThreadPoolExecutor(MOST + waiting + 1) as pool:
        reads = [pool.submit(database.read_logs, [1]) for _ in range(MOST + waiting + 1)]
        refused = next(read for read in reads if _refusal(read) is not None)
        assert isinstance(_refusal(refused), DatabaseBusy)
        locked.opened.set()


def _refusal(read: Any) -> BaseException | None:
    try:
        error: BaseException | None = read.exception(0.5)
    except TimeoutError:
        return None
    return error


def test_a_run_can_always_be_stopped(locked: Locked, database: Database) -> None:
    """Cancelling has a slot of its own."""
    with ThreadPoolExecutor(MOST) as pool:
        for _ in range(MOST):
            pool.submit(database.read_logs, [1])
        assert locked.full.wait(10)
        assert database.cancel_application(ID) is None
        locked.opened.set()


def test_a_lock_that_is_held_is_unavailable(load: Load, wire: Wire, engine: dict[str, str]) -> None:
    """The caller gets a 503 that says when to try again."""
    message = "canceling statement due to lock timeout"
    wire.replies["learn_errors_v1"] = httpx.Response(
        500, json={"code": "55P03", "message": message}
    )
    answer = load("learn").post("/", json={"error_message": "x"}, headers=engine)
    assert answer.status_code == 503
    assert answer.get_json()["error"]["code"] == LockNotAvailable.code
    assert answer.headers["Retry-After"] == "5"
