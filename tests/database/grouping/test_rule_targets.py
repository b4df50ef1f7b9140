"""A grouping rule may name an existing pattern: its errors go to that very pattern."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest
from tests.database.grouping.test_grouping_rules import (  # noqa: F401  rule is a fixture
    _no_rules_left,
    rule,
    save,
)
from tests.database.steering.steering import events, refused
from tests.database.steering.test_merging import merge, undo

from pattern_engine import grouping
from pattern_engine.grouping.rules import RuleSet
from pattern_engine.learning.recording import record
from pattern_engine.learning.sightings import sighted

if TYPE_CHECKING:
    from tests.conftest import Person, Rest, Sql
    from tests.database.conftest import Patterns

# ruff: noqa: F811  a fixture is imported and then taken as an argument


@pytest.fixture
def named(rule: dict[str, Any], patterns: Patterns) -> dict[str, Any]:
    """A rule that names a pattern, and that nobody has saved yet."""
    return rule | {"fingerprint": None, "target": patterns.new()}


def occur(engine: Rest, patterns: Patterns, named: dict[str, Any]) -> dict[str, Any]:
    """Learn an error that the rule matches, as the engine does."""
    rules = RuleSet(engine.call("grouping_rules_v1"))
    error = record(sighted(f"{named['name']} 7", rule_set=rules))
    return patterns.learn(dict(error))[0]


def test_errors_that_match_go_to_the_target(
    engine: Rest, patterns: Patterns, administrator: Person, named: dict[str, Any]
) -> None:
    """They are counted for the very pattern, and make no other one."""
    stored = save(administrator, named)
    assert stored["target"] == named["target"]
    learned = occur(engine, patterns, named)
    assert (learned["pattern_id"], learned["action"]) == (named["target"], "updated")
    (listed,) = engine.call("grouping_rules_v1")
    assert listed["leads_to"] == named["target"]


def test_the_signature_is_the_one_that_errors_get(database: Sql) -> None:
    """The database computes the same digest as the grouping, also for a leading zero."""
    for number in range(300):
        own = grouping.group("", rule=f"pattern/{number}").signature
        assert own == database.value("select ops_internal.rule_signature(%s)", f"pattern/{number}")
    assert grouping.group("", rule="x").algorithm == "grouping/v2/rule"


def test_the_fix_of_the_target_waits_for_a_confirmation(
    engine: Rest, patterns: Patterns, administrator: Person, named: dict[str, Any]
) -> None:
    """The approver has not seen the errors that the rule brings, so the fix does not run."""
    patterns.approve(named["target"])
    save(administrator, named)
    occur(engine, patterns, named)
    own = grouping.group("", rule=f"pattern/{named['target']}").signature
    assert patterns.find(own)["untrusted_signature"] == own
    administrator.rest.call(
        "confirm_signatures_v1", p_pattern_id=named["target"], p_signatures=[own]
    )
    assert patterns.find(own)["untrusted_signature"] is None


def test_a_rule_follows_the_merge_of_its_target(
    engine: Rest, patterns: Patterns, administrator: Person, named: dict[str, Any]
) -> None:
    """Its errors go to the kept pattern, and back when the merge is undone."""
    save(administrator, named)
    kept = patterns.new()
    merged = merge(administrator, kept, named["target"])
    assert occur(engine, patterns, named)["pattern_id"] == kept
    assert engine.call("grouping_rules_v1")[0]["leads_to"] == kept
    undo(administrator, merged["merges"][0]["merge_id"])
    assert occur(engine, patterns, named)["pattern_id"] == named["target"]


def test_a_rule_is_disabled_with_its_target(
    engine: Rest, database: Sql, administrator: Person, named: dict[str, Any]
) -> None:
    """Deleting the pattern takes the rule out of use, with an event; the rule is kept."""
    rule_id = save(administrator, named)["rule_id"]
    database.run("delete from ops.error_patterns where pattern_id = %s", named["target"])
    assert engine.call("grouping_rules_v1") == []
    (event,) = events(engine, "grouping_rule_disabled", rule_id=rule_id)
    assert event["metadata"]["target"] == named["target"]
    everything = administrator.rest.call("grouping_rules_v1", p_disabled_too=True)
    assert rule_id in {each["rule_id"] for each in everything}


def test_without_its_rule_a_target_keeps_its_errors(
    engine: Rest, patterns: Patterns, administrator: Person, named: dict[str, Any]
) -> None:
    """A disabled rule brings no more errors, and those that it brought stay counted."""
    rule_id = save(administrator, named)["rule_id"]
    occur(engine, patterns, named)
    administrator.rest.call("disable_grouping_rule_v1", p_rule_id=rule_id)
    assert occur(engine, patterns, named)["pattern_id"] != named["target"]
    (pattern,) = engine.select("error_patterns", pattern_id=f"eq.{named['target']}")
    assert pattern["occurrence_count"] == 2


def test_a_rule_as_it_is_listed_can_be_saved(
    engine: Rest, administrator: Person, named: dict[str, Any]
) -> None:
    """Whoever changes a listed rule sends its fingerprint back, also after a merge."""
    save(administrator, named)
    (listed,) = engine.call("grouping_rules_v1")
    assert save(administrator, listed, priority=7)["target"] == named["target"]


WRONG: dict[str, tuple[str, dict[str, Any]]] = {
    "no pattern": ("PL002", {"target": str(uuid.uuid4())}),
    "both": ("PL019", {"fingerprint": "pools"}),
    "neither": ("PL019", {"target": None}),
    "a fingerprint that targets have": ("PL019", {"target": None, "fingerprint": "pattern/x"}),
}


@pytest.mark.parametrize(("code", "wrong"), WRONG.values(), ids=WRONG.keys())
def test_a_target_that_does_not_fit_is_refused(
    administrator: Person, named: dict[str, Any], code: str, wrong: dict[str, Any]
) -> None:
    """A rule has a fingerprint or a target that exists, one of the two."""
    refused(code, lambda: save(administrator, named, **wrong))


def test_a_target_that_was_merged_is_refused(
    patterns: Patterns, administrator: Person, named: dict[str, Any]
) -> None:
    """The refusal names the pattern that is there instead."""
    kept = patterns.new()
    merge(administrator, kept, named["target"])
    assert kept in refused("PL020", lambda: save(administrator, named)).words
