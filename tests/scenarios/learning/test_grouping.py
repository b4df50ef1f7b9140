"""Grouping end to end: an upgrade, what comes beside a message, and learners of alike messages."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from tests.scenarios.learning.test_loop import applications, faulty_rows, log_error, pattern_of
from tests.waiting import eventually

from pattern_engine import grouping
from pattern_engine.grouping import rules

if TYPE_CHECKING:
    import httpx
    from tests.conftest import Rest, Sql
    from tests.scenarios.conftest import Fault, Functions

Approve = Callable[..., "httpx.Response"]
TRACE = """TypeError: total is not a function
    at checkout (/srv/shop/src/cart.ts:12:5)
    at {function} (/srv/shop/src/server.ts:40:9)"""


def _learn_as_before_the_upgrade(database: Sql, message: str) -> str:
    """Learn a message as the release did that had grouping/v1 alone; return its pattern."""
    template = grouping.normalize(message)
    error = {
        "signature": grouping.signature_of(template, "grouping/v1"),
        "algorithm": "grouping/v1",
        "template": template,
        "pattern_type": "database",
        "error_message_pattern": "^.*$",
        "severity": "error",
        "features": {},
    }
    (learned,) = database.call("learn_errors_v1", [error])
    return str(learned["pattern_id"])


def test_an_upgrade_kills_no_approved_fix(
    engine: Rest, approve: Approve, fault: Fault, database: Sql
) -> None:
    """Approved under v1, the fix heals the same error under v2; the pattern is the same and not new."""
    pattern_id = _learn_as_before_the_upgrade(database, fault.message())
    approve(fault, pattern_id, {}).raise_for_status()
    # The functions may have read that the database holds no signature of v1; an upgrade restarts them.
    time.sleep(rules.KEPT_SECONDS)

    log_id = log_error(engine, fault, 2)
    (application,) = eventually(lambda: applications(engine, log_id))

    assert (application["pattern_id"], application["success"]) == (pattern_id, True)
    assert faulty_rows(database, fault) == 0
    keys = engine.select("pattern_signatures", pattern_id=f"eq.{pattern_id}", order="algorithm")
    assert [key["algorithm"] for key in keys] == ["grouping/v1", "grouping/v2"]
    events = engine.select("roman_events", **{"metadata->>pattern_id": f"eq.{pattern_id}"})
    learned = [event for event in events if event["event_type"] == "pattern_learned"]
    assert len(learned) == 1


def test_a_row_is_grouped_by_what_came_beside_its_message(engine: Rest, fault: Fault) -> None:
    """Rows with one trace are one pattern whatever they say; release and environment are kept."""
    trace = TRACE.format(function=fault.word)
    first, second = (
        log_error(
            engine,
            fault,
            message=f"{word} went wrong",
            error_data={"stack": trace},
            environment="staging",
            release=release,
        )
        for word, release in ((f"cart {fault.word}", "1.0"), (f"basket {fault.word}", "1.1"))
    )
    pattern = pattern_of(engine, second)
    assert pattern_of(engine, first)["pattern_id"] == pattern["pattern_id"]
    assert pattern["metadata"]["template"].startswith(
        "v8: <function> is not a function\n  at cart.checkout"
    )
    pattern = eventually(
        lambda: [row for row in [pattern_of(engine, first)] if row["occurrence_count"] == 2]
    )[0]
    assert {pattern["first_release"], pattern["last_release"]} == {"1.0", "1.1"}
    assert (pattern["first_environment"], pattern["last_environment"]) == ("staging", "staging")


def test_an_error_is_healed_by_the_fix_of_its_trace(
    engine: Rest, functions: Functions, approve: Approve, fault: Fault, database: Sql
) -> None:
    """The fix of a trace's pattern fires for its rows, by webhook, and by /apply with the row's id."""
    trace = TRACE.format(function=fault.word)
    beside = {"stack": trace}
    pattern = pattern_of(engine, log_error(engine, fault, error_data=beside))
    approve(fault, pattern["pattern_id"], {}).raise_for_status()
    log_id = log_error(engine, fault, message=f"other words {fault.word}", error_data=beside)
    (application,) = eventually(lambda: applications(engine, log_id))
    assert (application["pattern_id"], application["success"]) == (pattern["pattern_id"], True)
    assert faulty_rows(database, fault) == 0
    body = {"error_message": f"other words {fault.word}", "system_log_id": log_id}
    answer = functions.call("apply", body).json()
    assert (answer["applied"], answer["success"]) == (True, True)
    assert answer["pattern"]["pattern_id"] == pattern["pattern_id"]
    assert len(applications(engine, log_id)) == 1


def test_a_row_and_a_report_of_one_error_are_one_pattern(
    engine: Rest, functions: Functions, fault: Fault
) -> None:
    """Told by the webhook and told to /learn, whatever the messages: the trace makes them one."""
    beside = {"stack": TRACE.format(function=fault.word)}
    pattern = pattern_of(engine, log_error(engine, fault, error_data=beside))
    body = {"error_message": f"other words {fault.word}", "error_data": beside}
    learned = functions.call("learn", body).json()
    assert learned["action"] == "updated"
    assert learned["pattern"]["pattern_id"] == pattern["pattern_id"]


def test_many_learners_of_alike_messages_make_one_pattern(
    engine: Rest, functions: Functions, fault: Fault
) -> None:
    """32 names and a variable in one place, all at once over HTTP: one pattern counts them all."""

    def message(name: str) -> str:
        return f"{fault.word} replication towards {name} stopped during nightly maintenance"

    names = [f"{a}{b}ville" for a in "bcdfghlm" for b in ("a", "e", "i", "o")][:31]
    messages = [message(name) for name in (*names, "eu_3")]
    assert len(set(grouping.group_messages(messages))) == 1
    random.Random(0).shuffle(messages)

    def learn(text: str) -> dict[str, Any]:
        answer = functions.call("learn", {"error_message": text})
        assert answer.status_code == 200, answer.text
        learned: dict[str, Any] = answer.json()
        return learned

    with ThreadPoolExecutor(len(messages)) as pool:
        list(pool.map(learn, messages))
    again = {learn(text)["pattern"]["pattern_id"] for text in messages}
    assert len(again) == 1
    pattern = engine.select("error_patterns", pattern_id=f"eq.{again.pop()}")[0]
    assert pattern["occurrence_count"] == 2 * len(messages)
