"""Grouping rules as they are stored: who writes them, what is refused, whom they take trust from."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest
from tests.database.steering.steering import events, refused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Person, Rest, Sql
    from tests.database.conftest import Patterns


@pytest.fixture(autouse=True)
def _no_rules_left(database: Sql) -> Iterator[None]:
    """Rules hold for everybody: those of one test are none of another's."""
    yield
    database.run("update ops.grouping_rules set enabled = false")


@pytest.fixture
def rule(patterns: Patterns) -> dict[str, Any]:
    """A rule that nobody has saved yet."""
    word = patterns.word("rule")
    return {"name": word, "expression": f"{word} [0-9]+", "fingerprint": word}


def save(person: Person, rule: dict[str, Any], **changes: object) -> dict[str, Any]:
    """Save a rule as a person."""
    stored: dict[str, Any] = person.rest.call("save_grouping_rule_v1", p_rule=rule | changes)
    return stored


def learned(patterns: Patterns, rule: dict[str, Any]) -> dict[str, Any]:
    """Learn an error that the rule matches, as the engine does; the error."""
    error = patterns.error(
        signature=f"pattern_{rule['fingerprint']}",
        algorithm="grouping/v2/rule",
        template=f"rule {rule['fingerprint']}",
    )
    return error | {"pattern_id": patterns.learn(error)[0]["pattern_id"]}


def test_a_rule_is_saved_and_listed(
    engine: Rest, administrator: Person, rule: dict[str, Any]
) -> None:
    """With its defaults and its author; the engine reads what is enabled, in order."""
    late = save(administrator, rule, priority=200, conditions={"source": "shop"})
    early = save(administrator, rule, name="another", priority=5)
    assert (late["priority"], late["enabled"]) == (200, True)
    assert late["created_by"] == administrator.id
    listed = engine.call("grouping_rules_v1")
    assert [each["rule_id"] for each in listed] == [early["rule_id"], late["rule_id"]]
    assert listed[1]["conditions"] == {"source": "shop"}


def test_a_rule_is_changed_by_its_id(
    engine: Rest, administrator: Person, rule: dict[str, Any]
) -> None:
    """The id stays; saving what is stored already changes nothing."""
    first = save(administrator, rule)
    changed = save(administrator, rule, rule_id=first["rule_id"], priority=7)
    assert (changed["rule_id"], changed["priority"]) == (first["rule_id"], 7)
    assert save(administrator, rule, rule_id=first["rule_id"], priority=7) == changed
    assert len(events(engine, "grouping_rule_saved", rule_id=first["rule_id"])) == 2


def test_a_rule_is_disabled_and_kept(
    engine: Rest, administrator: Person, rule: dict[str, Any]
) -> None:
    """It is out of use, in the list of all, and its name is free."""
    rule_id = save(administrator, rule)["rule_id"]
    call = administrator.rest.call
    disabled = call("disable_grouping_rule_v1", p_rule_id=rule_id, p_reason="no use")
    assert disabled["enabled"] is False
    assert call("disable_grouping_rule_v1", p_rule_id=rule_id) == disabled
    assert engine.call("grouping_rules_v1") == []
    everything = administrator.rest.call("grouping_rules_v1", p_disabled_too=True)
    assert rule_id in {each["rule_id"] for each in everything}
    (event,) = events(engine, "grouping_rule_disabled", rule_id=rule_id)
    assert (event["actor"], event["metadata"]["reason"]) == (administrator.id, "no use")
    assert save(administrator, rule)["rule_id"] != rule_id


REFUSED: dict[str, dict[str, Any]] = {
    "no name": {"name": ""},
    "a long name": {"name": "x" * 101},
    "no expression": {"expression": ""},
    "a long expression": {"expression": "x" * 1001},
    "no fingerprint": {"fingerprint": None},
    "an odd fingerprint": {"fingerprint": "a\nb"},
    "a long fingerprint": {"fingerprint": "x" * 100},
    "a negative priority": {"priority": -1},
    "conditions that are a list": {"conditions": []},
    "an unknown condition": {"conditions": {"colour": "red"}},
    "a condition that is a number": {"conditions": {"source": 1}},
    "an unknown severity": {"conditions": {"min_severity": "awful"}},
}


@pytest.mark.parametrize("wrong", REFUSED.values(), ids=REFUSED.keys())
def test_a_rule_that_does_not_fit_is_refused(
    administrator: Person, rule: dict[str, Any], wrong: dict[str, Any]
) -> None:
    """PL019, with what to give instead."""
    assert refused("PL019", lambda: save(administrator, rule, **wrong)).body["hint"]


def test_two_enabled_rules_have_two_names(administrator: Person, rule: dict[str, Any]) -> None:
    """PL019 for the second; PL023 for a rule that does not exist."""
    save(administrator, rule)
    refused("PL019", lambda: save(administrator, rule, expression="other"))
    refused("PL023", lambda: save(administrator, rule, rule_id=str(uuid.uuid4())))
    nobody = {"p_rule_id": str(uuid.uuid4())}
    refused("PL023", lambda: administrator.rest.call("disable_grouping_rule_v1", **nobody))


def test_rules_are_limited_in_number(
    database: Sql, administrator: Person, rule: dict[str, Any]
) -> None:
    """PL019 beyond 200 enabled ones: each is tried on every error."""
    database.run(
        "insert into ops.grouping_rules (name, expression, fingerprint, created_by, changed_by) "
        "select 'many ' || n, 'x', 'x', %s, %s from generate_series(1, 200) as n",
        administrator.id,
        administrator.id,
    )
    refused("PL019", lambda: save(administrator, rule))


@pytest.mark.parametrize("who", ["user", "viewer", "operator"])
def test_rules_are_an_administrators(
    request: pytest.FixtureRequest,
    engine: Rest,
    administrator: Person,
    rule: dict[str, Any],
    who: str,
) -> None:
    """PL001 for everybody below, PL011 for the secret key."""
    person: Person = request.getfixturevalue(who)
    rule_id = save(administrator, rule)["rule_id"]
    refused("PL001", lambda: save(person, rule))
    disable = {"p_rule_id": rule_id}
    refused("PL001", lambda: person.rest.call("disable_grouping_rule_v1", **disable))
    refused("PL001", lambda: person.rest.call("stored_errors_v1"))
    refused("PL011", lambda: engine.call("save_grouping_rule_v1", p_rule=rule))
    refused("PL011", lambda: engine.call("disable_grouping_rule_v1", **disable))


def test_a_wider_rule_does_not_widen_a_fix(
    patterns: Patterns, administrator: Person, rule: dict[str, Any]
) -> None:
    """A changed rule may bring other errors: the fix waits until its signature is confirmed."""
    stored = save(administrator, rule)
    error = learned(patterns, rule)
    patterns.approve(error["pattern_id"])
    assert patterns.find(error["signature"])["fix"]
    save(administrator, rule, rule_id=stored["rule_id"], expression=".")
    assert patterns.find(error["signature"])["fix"] is None
    administrator.rest.call(
        "confirm_signatures_v1",
        p_pattern_id=error["pattern_id"],
        p_signatures=[error["signature"]],
    )
    assert patterns.find(error["signature"])["fix"]


def test_another_rule_with_the_fingerprint_does_not_widen_a_fix(
    patterns: Patterns, administrator: Person, rule: dict[str, Any]
) -> None:
    """It brings its errors to the pattern, too."""
    save(administrator, rule)
    error = learned(patterns, rule)
    patterns.approve(error["pattern_id"])
    save(administrator, rule, name="another", expression="anything else")
    assert patterns.find(error["signature"])["fix"] is None


@pytest.mark.parametrize("how", ["disable", "change"])
def test_what_a_rule_gives_up_does_not_widen_the_fix_of_the_next_one(
    patterns: Patterns, administrator: Person, rule: dict[str, Any], how: str
) -> None:
    """Errors that an earlier rule took before come to a later one; a fix of an even earlier stays."""
    words = [patterns.word("rule") for _ in range(3)]
    rules = [
        rule | {"name": word, "fingerprint": word, "priority": place}
        for place, word in enumerate(words)
    ]
    stored = [save(administrator, each) for each in rules]
    errors = [learned(patterns, each) for each in rules]
    for error in errors:
        patterns.approve(error["pattern_id"])
    if how == "disable":
        target = {"p_rule_id": stored[1]["rule_id"]}
        administrator.rest.call("disable_grouping_rule_v1", **target)
    else:
        save(administrator, rules[1], rule_id=stored[1]["rule_id"], expression="narrow")
    fires = [patterns.find(error["signature"])["fix"] is not None for error in errors]
    assert fires == [True, how == "disable", False]


def test_stored_errors_are_the_latest_with_their_patterns(
    patterns: Patterns, administrator: Person
) -> None:
    """What a rule is tried on: message, source, environment, severity, and where it is now."""
    row = {"message": "it broke", "source": "shop", "environment": "prod", "log_level": "critical"}
    error = patterns.error(system_log_id=patterns.log_row(**row))
    pattern_id = patterns.learn(error)[0]["pattern_id"]
    (stored,) = administrator.rest.call("stored_errors_v1", p_most=1)
    assert stored["system_log_id"] == error["system_log_id"]
    assert (stored["message"], stored["source"]) == ("it broke", "shop")
    assert (stored["environment"], stored["severity"]) == ("prod", "critical")
    assert (stored["pattern_id"], stored["signature"]) == (pattern_id, error["signature"])
    assert (stored["has_live_fix"], stored["template"]) == (False, error["template"])
