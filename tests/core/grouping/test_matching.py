"""Matching a message against many expressions at once."""

import pytest

from pattern_engine import grouping
from pattern_engine.grouping.matching import ExpressionSet, first_unique_match
from pattern_engine.grouping.v1.expression import expression

EXPRESSIONS = [("a", "^connection .*$"), ("b", "timed out"), ("c", "^[0-9]+$")]


@pytest.mark.parametrize(
    ("message", "identity"),
    [
        ("connection refused", "a"),
        ("it timed out", "b"),
        ("connection timed out", None),
        ("nothing of the kind", None),
        ("", None),
    ],
)
def test_only_an_unambiguous_match_counts(message: str, identity: str | None) -> None:
    """One pattern matches, or none does; two could mean the wrong fix."""
    assert first_unique_match(message, EXPRESSIONS) == identity


def test_two_expressions_of_one_pattern_are_no_ambiguity() -> None:
    """A pattern may have several expressions."""
    assert first_unique_match("ab", [("one", "^a"), ("one", "b$")]) == "one"


def test_no_expressions_match_nothing() -> None:
    """An empty set answers None."""
    assert first_unique_match("anything", []) is None


def test_an_expression_that_does_not_compile_spoils_no_other() -> None:
    """It is named with a reason, and the others go on matching."""
    expressions = ExpressionSet([("broken", "("), ("lookahead", "a(?=b)"), ("good", "a")])
    assert set(expressions.refused) == {"broken", "lookahead"}
    assert expressions.matches("ab") == {"good"}


def test_a_message_with_nul_and_half_a_surrogate_pair_is_matched() -> None:
    """Both can arrive in JSON, and neither can be given to RE2 as it is."""
    message = "broken \0 and \ud800"
    assert first_unique_match(message, [(1, expression(grouping.normalize(message)))]) == 1


def test_each_of_many_patterns_finds_its_own_message() -> None:
    """Thousands of expressions in one set, each message finds exactly its pattern."""
    words = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa"]
    messages = [f"{a} {b} failed for {c}" for a in words for b in words for c in words]
    expressions = ExpressionSet((each, expression(grouping.normalize(each))) for each in messages)
    assert all(expressions.unique_match(each.upper()) == each for each in messages)
