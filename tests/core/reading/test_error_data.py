"""What an application sends beside a message is read together with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pattern_engine import reading
from pattern_engine.grouping import evidence
from pattern_engine.reading.places import place_of

if TYPE_CHECKING:
    from pattern_engine.reading import ReadError

STACK = "TypeError: stock.take is not a function\n    at take (/srv/app/src/stock.ts:3:7)"
FRAMES = {
    "type": "KeyError",
    "value": "'7'",
    "stacktrace": {"frames": [{"filename": "/srv/app/stock.py", "function": "take"}]},
}


def _read(error_data: object, message: str = "could not place order 17") -> ReadError:
    found = evidence.read(error_data, message)
    return reading.read(message, stack=found.stack, exception=found.exception, fields=found.fields)


@pytest.mark.parametrize("key", ["stack", "stacktrace"])
def test_a_stack_tells_the_root_and_its_place(key: str) -> None:
    """The text of the root in the stack counts more than what the program said of it."""
    error = _read({key: STACK})
    assert (error.message, error.kind) == ("stock.take is not a function", "TypeError")
    assert place_of(error) == "stock.take"


@pytest.mark.parametrize(
    "stack",
    [
        "take@https://shop.example/stock.js:3:7\nplace@https://shop.example/orders.js:9:1",
        "    at take (https://shop.example/stock.js:3:7)\n    at https://shop.example/orders.js:9:1",
    ],
)
def test_a_stack_without_a_text_keeps_the_message(stack: str) -> None:
    """Firefox and Safari have the message elsewhere, and so have frames that were cut off."""
    error = _read({"stack": stack}, "nothing is left in stock")
    assert error.message == "nothing is left in stock"
    assert place_of(error) == "stock.take"


def test_an_exception_with_frames_is_a_stack() -> None:
    """As Sentry's clients send it."""
    error = _read({"exception": FRAMES})
    assert (error.message, error.kind) == ("'7'", "KeyError")
    assert place_of(error) == "stock.take"


def test_a_kind_beside_the_message_is_that_of_a_message_without_one() -> None:
    """What the text itself tells counts more."""
    assert _read({"exception": "OutOfStock"}).kind == "OutOfStock"
    assert _read({"exception": "OutOfStock"}, "ValueError: no item 5 left").kind == "ValueError"


def test_fields_tell_what_the_text_does_not() -> None:
    """The code, the sections and the names that a driver gives its error."""
    error = _read(
        {
            "code": "23505",
            "details": "Key (number)=(7) already exists.",
            "constraint": "orders_number_key",
            "table": "orders",
        }
    )
    assert (error.origin, error.code) == ("postgres", "23505")
    assert error.detail == "Key (number)=(7) already exists."
    assert error.objects == {"constraint": "orders_number_key", "table": "orders"}


def test_fields_do_not_contradict_the_text() -> None:
    """A code in the text stays."""
    text = 'ERROR:  42P01: relation "invoices" does not exist'
    assert _read({"code": "500"}, text).code == "42P01"


@pytest.mark.parametrize("stack", ["", "  ", "no trace at all", "x" * 100_000])
def test_a_stack_that_is_none_changes_nothing(stack: str) -> None:
    """What has no frames and no kind is passed over."""
    assert _read({"stack": stack}).message == "could not place order 17"
