"""What operators do to the grouping, end to end: from the endpoint to what heals and what does not."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from tests.scenarios.learning.test_loop import (
    applications,
    approved,
    faulty_rows,
    log_error,
    pattern_of,
)
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx
    from tests.conftest import Person, Rest, Sql
    from tests.scenarios.conftest import Fault, Functions

    Approve = Callable[..., httpx.Response]


def steer(functions: Functions, person: Person, endpoint: str, **body: object) -> dict[str, Any]:
    """Call an endpoint as a person; return its answer."""
    answer = functions.call(endpoint, body, token=person.token)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def signatures(engine: Rest, pattern_id: str) -> list[str]:
    """The signatures of a pattern, the first one first."""
    rows = engine.select(
        "pattern_signatures", pattern_id=f"eq.{pattern_id}", order="created_at,signature"
    )
    return [row["signature"] for row in rows]


def test_twins_are_merged_and_healed_once_their_signature_is_confirmed(
    engine: Rest,
    functions: Functions,
    approve: Approve,
    fault: Fault,
    database: Sql,
    operator: Person,
    administrator: Person,
) -> None:
    """Proposed, merged, not healed, confirmed, healed; undone, and both are what they were."""
    twin = f"order 1 of {fault.word} came without status"
    fixed = approved(engine, approve, fault)
    other = pattern_of(engine, log_error(engine, fault, message=twin))
    address = f"similar?pattern_id={fixed['pattern_id']}"
    proposed = functions.call(address, token=operator.token).json()["patterns"][0]
    assert proposed["pattern_id"] == other["pattern_id"]
    assert proposed["differences"]

    ids = [other["pattern_id"], fixed["pattern_id"]]
    merged = steer(functions, operator, "merge", pattern_ids=ids, reason="one cause")
    # The one with the fix is kept, though it was named second.
    assert merged["pattern"]["pattern_id"] == fixed["pattern_id"]
    assert merged["pattern"]["occurrence_count"] == 2
    answer = functions.call("apply", {"error_message": twin})
    assert "was added to the pattern after the fix was approved" in answer.json()["reason"]
    assert faulty_rows(database, fault) == 5

    names = signatures(engine, fixed["pattern_id"])[1:]
    target = {"pattern_id": fixed["pattern_id"], "signatures": names}
    assert steer(functions, administrator, "confirm", **target)["confirmed"] == sorted(names)
    log_id = log_error(engine, fault, message=twin)
    eventually(lambda: applications(engine, log_id))
    assert faulty_rows(database, fault) == 0

    merge_id = merged["merges"][0]["merge_id"]
    undone = steer(functions, operator, "undo", merge_id=merge_id)
    assert undone["pattern"]["occurrence_count"] == 1
    assert undone["other_pattern"]["occurrence_count"] == 2
    assert functions.call("apply", {"error_message": twin}).json()["applied"] is False


def test_what_is_split_off_is_not_healed(
    engine: Rest,
    functions: Functions,
    approve: Approve,
    fault: Fault,
    database: Sql,
    operator: Person,
) -> None:
    """The fix was approved for both; after the split it heals the one, after undoing both."""
    first = pattern_of(engine, log_error(engine, fault))
    twin = f"order 1 of {fault.word} came without status"
    second = pattern_of(engine, log_error(engine, fault, message=twin))
    ids = [first["pattern_id"], second["pattern_id"]]
    steer(functions, operator, "merge", pattern_ids=ids)
    assert approve(fault, ids[0], {}).status_code == 200

    moving = engine.select("pattern_incidents", order="id.desc", limit="1")[0]["signature"]
    split = steer(functions, operator, "split", pattern_id=ids[0], signatures=[moving])
    made = engine.select("error_patterns", pattern_id=f"eq.{split['other_pattern']['pattern_id']}")[
        0
    ]
    assert made["error_message_pattern"] not in {"", first["error_message_pattern"]}
    assert functions.call("apply", {"error_message": twin}).json()["applied"] is False
    assert faulty_rows(database, fault) == 5

    steer(functions, operator, "undo", split_id=split["split_id"])
    assert functions.call("apply", {"error_message": twin}).json()["applied"] is True
    assert faulty_rows(database, fault) == 0


def test_a_resolved_error_that_comes_back_is_told(
    engine: Rest, functions: Functions, fault: Fault, operator: Person
) -> None:
    """From the log row by the webhook to the event."""
    pattern = pattern_of(engine, log_error(engine, fault, release="1.0"))
    target = {"pattern_id": pattern["pattern_id"]}
    resolved = steer(functions, operator, "resolve", **target, release="1.1")
    assert resolved["pattern"]["status"] == "resolved"
    assert pattern_of(engine, log_error(engine, fault, 2, release="1.2"))["status"] == "open"
    (event,) = engine.select(
        "roman_events",
        event_type="eq.pattern_regressed",
        **{"metadata->>pattern_id": f"eq.{pattern['pattern_id']}"},
    )
    assert event["metadata"]["release"] == "1.2"
    assert event["metadata"]["resolved_release"] == "1.1"
    ignored = steer(functions, operator, "ignore", **target, occurrences=2)
    assert ignored["pattern"]["ignored_until_count"] == 4
    assert steer(functions, operator, "reopen", **target)["pattern"]["status"] == "open"


@pytest.mark.slow
def test_a_rule_is_tried_saved_and_followed(
    engine: Rest, functions: Functions, fault: Fault, administrator: Person
) -> None:
    """It moves what comes, within half a minute, and leaves what is there."""
    words = ("has no status", "was left without any status at all")
    before = {
        pattern_of(engine, log_error(engine, fault, message=f"{fault.word} {word}"))["pattern_id"]
        for word in words
    }
    assert len(before) == 2
    rule = {
        "name": fault.word,
        "expression": f"{fault.word} (has|was left)",
        "fingerprint": f"no-status/{fault.word}",
        "conditions": {"source": "shop", "min_severity": "error"},
    }
    tried = steer(functions, administrator, "rules", action="preview", rule=rule)["preview"]
    assert {move["pattern_id"] for move in tried["moves"]} == before
    saved = steer(functions, administrator, "rules", action="save", rule=rule)["rule"]

    def learned() -> dict[str, Any] | None:
        time.sleep(3)  # Many errors within five minutes keep every fix from running.
        pattern = pattern_of(engine, log_error(engine, fault, message=f"{fault.word} {words[0]}"))
        return None if pattern["pattern_id"] in before else pattern

    try:
        followed = eventually(learned, 45)
        assert followed is not None
        second = pattern_of(engine, log_error(engine, fault, message=f"{fault.word} {words[1]}"))
        assert second["pattern_id"] == followed["pattern_id"]
        steady = engine.select("error_patterns", pattern_id=f"in.({','.join(before)})")
        assert [pattern["status"] for pattern in steady] == ["open", "open"]
    finally:
        steer(functions, administrator, "rules", action="disable", rule_id=saved["rule_id"])


@pytest.mark.slow
def test_a_user_cannot_say_that_a_row_is_another_fix_s(
    engine: Rest,
    functions: Functions,
    approve: Approve,
    fault: Fault,
    user: Person,
    administrator: Person,
    database: Sql,
) -> None:
    """A rule's fix runs for rows of its source, whatever a user says of the source of another row."""
    own = log_error(engine, fault, user_id=user.id)
    others = pattern_of(engine, own)
    rule = {
        "name": fault.word,
        "expression": fault.word,
        "fingerprint": f"billing/{fault.word}",
        "conditions": {"source": "billing"},
    }
    saved = steer(functions, administrator, "rules", action="save", rule=rule)["rule"]

    def ruled() -> dict[str, Any] | None:
        time.sleep(3)
        pattern = pattern_of(engine, log_error(engine, fault, source="billing"))
        return pattern if pattern["pattern_id"] != others["pattern_id"] else None

    try:
        pattern = eventually(ruled, 45)
        assert pattern is not None
        approve(fault, pattern["pattern_id"], {}).raise_for_status()
        row = log_error(engine, fault, user_id=user.id)
        report = {
            "error_message": fault.message(),
            "error_source": "billing",
            "system_log_id": row,
        }
        for endpoint in ("learn", "apply"):
            assert functions.call(endpoint, report, token=user.token).status_code == 200
        assert pattern_of(engine, row)["pattern_id"] == others["pattern_id"]
        assert applications(engine, row) == []
        assert faulty_rows(database, fault) == 5
        trusted = log_error(engine, fault, source="billing")
        assert eventually(lambda: applications(engine, trusted))[0]["success"] is True
    finally:
        steer(functions, administrator, "rules", action="disable", rule_id=saved["rule_id"])


def test_no_secret_is_stored(engine: Rest, approve: Approve, fault: Fault, database: Sql) -> None:
    """Neither in the pattern, nor with its signature, the claim or the application; the log keeps it."""
    secrets = ("hunter2", "bob@example.com", "4111111111111111", "sk_live_4eC39HqLyjWDarjt")
    told = f"{fault.message()}: password=hunter2 {' '.join(secrets[1:])}"
    pattern = pattern_of(engine, log_error(engine, fault, message=told))
    assert approve(fault, pattern["pattern_id"], {}).status_code == 200
    log_id = log_error(engine, fault, message=told)
    (application,) = eventually(lambda: applications(engine, log_id))
    assert application["success"] is True
    target = {"pattern_id": f"eq.{pattern['pattern_id']}"}
    stored = {
        table: engine.select(table, **target)
        for table in (
            "error_patterns",
            "pattern_signatures",
            "pattern_claims",
            "pattern_applications",
        )
    }
    assert "password=[secret]" in stored["pattern_applications"][0]["error_before"]
    text = json.dumps(stored)
    assert [secret for secret in secrets if secret in text] == []
    (row,) = engine.select("system_logs", id=f"eq.{log_id}")
    assert row["message"] == told
    assert faulty_rows(database, fault) == 0
