"""pattern-engine-js takes whatever was thrown, never throws, and loses nothing that it may send later."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from pattern_engine import grouping
from pattern_engine.grouping import evidence
from pattern_engine.local.node import find_node


@pytest.fixture(scope="module")
def seen() -> dict[str, Any]:
    """What came of each case of capturing.mjs."""
    command = [str(find_node()), str(Path(__file__).with_name("capturing.mjs"))]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_an_error_is_the_one_that_it_goes_back_to(seen: dict[str, Any]) -> None:
    """With its code; what was raised from it is context, and a circle ends."""
    of_database, of_circle = seen["chain"]["rows"]
    assert of_database["message"] == "duplicate key"
    assert of_database["error_data"] == {"code": "23505", "details": "Key (id)=(1) exists."}
    assert of_database["metadata"]["raised_as"] == ["could not pay", "RangeError: step"]
    assert of_circle["message"] in {"inner", "outer"}
    (several,) = seen["several"]["rows"]
    assert several["message"] == "TypeError: first"
    assert several["metadata"]["raised_as"] == ["AggregateError: all failed"]


def test_anything_that_is_thrown_is_told(seen: dict[str, Any]) -> None:
    """No call throws or answers; what cannot be read is counted as lost."""
    odd = seen["odd"]
    messages = [row["message"] for row in odd["rows"]]
    known = ["text", "undefined", "null", "5", "10", "Symbol(s)", '{"a":1}', "() => 1", ""]
    assert messages == [*known, "nul \ufffd \ufffd"]
    assert (odd["returned"], odd["sent"], odd["dropped"]) == (0, True, 1)


def test_events_and_answers_are_unwrapped(seen: dict[str, Any]) -> None:
    """What a page's listeners get, and the whole answer of supabase-js."""
    messages = [row["message"] for row in seen["events"]["rows"]]
    assert messages == ["TypeError: rejected", "TypeError: thrown", "duplicate key"]


def test_the_digest_of_next_is_kept(seen: dict[str, Any]) -> None:
    """By it the error of the page finds the one of the server."""
    assert seen["next"]["rows"][0]["metadata"]["digest"] == "4711"


def test_a_stack_without_its_message_gets_it(seen: dict[str, Any]) -> None:
    """So that the engine sees the class, as in a browser that prints it."""
    (row,) = seen["firefox"]["rows"]
    sent = evidence.read(row["error_data"], row["message"])
    group = grouping.group(row["message"], stack=sent.stack)
    assert group.template == "TypeError: a is undefined\n  at app.pay"


def test_a_long_error_is_cut(seen: dict[str, Any]) -> None:
    """To what the engine reads."""
    (row,) = seen["long"]["rows"]
    assert len(row["message"]) == 32_768
    assert len(row["error_data"]["stack"]) == 4_096


def test_a_dead_server_loses_nothing(seen: dict[str, Any]) -> None:
    """It is asked again, later each time, until it takes the row; the order stays."""
    dead = seen["dead"]
    assert dead["messages"] == ["message 1", "message 2", "message 3"]
    assert (dead["sent"], dead["dropped"]) == (True, 0)
    assert dead["pauses"] == [1_000, 2_000, 4_000, 8_000, 16_000]


def test_a_refused_row_is_counted_and_a_duplicate_is_not(seen: dict[str, Any]) -> None:
    """The database refuses a row that it has, when the answer to the first request was lost."""
    assert (seen["refused"]["messages"], seen["refused"]["dropped"]) == (["message 3"], 2)
    assert (seen["duplicate"]["sent"], seen["duplicate"]["dropped"]) == (True, 0)


def test_the_queue_is_bounded(seen: dict[str, Any]) -> None:
    """A hundred rows wait; the latest ones are lost and counted."""
    full = seen["full"]
    assert full["messages"] == [f"message {number}" for number in range(1, 101)]
    assert (full["sent"], full["dropped"]) == (True, 20)
