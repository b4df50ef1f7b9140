"""Many messages at once are grouped exactly as each one by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests import corpora

from pattern_engine import grouping
from pattern_engine.grouping.v2.leaf import joined

if TYPE_CHECKING:
    import random

_CORPORA = corpora.params(*corpora.NAMES, "wrapped.dev")


def _one_by_one(messages: list[str]) -> list[str]:
    """Return the signature of each message grouped by itself, where evidence joined them."""
    groups = {message: grouping.group(message) for message in messages}
    free = {
        message: group.template
        for message, group in groups.items()
        if group.known is None and group.basis != "trace"
    }
    patterns = joined(free.values())
    return [
        grouping.signature_of(patterns[free[message]], grouping.ALGORITHM)
        if message in free
        else groups[message].signature
        for message in messages
    ]


@pytest.mark.parametrize("corpus", _CORPORA)
def test_messages_of_a_corpus_have_the_signatures_that_each_has_by_itself(corpus: str) -> None:
    """What is remembered of other messages, such as a form without digits, changes nothing."""
    messages = corpora.messages(corpus)
    assert grouping.group_messages(messages) == _one_by_one(messages)


#: Messages that differ in nothing but digits: of the first, nothing is to be read or known.
ALIKE = [
    ("Read-only file system (os error 39)", "Read-only file system (os error 30)"),
    ("Kerberos 7 authentication not supported", "Kerberos 4 authentication not supported"),
    ("no: Kerberos 7 authentication not supported", "no: Kerberos 4 authentication not supported"),
]


@pytest.mark.parametrize(("plain", "other"), ALIKE)
def test_digits_that_decide_are_seen_after_a_message_with_others(plain: str, other: str) -> None:
    """A form without digits is only remembered where no digits decide."""
    messages = [plain, other]
    assert grouping.group_messages(messages) == _one_by_one(messages)
    assert len(set(grouping.group_messages(messages))) == 2


_PIECES = st.sampled_from(
    [
        *(
            "HTTP ",
            "status ",
            "code ",
            "base ",
            " from GET /x: ",
            "invalid literal for int() with ",
        ),
        *(": 'x'", "ERROR: ", "Error: ", " (SQLSTATE ", ")", "[", "]", "relation t", " ", ": "),
        *("404", "200", "503", "10", "16", "42P01", "23505", "00000", "P0001", "7", "a b c d"),
        *(" does not exist", "column c", " at character ", " is required", "0x", "x", "was not ok"),
    ]
)
_MESSAGES = st.lists(st.lists(_PIECES, min_size=1, max_size=7).map("".join), max_size=8)


@given(_MESSAGES, st.randoms())
@settings(max_examples=300, deadline=None)
def test_messages_in_any_order_have_the_signatures_that_each_has_by_itself(
    messages: list[str], rnd: random.Random
) -> None:
    """Neither what is remembered nor the order in which messages come changes a signature."""
    expected = dict(zip(messages, _one_by_one(messages), strict=True))
    rnd.shuffle(messages)
    assert grouping.group_messages(messages) == [expected[message] for message in messages]
