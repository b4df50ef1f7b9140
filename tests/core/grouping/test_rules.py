"""Grouping rules: which one counts for an error, which expressions are taken, how long they are kept."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, cast

import pytest
from tests.processor import fastest

from pattern_engine import logs
from pattern_engine.exceptions import InvalidRule
from pattern_engine.grouping import rules
from pattern_engine.grouping.rules import RuleSet

if TYPE_CHECKING:
    from pattern_engine.database.database import Database
    from pattern_engine.database.records import GroupingRecord, RuleRecord


def rule(name: str, expression: str, **conditions: str) -> RuleRecord:
    """A rule whose fingerprint is its name."""
    return {
        "rule_id": name,
        "expression": expression,
        "conditions": conditions,
        "fingerprint": name,
        "priority": 100,
    }


def winner(*known: RuleRecord, message: str = "pool timeout", **occurrence: str) -> str | None:
    """The name of the rule that counts."""
    found = RuleSet(known).first(message, **occurrence)
    return found["rule_id"] if found else None


def test_the_first_rule_that_matches_counts() -> None:
    """In the order in which they are given, anywhere in the message."""
    assert winner(rule("a", "nothing"), rule("b", "time"), rule("c", "pool")) == "b"
    assert winner(rule("a", "^timeout")) is None
    assert winner() is None


CONDITIONS: dict[str, tuple[dict[str, str], dict[str, str], bool]] = {
    "the source": ({"source": "shop"}, {"source": "shop"}, True),
    "another source": ({"source": "shop"}, {"source": "shop/eu"}, False),
    "no source": ({"source": "shop"}, {}, False),
    "the environment": ({"environment": "prod"}, {"environment": "prod"}, True),
    "another environment": ({"environment": "prod"}, {"environment": "dev"}, False),
    "as bad": ({"min_severity": "error"}, {"severity": "error"}, True),
    "worse": ({"min_severity": "error"}, {"severity": "critical"}, True),
    "less bad": ({"min_severity": "error"}, {"severity": "warning"}, False),
    "severity unknown": ({"min_severity": "debug"}, {}, False),
    "all": (
        {"source": "shop", "environment": "prod", "min_severity": "info"},
        {"source": "shop", "environment": "prod", "severity": "warning"},
        True,
    ),
    "all but one": (
        {"source": "shop", "environment": "prod"},
        {"source": "shop", "environment": "dev"},
        False,
    ),
}


@pytest.mark.parametrize(
    ("conditions", "occurrence", "expected"), CONDITIONS.values(), ids=CONDITIONS.keys()
)
def test_all_conditions_have_to_hold(
    conditions: dict[str, str], occurrence: dict[str, str], *, expected: bool
) -> None:
    """A rule whose conditions do not hold leaves the error to the next one."""
    found = winner(rule("a", "pool", **conditions), rule("b", "pool"), **occurrence)
    assert found == ("a" if expected else "b")


def test_an_expression_is_looked_for_in_the_beginning() -> None:
    """What stands beyond 8,192 characters plays no part."""
    assert winner(rule("a", "end"), message="x" * 8189 + "end") == "a"
    assert winner(rule("a", "end"), message="x" * 8190 + "end") is None


def test_a_rule_that_cannot_be_compiled_matches_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever writes the table past the endpoint stops nothing; the log says which rule it was."""
    told: list[object] = []
    monkeypatch.setattr(logs, "warning", lambda _, **facts: told.append(facts["rule_id"]))
    assert winner(rule("a", "(pool"), rule("b", "pool")) == "b"
    assert told == ["a"]


REFUSED = {
    "unbalanced": "(a",
    "look-ahead": "a(?=b)",
    "back-reference": r"(a)\1",
    "too large": "((a{100}){100}){10}",
    "matches everything": "a*",
    "matches everything, too": "^",
}


@pytest.mark.parametrize("expression", REFUSED.values(), ids=REFUSED.keys())
def test_an_expression_that_is_not_sound_is_refused(expression: str) -> None:
    """What RE2 does not take, what takes too much memory, and what matches every error."""
    with pytest.raises(InvalidRule):
        rules.require_expression(expression)


def test_a_sound_expression_is_taken() -> None:
    """As RE2 has them."""
    for expression in ("pool (timeout|exhausted)", r"(?i)\bECONN\w+", "ab?c", "日本"):
        rules.require_expression(expression)


@pytest.mark.parametrize("expression", ["(a|aa)+$", "(.*)*x", "(a+)+b", "([a-z]+)*1"])
def test_matching_takes_linear_time_whatever_an_operator_writes(expression: str) -> None:
    """Expressions that take others forever take RE2 milliseconds."""
    rule_set = RuleSet([rule("a", expression)])
    assert fastest(lambda: rule_set.first("a" * 8192 + "!"), 1) < 0.5


class _Reading:
    """A database that counts how often its rules and algorithms were read."""

    def __init__(self, *known: RuleRecord) -> None:
        self.known = list(known)
        self.older_algorithms: list[str] = []
        self.reads = 0

    def grouping(self) -> GroupingRecord:
        self.reads += 1
        return {"rules": self.known, "older_algorithms": self.older_algorithms}


def test_rules_are_read_once_in_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kept for half a minute, then read anew; each database has its own."""
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    reading: Any = _Reading(rule("a", "pool"))
    database = cast("Database", reading)
    for _ in range(3):
        assert rules.current(database).fingerprint("pool") == "a"
    assert reading.reads == 1
    reading.known = []
    reading.older_algorithms = ["grouping/v1"]
    now += 29.9
    assert rules.current(database).fingerprint("pool") == "a"
    assert rules.current(database).older_algorithms == []
    now += 0.2
    assert rules.current(database).fingerprint("pool") is None
    assert rules.current(database).older_algorithms == ["grouping/v1"]
    assert reading.reads == 2
    assert rules.current(cast("Database", _Reading(rule("b", "x")))).rules[0]["rule_id"] == "b"
