"""Rows wait in a queue of bounded size; log calls neither wait nor raise, whatever the server does."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest
from postgrest import AsyncPostgrestClient, SyncPostgrestClient

from pattern_engine.handlers import PatternEngineHandler, row_queue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.core.handlers.conftest import Answer, Rows, Server

DUPLICATE: Answer = (409, {}, json.dumps({"code": "23505", "message": "duplicate key value"}))
REFUSED: Answer = (400, {}, json.dumps({"code": "22P05", "message": "unsupported Unicode"}))


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_queue, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(row_queue, "LONGEST_PAUSE", 0.05)


@pytest.fixture
def start(server: Server) -> Iterator[Callable[..., tuple[logging.Logger, PatternEngineHandler]]]:
    """Make a logger whose handler writes to the server."""
    handlers: list[PatternEngineHandler] = []

    def start(**options: Any) -> tuple[logging.Logger, PatternEngineHandler]:
        given: dict[str, Any] = {"url": server.url, "key": "k", "exit_seconds": 0, **options}
        handler = PatternEngineHandler(**given)
        logger = logging.Logger("shop")  # noqa: LOG001  no other test has its handlers
        logger.addHandler(handler)
        handlers.append(handler)
        return logger, handler

    yield start
    for handler in handlers:
        handler.close()


def _messages(first: int, last: int) -> list[str]:
    return [f"message {number}" for number in range(first, last + 1)]


def test_rows_are_sent_in_batches_and_in_order(server: Server, start: Any) -> None:
    """Each once, and each with an id of its own."""
    logger, handler = start(batch_size=10)
    for message in _messages(1, 25):
        logger.error(message)
    assert handler.flush(10)
    assert server.messages == _messages(1, 25)
    assert max(len(rows) for _, rows in server.requests) <= 10
    assert len({row["event_id"] for row in server.written}) == 25
    assert (handler.sent, handler.dropped) == (25, 0)


def test_a_server_that_does_not_answer_blocks_nothing(server: Server, start: Any) -> None:
    """The calls return while the request is open; what the queue holds is sent afterwards."""
    server.open.clear()
    logger, handler = start(queue_size=50, batch_size=1)
    for message in _messages(1, 60):
        logger.error(message)
    assert not handler.flush(0)
    assert (handler.sent, handler.dropped) == (0, 10)
    server.open.set()
    assert handler.flush(10)
    assert server.messages == _messages(1, 50)
    logger.error("later")
    assert handler.flush(10)
    assert (handler.sent, handler.dropped) == (51, 10)


def test_a_server_that_is_down_loses_nothing(server: Server, start: Any) -> None:
    """A port on which nobody listens, and then the server."""
    logger, handler = start(url="http://127.0.0.1:9", batch_size=7)
    for message in _messages(1, 20):
        logger.error(message)
    assert not handler.flush(0.1)
    assert (handler.sent, handler.dropped) == (0, 0)
    from pattern_engine.handlers.posting import by_http  # noqa: PLC0415

    handler._sink.queue._post = by_http(server.url, "k", 10)  # noqa: SLF001  the server comes back
    assert handler.flush(10)
    assert server.messages == _messages(1, 20)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504, 408])
def test_a_busy_server_is_asked_again(server: Server, start: Any, status: int) -> None:
    """With the same rows, until it takes them."""
    answers = [(status, {"Retry-After": "0"}, "busy")] * 3
    server.answer = lambda _: answers.pop() if answers else (201, {}, "")
    logger, handler = start()
    logger.error("x")
    assert handler.flush(10) or handler.flush(10)
    assert server.messages == ["x"]
    assert len({json.dumps(rows) for _, rows in server.requests}) == 1
    assert (len(server.requests), handler.sent, handler.dropped) == (4, 1, 0)


def test_a_row_whose_answer_was_lost_is_written_once(server: Server, start: Any) -> None:
    """The id tells the server that it has the row; that counts as sent."""
    seen: set[str] = set()

    def answer(rows: Rows) -> tuple[int, dict[str, str], str]:
        if rows[0]["event_id"] in seen:
            return DUPLICATE
        seen.add(rows[0]["event_id"])
        return 504, {}, "the row was written, and the answer is late"

    server.answer = answer
    logger, handler = start()
    logger.error("x")
    assert handler.flush(10)
    assert (handler.sent, handler.dropped) == (1, 0)


def test_of_a_batch_only_the_refused_row_is_lost(server: Server, start: Any) -> None:
    """It is found by halves, and counted."""
    server.answer = lambda rows: (
        (400, {}, "{}") if any(row["message"] == "message 13" for row in rows) else (201, {}, "")
    )
    logger, handler = start()
    server.open.clear()
    for message in _messages(1, 40):
        logger.error(message)
    server.open.set()
    assert handler.flush(10)
    assert server.messages == [each for each in _messages(1, 40) if each != "message 13"]
    assert (handler.sent, handler.dropped) == (39, 1)


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_wrong_key_is_asked_once_a_batch(server: Server, start: Any, status: int) -> None:
    """All rows of it are lost and counted; halves of it would be refused as well."""
    server.answer = lambda _: (status, {}, "{}")
    logger, handler = start(batch_seconds=0.2)
    for message in _messages(1, 20):
        logger.error(message)
    assert handler.flush(10)
    assert (len(server.requests), handler.sent, handler.dropped) == (1, 0, 20)


def test_what_its_own_client_logs_is_not_sent(server: Server) -> None:
    """Neither httpx's line of each request nor the handler's own warning: it would never end."""
    server.answer = lambda rows: (
        REFUSED if any(row["message"] == "refused" for row in rows) else (201, {}, "")
    )
    client = SyncPostgrestClient(f"{server.url}/rest/v1")
    handler = PatternEngineHandler(client=client, level=logging.DEBUG, exit_seconds=0)
    root = logging.getLogger()
    before, root.level = root.level, logging.DEBUG
    root.addHandler(handler)
    try:
        logging.getLogger("shop").error("x")
        logging.getLogger("shop").error("refused")
        # What was logged while the first rows were sent would be sent with the second flush.
        assert handler.flush(10)
        assert handler.flush(10)
    finally:
        root.removeHandler(handler)
        root.setLevel(before)
    sent = {row["message"] for _, rows in server.requests for row in rows}
    assert sent == {"x", "refused"}
    assert (handler.sent, handler.dropped) == (1, 1)


def test_before_send_decides_what_is_sent(server: Server, start: Any) -> None:
    """It may change a row or hold it back; where it fails, the row is counted as lost."""

    def censored(row: dict[str, Any]) -> dict[str, Any] | None:
        if row["message"] == "secret":
            return None
        if row["message"] == "odd":
            return row | {"metadata": object()}
        return row | {"message": row["message"].upper()}

    logger, handler = start(before_send=censored)
    for message in ("secret", "odd", "x"):
        logger.error(message)
    assert handler.flush(10)
    assert server.messages == ["X"]
    assert (handler.sent, handler.dropped) == (1, 1)


def test_what_cannot_be_formatted_does_not_raise(server: Server, start: Any) -> None:
    """As with any handler of logging; the row is counted as lost."""
    logger, handler = start()
    logger.error("%d", "no number")
    logger.error("x")
    assert handler.flush(10)
    assert (server.messages, handler.dropped) == (["x"], 1)


def test_threads_together_lose_and_double_nothing(server: Server, start: Any) -> None:
    """Each row of each thread is sent once."""
    logger, handler = start()

    def log(name: str) -> None:
        for number in range(100):
            logger.error("%s %s", name, number)

    threads = [threading.Thread(target=log, args=[str(name)]) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert handler.flush(10)
    assert sorted(server.messages) == sorted(f"{n} {m}" for n in range(8) for m in range(100))


PROGRAM = """
import logging, os, sys
from pattern_engine.handlers import PatternEngineHandler, PatternEngineProcessor
handler = PatternEngineHandler(key="k", source="shop", batch_size=1, exit_seconds=30)
logging.basicConfig(handlers=[handler])
"""


def _run(server: Server, program: str) -> None:
    environment = os.environ | {"SUPABASE_URL": server.url}
    command = [sys.executable, "-W", "ignore", "-c", PROGRAM + program]
    subprocess.run(command, env=environment, check=False, timeout=60)


@pytest.mark.parametrize(
    "ending", ["", "sys.exit(1)", "raise RuntimeError('it ends badly')", "logging.shutdown()"]
)
def test_the_end_of_the_process_sends_what_waits(server: Server, ending: str) -> None:
    """Nobody has to flush."""
    _run(server, f"for n in range(250): logging.error('message %s', n)\n{ending}")
    assert server.messages == [f"message {n}" for n in range(250)]


def test_the_end_of_the_process_sends_what_structlog_logged(server: Server) -> None:
    """It has no end of its own, as logging has."""
    _run(
        server,
        """
processor = PatternEngineProcessor(key="k", batch_size=1, exit_seconds=30)
for n in range(50):
    processor(None, "error", {"event": f"message {n}"})
""",
    )
    assert server.messages == [f"message {n}" for n in range(50)]


def test_a_child_process_sends_its_own_rows(server: Server) -> None:
    """After a fork neither process loses or doubles what the other has queued."""
    server.open.clear()
    release = threading.Timer(1.0, server.open.set)
    release.start()
    _run(
        server,
        """
for n in range(5):
    logging.error("before")
if os.fork() == 0:
    logging.error("child")
    assert handler.flush(20)
    os._exit(0)
logging.error("parent")
os.wait()
""",
    )
    release.join()
    assert sorted(server.messages) == [*["before"] * 5, "child", "parent"]


def test_it_is_told_at_once_where_to_send(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an address or a key, and with a client that a thread cannot use, nothing starts."""
    for name in ("SUPABASE_URL", "SUPABASE_SECRET_KEY", "SUPABASE_SERVICE_ROLE_KEY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ValueError, match="SUPABASE_URL"):
        PatternEngineHandler(key="k")
    with pytest.raises(ValueError, match="file:///etc"):
        PatternEngineHandler(url="file:///etc/passwd", key="k")
    with pytest.raises(ValueError, match="SUPABASE_SECRET_KEY"):
        PatternEngineHandler(url="https://ref.supabase.co")


def test_an_asynchronous_client_is_refused(server: Server) -> None:
    """With what to give instead."""
    client = AsyncPostgrestClient(f"{server.url}/rest/v1")
    with pytest.raises(TypeError, match="synchronous"):
        PatternEngineHandler(client=client)


def test_a_client_of_the_application_is_used(server: Server) -> None:
    """Its refusals count as those of the address and key do, and its duplicates as sent."""
    answers: list[Any] = [
        DUPLICATE,
        (503, {}, "{}"),
        (400, {}, '{"code": "22P05", "message": "no"}'),
    ]
    server.answer = lambda _: answers.pop() if answers else (201, {}, "")
    client = SyncPostgrestClient(f"{server.url}/rest/v1")
    handler = PatternEngineHandler(client=client, source="shop", exit_seconds=0)
    logger = logging.Logger("shop")  # noqa: LOG001  no other test has its handlers
    logger.addHandler(handler)
    for message in ("refused", "busy, then written before", "written"):
        logger.error(message)
        assert handler.flush(10) or handler.flush(10)
    assert server.messages == ["written"]
    assert (handler.sent, handler.dropped) == (2, 1)
    assert server.requests[-1][0]["Content-Profile"] == "ops"
