"""What an application sends beside a message, in the forms that are documented and in others."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pattern_engine import grouping
from pattern_engine.grouping import evidence
from pattern_engine.grouping.evidence import Evidence

FRAMES: list[dict[str, Any]] = [
    {"filename": "/srv/app/views.py", "function": "checkout", "in_app": True},
    {"filename": "/srv/app/cart.py", "function": "total"},
    {"filename": "/srv/app/vendor.py", "function": "inner", "in_app": False},
]
TRACE = "TypeError: x is not a function\n    at load (/srv/app/src/page.ts:1:2)"

FINGERPRINTS = [
    ("checkout", "checkout"),
    (["checkout", " card  declined "], "checkout card declined"),
    (["{{ default }}"], None),
    (["{{ default }}", "shop"], "order <*> failed shop"),
    ("  ", None),
    ([], None),
    (7, None),
    ([None, {"a": 1}, "x"], "x"),
]


@pytest.mark.parametrize(("given_", "wanted"), FINGERPRINTS)
def test_a_fingerprint_is_a_string_or_a_list_of_them(given_: object, wanted: str | None) -> None:
    """`{{ default }}` stands for the template; what is no text is passed over."""
    assert evidence.read({"fingerprint": given_}, "order 5 failed").fingerprint == wanted


@pytest.mark.parametrize("key", ["stack", "stacktrace"])
def test_a_stack_is_taken_as_text(key: str) -> None:
    """As the language prints it."""
    assert evidence.read({key: TRACE}, "x") == Evidence(stack=TRACE)


KINDS = [
    ("ValueError", "ValueError"),
    ({"type": "ValueError"}, "ValueError"),
    ({"type": "OutOfStock", "module": "shop.errors"}, "shop.errors.OutOfStock"),
    ({"type": "ValueError", "module": "builtins"}, "ValueError"),
    ({"values": [{"type": "KeyError"}, {"type": "ValueError"}]}, "ValueError"),
    ([{"type": "KeyError"}, {"type": "ValueError"}], "ValueError"),
    ({"type": "no kind: at all"}, None),
    ({"type": None}, None),
    ("", None),
    (5, None),
]


@pytest.mark.parametrize(("given_", "wanted"), KINDS)
def test_an_exception_has_a_kind(given_: object, wanted: str | None) -> None:
    """The last of a chain is what was raised; what does not look like a name is none."""
    assert evidence.read({"exception": given_}, "x").exception == wanted


def _group(error_data: object, message: str = "it broke") -> grouping.Group:
    found = evidence.read(error_data, message)
    return grouping.group(
        message,
        fingerprint=found.fingerprint,
        stack=found.stack,
        exception=found.exception,
        fields=found.fields,
    )


def test_frames_that_came_as_data_group_as_a_trace_that_came_as_text() -> None:
    """The kind, the message and the place of the application that threw it."""
    error_data = {"exception": {"type": "KeyError", "value": "5", "stacktrace": {"frames": FRAMES}}}
    text = (
        'Traceback (most recent call last):\n  File "/opt/other/views.py", line 77, in checkout\n'
        '  File "/opt/other/cart.py", line 8, in total\nKeyError: 5'
    )
    assert _group(error_data).basis == "trace"
    assert _group(error_data).signature == grouping.group(text).signature


def test_fields_of_a_driver_are_read() -> None:
    """What an error of a driver has beside its message names what the error happened to."""
    data = {"code": "23505", "details": "Key (sku)=(A-1) already exists.", "constraint": "sku_key"}
    found = evidence.read(data, "x")
    group = grouping.group("could not be saved", fields=found.fields)
    assert group.captured["code"] == "23505"
    assert group.identifiers == {"constraint": "sku_key", "column": "sku"}


def test_another_frame_is_another_pattern() -> None:
    """The same kind raised elsewhere is another cause; a library's frame plays no part."""

    def signature(*frames: dict[str, Any]) -> str:
        data = {"exception": {"type": "KeyError", "stacktrace": {"frames": list(frames)}}}
        return _group(data).signature

    assert signature(*FRAMES) == signature(*FRAMES[:2])
    assert signature(*FRAMES) != signature(FRAMES[0])


def test_a_chain_of_causes_counts_whole() -> None:
    """The same error for another reason is another pattern."""

    def signature(cause: str) -> str:
        chain = [
            {"type": cause, "stacktrace": {"frames": FRAMES[:1]}},
            {"type": "CheckoutFailed", "stacktrace": {"frames": FRAMES[1:]}},
        ]
        return _group({"exception": {"values": chain}}).signature

    assert signature("KeyError") != signature("TimeoutError")


def test_a_kind_beside_the_message_counts_as_one_within_it() -> None:
    """Whether the application wrote the kind into the message or beside it, it is one pattern."""
    beside = _group({"exception": "ValueError"}, "no item 5 left in stock")
    within = grouping.group("ValueError: no item 7 left in stock")
    assert beside.signature == within.signature
    assert beside.signature != grouping.group("no item 5 left in stock").signature


def test_what_is_there_in_another_form_is_passed_over() -> None:
    """Strange data never loses an error."""
    strange: tuple[object, ...] = (
        None,
        5,
        "text",
        [],
        {"exception": {"values": "x"}},
        {"stack": ["a"]},
        {"code": 1, "details": []},
    )
    for data in strange:
        assert evidence.read(data, "x") == evidence.NONE


_json = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(
                ["fingerprint", "stack", "exception", "type", "values", "stacktrace", "frames",
                 "filename", "module", "function", "in_app", "value"]
            ),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=20,
)  # fmt: skip


@given(_json, st.text(max_size=40))
def test_no_data_is_an_error(data: object, message: str) -> None:
    """Whatever JSON it is, reading and grouping answer."""
    assert _group(data, message).signature.startswith("pattern_")
