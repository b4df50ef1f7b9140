"""Which fix an error may have: only the live, unchanged one of a signature its approver saw."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.database.healing.policy import POLICY

if TYPE_CHECKING:
    from tests.conftest import Person, Rest, Sql
    from tests.database.conftest import Patterns
    from tests.database.healing.outcomes import Outcomes


@pytest.fixture
def approved(patterns: Patterns) -> dict[str, Any]:
    """A learned error with an approved fix; its signature and pattern id."""
    error = patterns.error(system_log_id=patterns.log_row(message="it broke"))
    pattern_id = patterns.learn(error)[0]["pattern_id"]
    patterns.approve(pattern_id, "select 7")
    return error | {"pattern_id": pattern_id}


def test_an_error_finds_its_log_row_pattern_and_fix(
    patterns: Patterns, approved: dict[str, Any]
) -> None:
    """A candidate has all that the engine needs: row and writer, pattern, pinned fix, its hold."""
    found = patterns.find(approved["signature"], approved["system_log_id"])
    assert found["log"]["message"] == "it broke"
    assert found["log"]["written_by"] == "service_role"
    assert found["log"]["user_id"] is None
    assert 0 <= found["log"]["age_seconds"] < 60
    assert found["pattern"]["pattern_id"] == approved["pattern_id"]
    assert found["pattern"]["auto_fix_script"] == "select 7"
    assert found["fix"]["prepared_script"] == "select 7"
    assert found["fix"]["stored_matches"] is True
    assert found["expressions"] == []
    assert found["before_approval"] is True, "its log row came first"
    assert found["hold"] is None
    assert set(found) == {
        *("log", "pattern", "fix", "untrusted_signature", "outside_guard", "expressions"),
        *("hold", "before_approval"),
    }


def test_candidates_come_in_the_order_of_the_errors(
    engine: Rest, patterns: Patterns, approved: dict[str, Any]
) -> None:
    """One answer for each error, at its own place, known or not."""
    queries = [
        {"signatures": [patterns.word()], "system_log_id": None},
        {"signatures": [approved["signature"]], "system_log_id": 2**50},
        {"signatures": [], "system_log_id": patterns.log_row()},
    ]
    found = engine.call("find_candidates_v1", p_errors=queries)
    assert [bool(row["pattern"]) for row in found] == [False, True, False]
    assert [bool(row["log"]) for row in found] == [False, False, True]
    assert engine.call("find_candidates_v1", p_errors=[]) == []


def test_a_counted_log_row_leads_to_its_pattern(
    patterns: Patterns, approved: dict[str, Any]
) -> None:
    """What came beside the message in the row may have led elsewhere than the message alone does."""
    found = patterns.find(patterns.word(), approved["system_log_id"])
    assert found["pattern"]["pattern_id"] == approved["pattern_id"]
    assert found["fix"] is not None
    assert found["expressions"] == []
    other = patterns.error()
    patterns.learn(other)
    found = patterns.find(other["signature"], approved["system_log_id"])
    assert found["pattern"]["pattern_signature"] == other["signature"]
    assert found["fix"] is None


def test_any_trusted_signature_of_the_pattern_fires_its_fix(
    engine: Rest, database: Sql, patterns: Patterns, approved: dict[str, Any]
) -> None:
    """One that came later beside one that the approver saw is trusted; beside another's it is not."""
    other = patterns.error()
    patterns.approve(patterns.learn(other)[0]["pattern_id"])
    patterns.disable(approved["pattern_id"])
    patterns.approve(approved["pattern_id"], "select 7")
    alias = _add_alias(database, patterns, approved["pattern_id"])
    for trusted, fires in ((approved["signature"], True), (other["signature"], False)):
        query = {"signatures": [alias, trusted], "system_log_id": None}
        found = engine.call("find_candidates_v1", p_errors=[query])[0]
        assert found["pattern"]["pattern_id"] == approved["pattern_id"]
        assert (found["fix"] is not None) == fires


def test_only_expressions_that_mean_their_own_messages_are_tried(
    database: Sql, patterns: Patterns
) -> None:
    """Those of grouping/v2 match whatever may stand for a variable, unless they are written by hand."""
    error = patterns.error(algorithm="grouping/v2")
    pattern_id = patterns.learn(error)[0]["pattern_id"]
    patterns.approve(pattern_id)

    def tried() -> bool:
        expressions = patterns.find(patterns.word())["expressions"]
        return pattern_id in {row["pattern_id"] for row in expressions}

    assert not tried()
    same = {"error_message_pattern": error["error_message_pattern"]}
    database.change("error_patterns", same, pattern_id=pattern_id)
    assert not tried()
    by_hand = {"error_message_pattern": "^by hand$"}
    database.change("error_patterns", by_hand, pattern_id=pattern_id)
    assert tried()


def test_the_first_known_signature_decides(
    engine: Rest, patterns: Patterns, approved: dict[str, Any]
) -> None:
    """Of several signatures the caller's order counts, not the database's."""
    other = patterns.error()
    patterns.learn(other)
    signatures = [patterns.word(), other["signature"], approved["signature"]]
    for expected in (other["signature"], approved["signature"]):
        query = {"signatures": signatures, "system_log_id": None}
        found = engine.call("find_candidates_v1", p_errors=[query])[0]
        assert found["pattern"]["pattern_signature"] == expected
        signatures.reverse()


def test_an_unknown_error_gets_the_enabled_expressions(
    patterns: Patterns, approved: dict[str, Any]
) -> None:
    """Where no signature is known, the expressions of enabled patterns are there to try."""
    silent = patterns.error()
    patterns.learn(silent)
    found = patterns.find(patterns.word())
    assert found["pattern"] is None
    assert found["fix"] is None
    tried = {row["pattern_signature"]: row for row in found["expressions"]}
    assert tried[approved["signature"]] == {
        "pattern_id": approved["pattern_id"],
        "pattern_signature": approved["signature"],
        "error_message_pattern": approved["error_message_pattern"],
    }
    assert silent["signature"] not in tried


def _add_alias(database: Sql, patterns: Patterns, pattern_id: str) -> str:
    signature = patterns.word("pattern")
    database.run(
        "insert into ops.pattern_signatures (signature, pattern_id, algorithm, template, created_at)"
        " values (%s, %s, 'grouping/v1', %s, '2000-01-01')",
        signature,
        pattern_id,
        signature,
    )
    return signature


def test_an_alias_added_after_approval_does_not_fire_the_fix(
    database: Sql, patterns: Patterns, approved: dict[str, Any]
) -> None:
    """A wrong merge never runs a wrong script: a person must see the signature first."""
    alias = _add_alias(database, patterns, approved["pattern_id"])
    found = patterns.find(alias)
    assert found["pattern"]["pattern_id"] == approved["pattern_id"]
    assert found["fix"] is None
    patterns.disable(approved["pattern_id"])
    patterns.approve(approved["pattern_id"], "select 7")
    assert patterns.find(alias)["fix"]["version"] == 2


def test_a_signature_moved_after_approval_does_not_fire_the_fix(
    database: Sql, patterns: Patterns, approved: dict[str, Any]
) -> None:
    """An old signature that is pointed to another pattern is new there."""
    moved = patterns.error()
    patterns.learn(moved)
    patterns.disable(approved["pattern_id"])
    patterns.approve(approved["pattern_id"], "select 8")
    for table in ("pattern_signatures", "pattern_incidents"):
        database.change(table, {"pattern_id": approved["pattern_id"]}, signature=moved["signature"])
    found = patterns.find(moved["signature"])
    assert found["pattern"]["pattern_id"] == approved["pattern_id"]
    assert found["fix"] is None


def test_a_candidate_tells_what_holds_its_fix(
    patterns: Patterns, operator: Person, outcomes: Outcomes, approved: dict[str, Any]
) -> None:
    """A pause comes before a demotion; both are told with their reason, before anything is claimed."""
    pattern_id, signature = approved["pattern_id"], approved["signature"]
    for _ in range(2):
        outcomes.settle(pattern_id, "-", policy=POLICY | {"demote_after": 2})
    demoted = {"code": "demoted", "reason": "2 failed outcomes in a row"}
    assert patterns.find(signature)["hold"] == demoted
    begun = operator.rest.call("pause_fixes_v1", p_reason="counting", p_seconds=60)
    try:
        hold = patterns.find(signature)["hold"]
    finally:
        operator.rest.call("resume_fixes_v1")
    assert hold == {"code": "paused", "until": begun["expires_at"], "reason": "counting"}
    assert patterns.find(signature)["hold"] == demoted
    assert patterns.find(patterns.word())["hold"] is None, "there is no fix to hold"


def test_a_disabled_fix_is_no_candidate(
    database: Sql, patterns: Patterns, approved: dict[str, Any]
) -> None:
    """No edit of the pattern brings a disabled fix back."""
    patterns.disable(approved["pattern_id"])
    change = {"auto_fix_enabled": True}
    database.change("error_patterns", change, pattern_id=approved["pattern_id"])
    assert patterns.find(approved["signature"])["fix"] is None
    assert patterns.claim(approved["pattern_id"])["refusal"] == {"code": "not_live"}


def test_a_pattern_that_the_engine_switched_off_is_no_candidate(
    database: Sql, patterns: Patterns, approved: dict[str, Any]
) -> None:
    """The engine may switch a live fix off; that alone takes no person."""
    change = {"auto_fix_enabled": False, "has_running_fix": False}
    database.change("error_patterns", change, pattern_id=approved["pattern_id"])
    assert patterns.find(approved["signature"])["fix"] is None


@pytest.mark.parametrize(
    "change",
    [
        {"auto_fix_script": "select 8"},
        {"auto_fix_type": "bash"},
        {"auto_fix_parameters": {"max_rows": 5}},
    ],
)
def test_a_changed_fix_is_told(
    database: Sql, patterns: Patterns, approved: dict[str, Any], change: dict[str, Any]
) -> None:
    """A candidate whose pattern shows another fix than the approved one says so."""
    database.change("error_patterns", change, pattern_id=approved["pattern_id"])
    assert patterns.find(approved["signature"])["fix"]["stored_matches"] is False


def test_an_error_is_claimed_once_for_a_version(
    patterns: Patterns, approved: dict[str, Any]
) -> None:
    """While its run is under way it is in hand, after it applied before; a new version may run."""
    pattern_id, log_id = approved["pattern_id"], approved["system_log_id"]
    claim = patterns.claim(pattern_id, log_id)
    assert claim == {
        "application_id": claim["application_id"],
        "refusal": None,
        "validation": claim["validation"],
        "job": None,
    }
    assert claim["validation"]["compliant"] is True
    assert patterns.claim(pattern_id, log_id)["refusal"] == {"code": "in_hand"}
    patterns.run(claim["application_id"])
    assert patterns.claim(pattern_id, log_id)["refusal"] == {"code": "applied_before"}
    patterns.disable(pattern_id)
    patterns.approve(pattern_id, "select 9")
    assert patterns.claim(pattern_id, log_id)["refusal"] is None
