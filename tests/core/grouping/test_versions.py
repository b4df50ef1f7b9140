"""All algorithms in use, side by side: which signatures an error has, and which are alike."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests import corpora

from pattern_engine import grouping
from pattern_engine.grouping import grouping as grouping_module
from pattern_engine.grouping.rules import RuleSet
from pattern_engine.grouping.v1 import normalizing
from pattern_engine.grouping.v2.leaf import leaf_of, wider_templates
from pattern_engine.learning.sightings import sighted

MESSAGE = 'relation "orders" does not exist'
TRACE = "TypeError: x is not a function\n    at load (/srv/app/src/page.ts:1:2)"


def test_the_current_algorithm_is_v2_and_v1_is_still_known() -> None:
    """An error has one signature for each algorithm in use, the current one first."""
    current = grouping.group(MESSAGE)
    assert (current.signature, current.algorithm) == (
        grouping.signature_of(current.template, "grouping/v2"),
        "grouping/v2",
    )
    (older,) = grouping.older_signatures(MESSAGE, current, [normalizing.NAME])
    assert older == (
        grouping.signature_of(grouping.normalize(MESSAGE), normalizing.NAME),
        "grouping/v1",
    )


def test_only_older_algorithms_in_use_are_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A database without signatures of `v1` pays nothing for it."""

    def compute(message: str) -> str:
        raise AssertionError(message)

    monkeypatch.setitem(grouping_module.OLDER, normalizing.NAME, compute)
    assert sighted(MESSAGE).older == ()
    with pytest.raises(AssertionError):
        sighted(MESSAGE, rule_set=RuleSet((), older_algorithms=[normalizing.NAME]))


def test_precedence_is_rule_fingerprint_trace_exception_message() -> None:
    """Whatever else is known, the first of them decides."""
    known: dict[str, Any] = {
        "rule": "r",
        "fingerprint": "f",
        "stack": TRACE,
        "exception": "TypeError",
    }
    found = []
    for name in (*known, "message"):
        group = grouping.group("it is out of order", **known)
        found.append((name, group.basis))
        known.pop(name, None)
    assert found == [
        ("rule", "rule"),
        ("fingerprint", "fingerprint"),
        ("stack", "trace"),
        ("exception", "exception"),
        ("message", "message"),
    ]


def test_a_stack_without_a_trace_in_it_decides_nothing() -> None:
    """Text that is no trace is passed over, and the message counts."""
    assert grouping.group(MESSAGE, stack="n/a") == grouping.group(MESSAGE)


def test_a_trace_in_the_message_is_the_trace_beside_it() -> None:
    """Where the application put it plays no part."""
    assert grouping.group(TRACE).signature == grouping.group("x", stack=TRACE).signature


def test_no_message_imitates_a_rule_or_a_fingerprint() -> None:
    """A log row that anybody may write does not lead to a pattern by saying its fingerprint."""
    both: tuple[dict[str, Any], ...] = ({"rule": "payments"}, {"fingerprint": "payments"})
    for told in both:
        group = grouping.group("whatever", **told)
        assert group.signature != grouping.group(group.template).signature
        assert group.algorithm == f"grouping/v2/{group.basis}"
    one = grouping.group("x", rule="payments").signature
    assert one != grouping.group("x", fingerprint="payments").signature


def test_a_rule_has_no_older_signature() -> None:
    """It was made to move errors; all else keeps to the patterns that v1 made."""
    cases: tuple[tuple[dict[str, Any], int], ...] = (
        *(({"rule": "r"}, 0), ({"fingerprint": "f"}, 1), ({"stack": TRACE}, 1)),
    )
    for told, count in cases:
        group = grouping.group(MESSAGE, **told)
        assert len(grouping.older_signatures(MESSAGE, group, [normalizing.NAME])) == count


SWALLOWED = [
    ("0x1f 42P01 0x2f 42P01", "0x1f 42P07 0x2f 42P01"),
    (
        "cannot drop code 42501 because other objects need it",
        "cannot drop code 42502 because other objects need it",
    ),
    ("call f(code 42501) is broken now", "call f(code 42502) is broken now"),
    ("x=Foo{code 42P01}", "x=Foo{code 42P02}"),
]


@pytest.mark.parametrize(("one", "other"), SWALLOWED)
def test_a_code_within_what_a_rule_takes_away_stays(one: str, other: str) -> None:
    """A list, a call or a pair that holds a protected code is left as it is, and is no error."""
    assert grouping.group(one).signature != grouping.group(other).signature


_WORDS = (
    "<*>",
    "replication",
    "lisbon",
    "berlin",
    "db:<*>",
    "(oslo)",
    '"<*>"',
    "table",
    "ERROR",
    "x_<*>",
)
_templates = st.lists(st.sampled_from(_WORDS), min_size=4, max_size=7).map(" ".join)


def _alike_by_signature(one: str, other: str) -> bool:
    return grouping.signature_of(one, grouping.ALGORITHM) in grouping.wider_signatures(other) or (
        grouping.signature_of(other, grouping.ALGORITHM) in grouping.wider_signatures(one)
    )


def _alike(one: str, other: str) -> bool:
    return other in set(wider_templates(one)) or one in set(wider_templates(other))


@given(_templates, st.data())
def test_signatures_tell_what_is_alike(one: str, data: st.DataObject) -> None:
    """What the database asks by index is exactly what the algorithm calls alike."""
    words = one.split(" ")
    place = data.draw(st.integers(0, len(words) - 1))
    words[place] = data.draw(st.sampled_from(_WORDS))
    other = " ".join(words)
    assert _alike_by_signature(one, other) == _alike(one, other)
    if _alike(one, other):
        assert leaf_of(one) == leaf_of(other) != ""
        assert sum(map(str.__ne__, one.split(" "), other.split(" "))) == 1


@pytest.mark.parametrize("corpus", corpora.params("sample", "supabase_errors.dev"))
def test_signatures_tell_what_is_alike_in_a_corpus(corpus: str) -> None:
    """The same over all pairs of real templates that have equally many words."""
    templates = {grouping.group(text).template for text in corpora.messages(corpus)}
    by_length: dict[int, list[str]] = {}
    for template in sorted(templates):
        if "\n" not in template:
            by_length.setdefault(template.count(" "), []).append(template)
    for group in by_length.values():
        for one, other in itertools.combinations(group, 2):
            assert _alike_by_signature(one, other) == _alike(one, other), (one, other)
