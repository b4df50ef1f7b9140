"""Learning over HTTP: what is computed and sent, and what the caller gets to see."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from pattern_engine import grouping
from pattern_engine.exceptions import DatabaseError
from pattern_engine.grouping import rules
from pattern_engine.learning import counting
from pattern_engine.learning.recording import record
from pattern_engine.learning.sightings import Sighting, of_row, sighted

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx
    from tests.http.conftest import Load, Wire

    from pattern_engine.database.database import Database
    from pattern_engine.database.records import LearnedRecord, LogRecord

MESSAGE = "Database connection failed for user d290f1ee-6c54-4b01-90e6-d701748f0851"
BODY = {
    "error_message": MESSAGE,
    "error_source": "auth-service",
    "severity": "critical",
    "system_log_id": 12345,
}


def learned(**changes: object) -> dict[str, Any]:
    """The database's answer to one error."""
    return {
        "pattern_id": "33333333-3333-4333-8333-333333333333",
        "pattern_signature": "pattern_3k5j8m",
        "pattern_type": "database",
        "occurrence_count": 5,
        "confidence_score": 0.6,
        "auto_fix_enabled": False,
        "action": "updated",
        "system_log_id": 12345,
        **changes,
    }


def count(database: Database, *errors: Sighting) -> list[LearnedRecord]:
    """Count errors in one call, as the webhook does."""
    explained: set[str] = set()
    return counting.count(database, [record(error, explained) for error in errors])


def test_the_answer_has_the_specifications_keys(
    load: Load, wire: Wire, engine: dict[str, str]
) -> None:
    """What the database says beyond them is left out."""
    wire.replies["learn_errors_v1"] = [learned(id=7, metadata={})]
    answer = load("learn").post("/", json=BODY, headers=engine)
    assert answer.status_code == 200
    assert answer.get_json() == {
        "success": True,
        "pattern": {
            "pattern_id": "33333333-3333-4333-8333-333333333333",
            "pattern_signature": "pattern_3k5j8m",
            "pattern_type": "database",
            "occurrence_count": 5,
            "confidence_score": 0.6,
            "auto_fix_enabled": False,
        },
        "action": "updated",
    }


def test_everything_is_sent_in_one_call(load: Load, wire: Wire, engine: dict[str, str]) -> None:
    """Signature, template, type, severity, expression and features go together, the message not."""
    wire.replies["learn_errors_v1"] = [learned()]
    load("learn").post("/", json=BODY, headers=engine)
    assert wire.names == ["learn_errors_v1"]
    (error,) = wire.sent("learn_errors_v1")["p_errors"]
    group = grouping.group(MESSAGE)
    assert (error["signature"], error["algorithm"]) == (group.signature, group.algorithm)
    assert error["template"] == "Database connection failed for user <*>"
    assert error["leaf"] == group.leaf
    assert error["wider"] == list(grouping.wider_signatures(group.template))
    assert error["older"] == [], "the database holds no signature of an older algorithm"
    assert (error["pattern_type"], error["severity"]) == ("database", "critical")
    assert (error["error_source"], error["system_log_id"]) == ("auth-service", 12345)
    assert error["features"]["has_uuid"] is True
    assert error["features"]["severity_score"] == 5
    assert (error["claimed_by"], error["error_message"]) == (None, None)


def test_the_engine_calls_for_a_person_and_says_so(
    load: Load, wire: Wire, person: dict[str, str]
) -> None:
    """Learning is the engine's alone; on whose word, the database checks against the log row."""
    wire.replies["learn_errors_v1"] = [learned()]
    load("learn").post("/", json=BODY, headers=person)
    (request,) = wire.requests
    assert request.headers["authorization"] == "Bearer sb_secret_test"
    (error,) = wire.sent("learn_errors_v1")["p_errors"]
    assert error["claimed_by"] == "11111111-1111-4111-8111-111111111111"
    assert error["error_message"] == MESSAGE


def test_severity_is_judged_by_words_where_none_is_given(
    load: Load, wire: Wire, engine: dict[str, str]
) -> None:
    """An explicit severity wins; without one the message tells."""
    wire.replies["learn_errors_v1"] = [learned()]
    load("learn").post("/", json={"error_message": "FATAL: out of memory"}, headers=engine)
    (error,) = wire.sent("learn_errors_v1")["p_errors"]
    assert (error["severity"], error["features"]["severity_score"]) == ("critical", 5)


@pytest.mark.parametrize(
    ("given", "kept"), [("WARN", "warning"), ("fatal", "critical"), (50, "error"), ("odd", "error")]
)
def test_a_severity_is_taken_as_loggers_write_it(
    load: Load, wire: Wire, engine: dict[str, str], given: str | int, kept: str
) -> None:
    """A report is refused for its level as little as a log row is."""
    wire.replies["learn_errors_v1"] = [learned()]
    body = {"error_message": "it broke", "severity": given}
    assert load("learn").post("/", json=body, headers=engine).status_code == 200
    (error,) = wire.sent("learn_errors_v1")["p_errors"]
    assert error["severity"] == kept


def test_a_row_that_counted_before_is_unchanged(
    load: Load, wire: Wire, engine: dict[str, str]
) -> None:
    """The caller of a repeated call can tell that it was one."""
    wire.replies["learn_errors_v1"] = [learned(action="unchanged")]
    answer = load("learn").post("/", json=BODY, headers=engine)
    assert answer.get_json()["action"] == "unchanged"


def test_what_makes_a_pattern_is_sent_once_for_each_signature(
    wire: Wire, database: Database
) -> None:
    """The second error of a signature brings its keys alone: a batch says nothing twice."""
    wire.replies["learn_errors_v1"] = lambda sent: [learned() for _ in sent["p_errors"]]
    messages = ["shard 1 is down", "disk full", "shard 2 is down"]
    count(database, *map(sighted, messages))
    first, other, again = wire.sent("learn_errors_v1")["p_errors"]
    assert first["signature"] == again["signature"] != other["signature"]
    assert {"template", "features", "sample"} <= first.keys() & other.keys()
    assert again.keys() == {"signature", "older", "system_log_id", "claimed_by", "error_message"}


def test_a_signature_that_was_learned_travels_as_a_key(
    load: Load, wire: Wire, engine: dict[str, str]
) -> None:
    """What makes a pattern is not sent again to a database that was seen to have it."""
    wire.replies["learn_errors_v1"] = [learned(action="created")]
    function = load("learn")
    for _ in range(2):
        assert function.post("/", json=BODY, headers=engine).status_code == 200
    first, second = (json.loads(one.content)["p_errors"] for one in wire.requests)
    assert "template" in first[0]
    assert second == [{key: first[0][key] for key in second[0]}]
    assert second[0].keys() == {
        *("signature", "older", "system_log_id", "claimed_by", "error_message")
    }


def test_a_row_that_counted_before_proves_no_signature(
    load: Load, wire: Wire, engine: dict[str, str]
) -> None:
    """The database makes nothing for such a row, so the next error is sent complete."""
    wire.replies["learn_errors_v1"] = [learned(action="unchanged")]
    function = load("learn")
    for _ in range(2):
        function.post("/", json=BODY, headers=engine)
    assert all("template" in json.loads(one.content)["p_errors"][0] for one in wire.requests)


def test_a_signature_that_the_database_has_lost_is_sent_complete(
    load: Load, wire: Wire, engine: dict[str, str]
) -> None:
    """A restored database knows less than the process remembers: nothing is lost by that."""
    without = [{"unknown": True, "system_log_id": 12345}]
    known = True
    wire.replies["learn_errors_v1"] = lambda sent: (
        [learned()] if known or "template" in sent["p_errors"][0] else without
    )
    function = load("learn")
    function.post("/", json=BODY, headers=engine)
    known = False
    answer = function.post("/", json=BODY, headers=engine)
    assert answer.status_code == 200
    assert answer.get_json()["action"] == "updated"
    sent = [json.loads(one.content)["p_errors"][0] for one in wire.requests]
    assert ["template" in error for error in sent] == [True, False, True]


def test_other_refusals_of_a_key_are_the_callers(
    load: Load,
    wire: Wire,
    person: dict[str, str],
    refusal: Callable[..., httpx.Response],
) -> None:
    """Only a lost signature is a reason to send the same error twice."""
    wire.replies["learn_errors_v1"] = [learned()]
    function = load("learn")
    function.post("/", json=BODY, headers=person)
    wire.replies["learn_errors_v1"] = refusal("PL005", "log row 12345 is not yours")
    assert function.post("/", json=BODY, headers=person).status_code == 403
    assert wire.names == ["learn_errors_v1", "learn_errors_v1"]


def test_an_error_that_joins_two_patterns_takes_a_second_call(
    wire: Wire, database: Database
) -> None:
    """What the first call leaves is sent again, complete, to the function that may join; in order."""
    wire.replies["learn_errors_v1"] = lambda sent: [
        {"unknown": True, "system_log_id": error["system_log_id"]}
        if error["system_log_id"] in {2, 3}
        else learned(system_log_id=error["system_log_id"])
        for error in sent["p_errors"]
    ]
    wire.replies["join_errors_v1"] = lambda sent: [
        learned(system_log_id=error["system_log_id"], action="created")
        for error in sent["p_errors"]
    ]
    outcomes = count(database, *(sighted("x y", system_log_id=n) for n in range(1, 5)))
    assert [(one["system_log_id"], one["action"]) for one in outcomes] == [
        (1, "updated"),
        (2, "created"),
        (3, "created"),
        (4, "updated"),
    ]
    assert wire.names == ["learn_errors_v1", "join_errors_v1"]
    first, second = wire.sent("join_errors_v1")["p_errors"]
    assert "template" in first, "what makes the pattern stayed with an error that was learned"
    assert "template" not in second


def test_a_rule_gives_an_error_its_fingerprint(
    load: Load, wire: Wire, engine: dict[str, str]
) -> None:
    """The operators' rules are read once for many errors; an older signature plays no part then."""
    rule = {
        "rule_id": "1",
        "expression": "connection failed",
        "conditions": {"source": "auth-service"},
        "fingerprint": "auth is down",
        "priority": 100,
    }
    wire.replies["read_grouping_v1"] = {"rules": [rule], "older_algorithms": ["grouping/v1"]}
    wire.replies["learn_errors_v1"] = [learned()]
    function = load("learn")
    for body in (BODY, BODY | {"error_source": "shop"}):
        function.post("/", json=body, headers=engine)
    assert wire.names == ["read_grouping_v1", "learn_errors_v1", "learn_errors_v1"]
    first, second = (json.loads(one.content)["p_errors"][0] for one in wire.requests[1:])
    told = grouping.group(MESSAGE, rule="auth is down")
    assert (first["signature"], first["older"]) == (told.signature, [])
    assert second["signature"] == grouping.group(MESSAGE).signature
    assert len(second["older"]) == 1


def test_nothing_secret_is_stored_in_a_pattern(wire: Wire, database: Database) -> None:
    """Sample and template are scrubbed, and the expression does not name what was taken out."""
    wire.replies["learn_errors_v1"] = [learned()]
    message = "login refused, password: hunterwolf, for jane@example.com"
    count(database, sighted(message))
    (error,) = wire.sent("learn_errors_v1")["p_errors"]
    stored = json.dumps(error)
    assert "hunterwolf" not in stored
    assert "jane@example.com" not in stored
    assert re.search(error["error_message_pattern"], message)
    group = grouping.group(message)
    assert error["signature"] == group.signature
    assert error["wider"] == list(grouping.wider_signatures(group.template)), (
        "by what stands in the message, as its signature is, or errors with secrets join others"
    )


def test_an_error_that_stays_unknown_is_the_databases_fault(wire: Wire, database: Database) -> None:
    """The joining call always answers; another answer is refused and not taken for learned."""
    unknown = [{"unknown": True, "system_log_id": None}]
    wire.replies |= {"learn_errors_v1": unknown, "join_errors_v1": unknown}
    with pytest.raises(DatabaseError):
        count(database, sighted("x y"))
    assert wire.names == ["learn_errors_v1", "join_errors_v1"]


def test_many_errors_are_one_call(wire: Wire, database: Database) -> None:
    """A thousand errors travel together, in order."""
    wire.replies["learn_errors_v1"] = lambda sent: [
        learned(system_log_id=error["system_log_id"]) for error in sent["p_errors"]
    ]
    outcomes = count(database, *(sighted("x y", system_log_id=n) for n in range(1, 1001)))
    assert [outcome["system_log_id"] for outcome in outcomes] == list(range(1, 1001))
    assert wire.names == ["learn_errors_v1"]


TRACE = "TypeError: x\n    at load (/srv/app/src/page.ts:1:2)"
BESIDE: list[dict[str, Any]] = [
    {"exception": "ValueError"},
    {"exception": "ValueError", "stack": TRACE},
    {"stack": TRACE, "fingerprint": ["shards"]},
    {"fingerprint": ["{{ default }}", "shop"]},
    {"stack": 5, "code": "57P03"},
]


def _row(error_data: dict[str, Any]) -> LogRecord:
    """A row of ops.system_logs with the message of the tests."""
    return {
        "id": 12345,
        "message": MESSAGE,
        "source": "auth-service",
        "log_level": "critical",
        "created_at": "2026-01-01T00:00:00+00:00",
        "written_by": "service_role",
        "error_data": error_data,
        "environment": None,
        "release": None,
        "learned": False,
    }


@pytest.mark.parametrize("error_data", BESIDE)
def test_an_error_is_one_pattern_whoever_tells_of_it(
    load: Load, wire: Wire, engine: dict[str, str], error_data: dict[str, Any]
) -> None:
    """What an application sends beside the message counts as it does in its log row."""
    wire.replies["learn_errors_v1"] = [learned()]
    load("learn").post("/", json={**BODY, "error_data": error_data}, headers=engine)
    assert wire.names == ["learn_errors_v1"]
    (error,) = wire.sent("learn_errors_v1")["p_errors"]
    assert error == record(of_row(_row(error_data), rules.NONE))


def test_a_persons_row_tells_by_itself(load: Load, wire: Wire, person: dict[str, str]) -> None:
    """Whoever may name a row must not lead it to another pattern by what its caller says of it."""
    wire.replies["read_logs_v1"] = [dict(_row({"fingerprint": "its own"}))]
    wire.replies["learn_errors_v1"] = [learned()]
    body = {**BODY, "error_data": {"fingerprint": "another"}}
    load("learn").post("/", json=body, headers=person)
    assert wire.sent("read_logs_v1") == {"p_ids": [12345]}
    (error,) = wire.sent("learn_errors_v1")["p_errors"]
    assert error["template"] == "fingerprint its own"


def test_of_a_row_that_cannot_be_read_the_message_counts(
    load: Load, wire: Wire, person: dict[str, str]
) -> None:
    """Only errors and criticals are read; of any other row a person's word is the message."""
    wire.replies["read_logs_v1"] = []
    wire.replies["learn_errors_v1"] = [learned()]
    body = {**BODY, "error_data": {"fingerprint": "another"}}
    load("learn").post("/", json=body, headers=person)
    (error,) = wire.sent("learn_errors_v1")["p_errors"]
    assert error["signature"] == grouping.group(MESSAGE).signature


def test_a_person_without_a_row_tells_what_he_saw(
    load: Load, wire: Wire, person: dict[str, str]
) -> None:
    """With no row to compare, what was sent counts, as the message does."""
    wire.replies["learn_errors_v1"] = [learned()]
    body = {"error_message": MESSAGE, "error_data": {"stack": TRACE}}
    load("learn").post("/", json=body, headers=person)
    assert wire.names == ["learn_errors_v1"]
    (error,) = wire.sent("learn_errors_v1")["p_errors"]
    assert error["template"] == "TypeError: x\n  at page.load"


def test_what_postgres_cannot_store_is_replaced_beside_the_message_too(
    load: Load, wire: Wire, engine: dict[str, str]
) -> None:
    """NUL and half a surrogate pair would fail the whole call."""
    wire.replies["learn_errors_v1"] = [learned()]
    raw = (
        rb'{"error_message": "x y", "error_data": {"exception": {"type": "E", "values": []},'
        rb' "fingerprint": ["a\u0000b", "c\ud800d"], "\u0000": 1}}'
    )
    headers = {**engine, "Content-Type": "application/json"}
    assert load("learn").post("/", data=raw, headers=headers).status_code == 200
    (error,) = wire.sent("learn_errors_v1")["p_errors"]
    assert error["template"] == "fingerprint a\ufffdb c\ufffdd"
