"""Grouping rules over HTTP are listed, previewed on stored errors, saved and disabled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.http.steering.test_similar import NAMED, PATTERN_ID

from pattern_engine import grouping

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from tests.http.conftest import Load, Wire

RULE_ID = "66666666-6666-4666-8666-666666666666"
RULE: dict[str, Any] = {
    "name": "pools",
    "expression": "pool of [a-z]+",
    "fingerprint": "pool-timeout",
}
STORED = RULE | {
    "id": 1,
    "rule_id": RULE_ID,
    "conditions": {},
    "target": None,
    "leads_to": None,
    "priority": 100,
    "enabled": True,
    "created_by": "11111111-1111-4111-8111-111111111111",
    "created_at": "2025-12-15T10:30:00+00:00",
    "changed_by": "11111111-1111-4111-8111-111111111111",
    "changed_at": "2025-12-15T10:30:00+00:00",
}
SHOWN = {name: value for name, value in STORED.items() if name != "id"}
OWN = grouping.group("", rule="pool-timeout").signature


@pytest.fixture
def rules(load: Load) -> FlaskClient:
    """The function rules."""
    return load("rules")


def error(number: int, message: str, pattern: str = "a", **changes: object) -> dict[str, Any]:
    """A stored error of a pattern."""
    return {
        "system_log_id": number,
        "message": message,
        "source": "shop",
        "environment": "prod",
        "severity": "error",
        "signature": f"pattern_{pattern}",
        "pattern_id": pattern,
        "pattern_signature": f"pattern_{pattern}",
        "template": f"template {pattern}",
        "has_live_fix": pattern == "b",
    } | changes


def test_rules_are_listed(rules: FlaskClient, wire: Wire, person: dict[str, str]) -> None:
    """All rules are listed, including disabled ones, with the person's token."""
    wire.replies["grouping_rules_v1"] = [STORED]
    answer = rules.post("/", json={"action": "list"}, headers=person)
    assert answer.get_json() == {"success": True, "rules": [SHOWN]}
    assert wire.sent("grouping_rules_v1") == {"p_disabled_too": True}
    assert wire.requests[0].headers["authorization"] == person["Authorization"]


def test_a_rule_is_saved(rules: FlaskClient, wire: Wire, person: dict[str, str]) -> None:
    """A rule is saved as given, with the defaults."""
    wire.replies["save_grouping_rule_v1"] = STORED
    given = RULE | {"rule_id": RULE_ID, "conditions": {"min_severity": "error"}}
    answer = rules.post("/", json={"action": "save", "rule": given}, headers=person)
    assert answer.get_json() == {"success": True, "rule": SHOWN}
    assert wire.sent("save_grouping_rule_v1") == {"p_rule": given | {"priority": 100}}


def test_a_rule_is_disabled(rules: FlaskClient, wire: Wire, person: dict[str, str]) -> None:
    """A rule is disabled by its id, with a reason."""
    wire.replies["disable_grouping_rule_v1"] = STORED | {"enabled": False}
    body = {"action": "disable", "rule_id": RULE_ID, "reason": "no use"}
    answer = rules.post("/", json=body, headers=person)
    assert answer.get_json()["rule"]["enabled"] is False
    assert wire.sent("disable_grouping_rule_v1") == {"p_rule_id": RULE_ID, "p_reason": "no use"}


UNSOUND = {
    "unbalanced": ({"expression": "(a"}, "missing )"),
    "look-ahead": ({"expression": "a(?=b)"}, "invalid perl operator"),
    "too large": ({"expression": "((a{100}){100}){10}"}, "repetition"),
    "matches everything": ({"expression": ".*"}, "every error"),
    "an address": ({"fingerprint": "a:b 4111 1111 1111 1111"}, "personal data"),
}


@pytest.mark.parametrize("action", ["save", "preview"])
@pytest.mark.parametrize(("change", "told"), UNSOUND.values(), ids=UNSOUND.keys())
def test_a_rule_that_is_not_sound_is_refused(
    rules: FlaskClient,
    wire: Wire,
    person: dict[str, str],
    action: str,
    change: dict[str, str],
    told: str,
) -> None:
    """An invalid rule is refused with RE2's message, without a call to the database."""
    answer = rules.post("/", json={"action": action, "rule": RULE | change}, headers=person)
    problem = answer.get_json()["error"]
    assert (answer.status_code, problem["code"]) == (422, "invalid_rule")
    assert told in problem["message"]
    assert wire.names == []


WRONG: dict[str, dict[str, Any]] = {
    "no action": {"rule": RULE},
    "an unknown action": {"action": "apply", "rule": RULE},
    "save without a rule": {"action": "save"},
    "list with a rule": {"action": "list", "rule": RULE},
    "disable without an id": {"action": "disable"},
    "save with an id beside": {"action": "save", "rule": RULE, "rule_id": RULE_ID},
    "an unknown condition": {"action": "save", "rule": RULE | {"conditions": {"colour": "red"}}},
    "an odd fingerprint": {"action": "save", "rule": RULE | {"fingerprint": " x"}},
    "a long expression": {"action": "save", "rule": RULE | {"expression": "x" * 1001}},
    "too many errors": {"action": "preview", "rule": RULE, "errors": 5001},
}


@pytest.mark.parametrize("body", WRONG.values(), ids=WRONG.keys())
def test_a_body_that_does_not_fit_is_refused(
    rules: FlaskClient, wire: Wire, person: dict[str, str], body: dict[str, Any]
) -> None:
    """An invalid body is refused without a call to the database."""
    assert rules.post("/", json=body, headers=person).status_code == 422
    assert wire.names == []


def preview(
    rules: FlaskClient, wire: Wire, person: dict[str, str], *errors: dict[str, Any], **rule: object
) -> dict[str, Any]:
    """Try a rule on stored errors."""
    wire.replies["stored_errors_v1"] = list(errors)
    wire.replies.setdefault("grouping_rules_v1", [])
    body = {"action": "preview", "rule": RULE | rule, "errors": 50}
    answer = rules.post("/", json=body, headers=person).get_json()
    found: dict[str, Any] = answer["preview"]
    return found


def test_a_rule_is_tried_before_it_is_saved(
    rules: FlaskClient, wire: Wire, person: dict[str, str]
) -> None:
    """A preview lists the errors that would move, by pattern, and writes nothing."""
    found = preview(
        rules,
        wire,
        person,
        error(1, "pool of shop", "a"),
        error(2, "pool of mail for bob@example.com", "b"),
        error(3, "pool of mail for eve@example.com", "b"),
        error(4, "something else", "b"),
        error(5, "pool of stock", "own", signature=OWN),
        error(6, "released", "own", signature=OWN),
    )
    assert {key: found[key] for key in ("examined", "matched", "unmoved", "released")} == {
        "examined": 6,
        "matched": 4,
        "unmoved": 1,
        "released": 1,
    }
    assert [(move["pattern_id"], move["errors"], move["of"]) for move in found["moves"]] == [
        ("b", 2, 3),
        ("a", 1, 1),
    ]
    assert found["moves"][0]["has_live_fix"] is True
    assert found["moves"][0]["examples"] == ["pool of mail for [email]"]
    assert wire.sent("stored_errors_v1") == {"p_most": 50}
    assert set(wire.names) == {"stored_errors_v1", "grouping_rules_v1"}
    assert {each.headers["authorization"] for each in wire.requests} == {person["Authorization"]}


def test_a_rule_is_tried_beside_the_others(
    rules: FlaskClient, wire: Wire, person: dict[str, str]
) -> None:
    """A preview applies the other rules as well, in the order of their priorities."""
    wire.replies["grouping_rules_v1"] = [
        STORED | {"rule_id": "early", "expression": "shop", "priority": 1},
        STORED | {"rule_id": "late", "expression": "mail", "priority": 500},
    ]
    errors = [error(1, "pool of shop"), error(2, "pool of mail"), error(3, "pool of stock")]
    found = preview(rules, wire, person, *errors)
    assert found["matched"] == 2
    assert preview(rules, wire, person, *errors, priority=600)["matched"] == 1
    assert preview(rules, wire, person, *errors, priority=0)["matched"] == 3


def test_a_changed_rule_is_tried_in_its_own_place(
    rules: FlaskClient, wire: Wire, person: dict[str, str]
) -> None:
    """In a preview, a changed rule replaces the stored one."""
    wire.replies["grouping_rules_v1"] = [STORED]
    errors = [error(1, "pool of shop", signature=OWN), error(2, "queue of shop")]
    found = preview(
        rules,
        wire,
        person,
        *errors,
        rule_id=RULE_ID,
        expression="queue of",
        fingerprint="pool-timeout",
    )
    assert (found["matched"], found["released"]) == (1, 1)


def test_conditions_are_tried_too(rules: FlaskClient, wire: Wire, person: dict[str, str]) -> None:
    """A preview applies the conditions of a rule as learning does."""
    errors = [error(1, "pool of shop"), error(2, "pool of shop", environment="dev")]
    found = preview(rules, wire, person, *errors, conditions={"environment": "dev"})
    assert found["matched"] == 1


def test_a_preview_shows_the_target(rules: FlaskClient, wire: Wire, person: dict[str, str]) -> None:
    """Errors that are in the named pattern already do not move."""
    wire.replies["pattern_facets_v1"] = [NAMED]
    wire.replies["grouping_rules_v1"] = []
    wire.replies["stored_errors_v1"] = [
        error(1, "pool of shop", PATTERN_ID),
        error(2, "pool of mail", "b"),
    ]
    rule = {"name": "pools", "expression": "pool of [a-z]+", "target": PATTERN_ID}
    answer = rules.post("/", json={"action": "preview", "rule": rule}, headers=person)
    preview = answer.get_json()["preview"]
    assert preview["target"]["template"] == NAMED["template"]
    assert (preview["matched"], preview["unmoved"]) == (2, 1)
    assert [move["pattern_id"] for move in preview["moves"]] == ["b"]


def test_a_merged_target_is_not_previewed(
    rules: FlaskClient, wire: Wire, person: dict[str, str]
) -> None:
    """The refusal names the pattern that is there instead."""
    wire.replies["pattern_facets_v1"] = [NAMED | {"merged_into": "another"}]
    rule = {"name": "pools", "expression": "pool of [a-z]+", "target": PATTERN_ID}
    answer = rules.post("/", json={"action": "preview", "rule": rule}, headers=person)
    assert answer.status_code == 409
    assert "another" in answer.get_json()["error"]["message"]
