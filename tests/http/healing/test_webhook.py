"""The webhook: rows are learned together, healed one by one, and never keep each other waiting."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.http.healing import candidates
from tests.http.healing.candidates import candidate, log

from pattern_engine import grouping
from pattern_engine.healing import delivery
from pattern_engine.learning import recording

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from tests.http.conftest import Load, Wire
    from werkzeug.test import TestResponse

    from pattern_engine.learning.sightings import Sighting


NOTHING = candidate(log=None, pattern=None, fix=None)


def row(number: int, **changes: object) -> dict[str, Any]:
    """A row of ops.system_logs as the database reads it."""
    return {
        "id": number,
        "message": f"could not connect to shard {number}",
        "source": "shop",
        "log_level": "error",
        "created_at": "2026-01-01T00:00:00+00:00",
        "written_by": "service_role",
        "error_data": None,
        "environment": None,
        "release": None,
        "learned": False,
        **changes,
    }


class Logs:
    """The database's side of learning: rows that exist, and those that counted."""

    def __init__(self, wire: Wire) -> None:
        self.rows: dict[int, dict[str, Any]] = {}
        self.counted: set[int] = set()
        self.unlearnable: set[int] = set()
        self.enabled: set[int] = set()
        wire.replies["read_logs_v1"] = self.read
        wire.replies["learn_errors_v1"] = self.learn

    def add(self, *numbers: int, **changes: object) -> None:
        """Write rows."""
        for number in numbers:
            self.rows[number] = row(number, **changes)

    def read(self, sent: dict[str, Any]) -> list[dict[str, Any]]:
        """The rows among these ids, in the order of their ids."""
        return [self.rows[number] for number in sorted(sent["p_ids"]) if number in self.rows]

    def learn(self, sent: dict[str, Any]) -> Any:
        """Count each row once; the whole batch is refused where one row cannot be counted."""
        ids = [error["system_log_id"] for error in sent["p_errors"]]
        if self.unlearnable.intersection(ids):
            return httpx.Response(400, json={"code": "22P02", "message": "invalid input"})
        answers = [
            {
                "pattern_id": "33333333-3333-4333-8333-333333333333",
                "pattern_signature": error["signature"],
                "pattern_type": "api",
                "occurrence_count": 1,
                "confidence_score": 0.5,
                "auto_fix_enabled": error["system_log_id"] in self.enabled,
                "has_fix": error["system_log_id"] in self.enabled,
                "action": "unchanged" if error["system_log_id"] in self.counted else "updated",
                "system_log_id": error["system_log_id"],
            }
            for error in sent["p_errors"]
        ]
        self.counted.update(ids)
        return answers


@pytest.fixture
def logs(wire: Wire) -> Logs:
    """A log that the webhook reads."""
    return Logs(wire)


@pytest.fixture
def function(load: Load) -> FlaskClient:
    """The webhook's function."""
    return load("webhook")


def post(function: FlaskClient, job: dict[str, str], *ids: int) -> TestResponse:
    """Send ids as our trigger does."""
    body = {"type": "INSERT", "table": "system_logs", "schema": "ops", "ids": list(ids)}
    return function.post("/", json=body, headers=job)


def test_rows_are_learned_in_one_call(
    function: FlaskClient, wire: Wire, logs: Logs, job: dict[str, str]
) -> None:
    """However many rows there are, they are read once and counted once."""
    logs.add(*range(1, 501))
    answer = post(function, job, *range(1, 501))
    assert answer.get_json() == {
        "success": True,
        "received": 500,
        "learned": 500,
        "unchanged": 0,
        "applied": 0,
        "healed": 0,
        "failed": 0,
    }
    assert wire.names == ["read_logs_v1", "learn_errors_v1"]


def test_the_same_call_twice_changes_nothing(
    function: FlaskClient, logs: Logs, job: dict[str, str]
) -> None:
    """Webhooks are delivered at least once; rows count exactly once."""
    logs.add(1, 2)
    post(function, job, 1, 2)
    again = post(function, job, 1, 2).get_json()
    assert (again["learned"], again["unchanged"], again["failed"]) == (0, 2, 0)


def test_an_id_given_twice_counts_once(
    function: FlaskClient, wire: Wire, logs: Logs, job: dict[str, str]
) -> None:
    """A sender that repeats itself is no worse than one that does not."""
    logs.add(1)
    assert post(function, job, 1, 1, 1).get_json()["received"] == 1
    assert wire.sent("read_logs_v1") == {"p_ids": [1]}


def test_what_came_beside_the_message_decides(
    function: FlaskClient, wire: Wire, logs: Logs, job: dict[str, str]
) -> None:
    """A fingerprint before a trace, a trace before the kind of an exception, all before the message."""
    trace = "TypeError: x\n    at load (/srv/app/src/page.ts:1:2)"
    logs.add(1, error_data={"exception": "ValueError"})
    logs.add(2, error_data={"exception": "ValueError", "stack": trace})
    logs.add(3, error_data={"stack": trace, "fingerprint": ["shards"]})
    logs.add(4, error_data={"stack": 5, "code": "57P03"})
    post(function, job, 1, 2, 3, 4)
    errors = wire.sent("learn_errors_v1")["p_errors"]
    assert [error["template"] for error in errors] == [
        "ValueError: could not connect to shard <*>",
        "TypeError: x\n  at page.load",
        "fingerprint shards",
        "could not connect to shard <*>",
    ]
    assert [bool(error["leaf"]) for error in errors] == [True, False, False, True]


def test_a_batch_explains_each_signature_once_in_every_half(
    function: FlaskClient, wire: Wire, logs: Logs, job: dict[str, str]
) -> None:
    """Halved to find the row that cannot be counted, each part still says what makes a pattern."""
    logs.add(*range(1, 9))
    logs.unlearnable = {6}
    assert post(function, job, *range(1, 9)).get_json()["learned"] == 7
    calls = [one for one in wire.requests if one.url.path.endswith("learn_errors_v1")]
    assert len(calls) > 3
    for call in calls:
        errors = json.loads(call.content)["p_errors"]
        assert ["template" in error for error in errors] == [True] + [False] * (len(errors) - 1)


def test_supabases_own_form_is_taken(
    function: FlaskClient, wire: Wire, logs: Logs, job: dict[str, str]
) -> None:
    """The row is read from the table: what the body says about it does not count."""
    logs.add(7)
    body = {
        "type": "INSERT",
        "table": "system_logs",
        "schema": "ops",
        "record": {"id": 7, "message": "forged", "written_by": "service_role", "log_level": "info"},
        "old_record": None,
    }
    answer = function.post("/", json=body, headers=job)
    assert answer.get_json()["learned"] == 1
    (error,) = wire.sent("learn_errors_v1")["p_errors"]
    assert error["template"] == "could not connect to shard <*>"
    assert (error["severity"], error["claimed_by"]) == ("error", None)


def test_rows_that_are_not_there_are_no_failure(
    function: FlaskClient, wire: Wire, logs: Logs, job: dict[str, str]
) -> None:
    """A row that was deleted, or is the engine's own, is not read and not learned."""
    assert logs.rows == {}
    answer = post(function, job, 1, 2)
    assert (answer.status_code, answer.get_json()["received"]) == (200, 2)
    assert wire.names == ["read_logs_v1"]


def test_no_ids_are_no_call(function: FlaskClient, wire: Wire, job: dict[str, str]) -> None:
    """Nothing to do is done without the database."""
    assert post(function, job).get_json()["received"] == 0
    assert wire.names == []


def test_a_row_that_cannot_be_counted_keeps_no_other_waiting(
    function: FlaskClient, wire: Wire, logs: Logs, job: dict[str, str]
) -> None:
    """The batch is halved until the row is alone; all others are learned."""
    logs.add(*range(1, 65))
    logs.unlearnable = {13, 64}
    answer = post(function, job, *range(1, 65)).get_json()
    assert (answer["learned"], answer["failed"]) == (62, 2)
    assert logs.counted == set(range(1, 65)) - {13, 64}
    assert wire.names.count("learn_errors_v1") < 30


def test_a_batch_that_takes_too_long_is_halved(
    function: FlaskClient, wire: Wire, logs: Logs, job: dict[str, str]
) -> None:
    """The same batch again would take as long again; half of it may be in time."""
    logs.add(*range(1, 17))
    slow = httpx.Response(500, json={"code": "57014", "message": "statement timeout"})
    wire.replies["learn_errors_v1"] = lambda sent: (
        slow if len(sent["p_errors"]) > 5 else logs.learn(sent)
    )
    answer = post(function, job, *range(1, 17)).get_json()
    assert (answer["learned"], answer["failed"]) == (16, 0)


def test_a_database_without_our_functions_is_asked_once(
    function: FlaskClient, wire: Wire, logs: Logs, job: dict[str, str]
) -> None:
    """What is wrong with every row is not tried on each of them."""
    logs.add(*range(1, 17))
    missing = httpx.Response(404, json={"code": "PGRST202", "message": "no such function"})
    wire.replies["learn_errors_v1"] = missing
    answer = post(function, job, *range(1, 17))
    assert answer.get_json()["error"]["code"] == "database_not_migrated"
    assert wire.names.count("learn_errors_v1") == 1


def test_a_row_that_cannot_be_computed_keeps_no_other_waiting(
    function: FlaskClient, logs: Logs, job: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault of ours with one message is logged; the others are learned."""
    compute = recording.record

    def record(sighting: Sighting, explained: set[str]) -> Any:
        if sighting.system_log_id == 2:
            raise ZeroDivisionError
        return compute(sighting, explained)

    monkeypatch.setattr(recording, "record", record)
    logs.add(1, 2, 3)
    answer = post(function, job, 1, 2, 3).get_json()
    assert (answer["learned"], answer["failed"]) == (2, 1)
    assert logs.counted == {1, 3}


@pytest.mark.parametrize("name", ["read_logs_v1", "learn_errors_v1", "find_candidates_v1"])
def test_an_unreachable_database_is_told_to_the_sender(
    function: FlaskClient, wire: Wire, logs: Logs, job: dict[str, str], name: str
) -> None:
    """A 503: the sender sends the rows again, which is safe."""
    logs.add(1, 2)
    logs.enabled = {1, 2}
    wire.replies[name] = httpx.ConnectError("refused")
    answer = post(function, job, 1, 2)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert wire.names[-1] == name
    assert wire.names.count(name) == 1


def test_only_rows_with_an_enabled_fix_are_looked_up(
    function: FlaskClient, wire: Wire, logs: Logs, job: dict[str, str]
) -> None:
    """Learning costs two calls; a third is made where there may be something to heal."""
    logs.add(1, 2, 3)
    logs.enabled = {2}
    wire.replies["find_candidates_v1"] = lambda sent: [NOTHING for _ in sent["p_errors"]]
    answer = post(function, job, 1, 2, 3).get_json()
    assert (answer["applied"], answer["failed"]) == (0, 0)
    (query,) = wire.sent("find_candidates_v1")["p_errors"]
    assert query["system_log_id"] == 2


def test_one_lookup_that_fails_keeps_no_other_waiting(
    function: FlaskClient, wire: Wire, logs: Logs, job: dict[str, str]
) -> None:
    """Where the lookup of all is refused, each is looked up alone."""
    logs.add(1, 2, 3)
    logs.enabled = {1, 2, 3}

    def find(sent: dict[str, Any]) -> Any:
        if any(query["system_log_id"] == 2 for query in sent["p_errors"]):
            return httpx.Response(400, json={"code": "22P02", "message": "invalid input"})
        return [NOTHING for _ in sent["p_errors"]]

    wire.replies["find_candidates_v1"] = find
    assert post(function, job, 1, 2, 3).get_json()["failed"] == 1
    assert wire.names.count("find_candidates_v1") == 4


def healable(number: int) -> dict[str, Any]:
    """What the database knows of a row whose pattern has an approved fix."""
    return candidate(log=log(**row(number, user_id=None), age_seconds=1000 if number == 1 else 1))


def test_a_row_that_is_learned_and_healed_is_grouped_once(
    function: FlaskClient,
    wire: Wire,
    logs: Logs,
    job: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Learning, finding the fix and telling the script of the error share one reading of it."""
    logs.add(2)
    logs.enabled = {2}
    grouped: list[str] = []

    def group(message: str, **beside: Any) -> Any:
        grouped.append(message)
        return grouping.grouping.group(message, **beside)

    monkeypatch.setattr(grouping, "group", group)
    wire.replies["find_candidates_v1"] = [healable(2)]
    wire.replies["claim_application_v1"] = candidates.claim()
    wire.replies["run_application_v1"] = candidates.outcome()
    assert post(function, job, 2).get_json()["healed"] == 1
    assert len(grouped) == 1


def test_each_row_is_healed_for_itself(
    function: FlaskClient, wire: Wire, logs: Logs, job: dict[str, str]
) -> None:
    """History is only learned; a row that fails, or cannot be claimed, stops no other."""
    logs.add(*range(1, 6))
    logs.enabled = set(range(1, 6))
    wire.replies["find_candidates_v1"] = lambda sent: [
        healable(query["system_log_id"]) for query in sent["p_errors"]
    ]

    def claim(sent: dict[str, Any]) -> Any:
        number = sent["p_system_log_id"]
        if number == 3:
            return httpx.Response(500, json={"code": "XX000", "message": "no"})
        return candidates.claim(application_id=f"application-{number}")

    def run(sent: dict[str, Any]) -> dict[str, Any]:
        bad = sent["p_application_id"] == "application-4"
        return {
            "success": not bad,
            "error": "division by zero" if bad else None,
            "rows_touched": 1,
            "tables": {},
            "execution_time_ms": 1,
            "pattern": {"success_rate": 100, "confidence_score": 0.95},
        }

    wire.replies["claim_application_v1"] = claim
    wire.replies["run_application_v1"] = run
    wire.replies["record_refusals_v1"] = 1
    answer = post(function, job, *range(1, 6)).get_json()
    assert (answer["learned"], answer["applied"], answer["healed"]) == (5, 3, 2)
    assert answer["failed"] == 1
    assert wire.names.count("claim_application_v1") == 4
    assert wire.names.count("run_application_v1") == 3
    (refusal,) = wire.sent("record_refusals_v1")["p_refusals"]
    assert refusal["system_log_id"] == 1
    assert refusal["reason"] == "The error is older than 900 seconds"


def test_rows_that_cannot_be_read_keep_no_other_waiting(
    function: FlaskClient, wire: Wire, logs: Logs, job: dict[str, str]
) -> None:
    """Reading is halved as counting is, until the row is alone; all others are learned."""
    logs.add(*range(1, 65))
    odd = httpx.Response(400, json={"code": "22P05", "message": "untranslatable character"})
    wire.replies["read_logs_v1"] = lambda sent: odd if 13 in sent["p_ids"] else logs.read(sent)
    answer = post(function, job, *range(1, 65)).get_json()
    assert (answer["learned"], answer["failed"]) == (63, 1)
    assert logs.counted == set(range(1, 65)) - {13}


def test_rows_that_come_in_parts_are_all_learned(
    function: FlaskClient, wire: Wire, logs: Logs, job: dict[str, str]
) -> None:
    """The database hands out so much at a time; the rest is asked for."""
    logs.add(*range(1, 8))
    wire.replies["read_logs_v1"] = lambda sent: logs.read(sent)[:3]
    assert post(function, job, *range(1, 8)).get_json()["learned"] == 7
    assert wire.names.count("read_logs_v1") == 3


def _call(**fields: object) -> dict[str, object]:
    return {"type": "INSERT", "table": "system_logs", "schema": "ops"} | fields


def test_after_an_announcement_new_rows_are_looked_for_until_there_are_none(
    function: FlaskClient, wire: Wire, logs: Logs, job: dict[str, str]
) -> None:
    """A full look is followed by the next at once, any other by one when its time is over.

    Where that finds nothing, there is one more, for an insert that was committed late.
    """
    logs.add(*range(1, 9))
    batches: list[list[int]] = [[1, 2, 3], [3, 4, 5], [6, 7], [], [8], [], []]
    looks = iter([(ids, ids == [1, 2, 3]) for ids in batches])

    def found(_: dict[str, Any]) -> dict[str, Any]:
        ids, is_full = next(looks)
        return {
            "logs": logs.read({"p_ids": ids}),
            "is_full": is_full,
            "again_after_ms": 1 if ids else None,
        }

    wire.replies["read_new_logs_v1"] = found
    answer = function.post("/", json=_call(first=1, last=2), headers=job).get_json()
    assert (answer["received"], answer["learned"]) == (8, 8)
    asked = [
        json.loads(one.content)
        for one in wire.requests
        if one.url.path.endswith("read_new_logs_v1")
    ]
    assert [one["p_look"] for one in asked] == ["first", "next", *["last"] * 5]
    assert [one["p_first"] for one in asked] == [1, *[4] * 6]


def test_a_row_that_another_call_has_just_learned_is_healed_by_that_call(
    function: FlaskClient, wire: Wire, logs: Logs, job: dict[str, str]
) -> None:
    """Two calls that look at the same time record one refusal; a row that is named is looked up."""
    logs.add(1)
    logs.enabled = logs.counted = {1}
    answers = iter([{"logs": logs.read({"p_ids": [1]}), "is_full": False, "again_after_ms": 1}])
    nothing = {"logs": [], "is_full": False, "again_after_ms": None}
    wire.replies["read_new_logs_v1"] = lambda _: next(answers, nothing)
    wire.replies["find_candidates_v1"] = lambda sent: [NOTHING for _ in sent["p_errors"]]
    function.post("/", json=_call(first=1, last=1), headers=job)
    assert "find_candidates_v1" not in wire.names
    post(function, job, 1)
    assert "find_candidates_v1" in wire.names


def test_a_sweep_goes_on_until_nothing_is_left_and_notes_what_failed(
    function: FlaskClient, wire: Wire, logs: Logs, job: dict[str, str]
) -> None:
    """Each batch is learned as it is taken; a row that fails is noted with its reason."""
    logs.add(*range(1, 6))
    logs.unlearnable = {4}
    taken = iter([[1, 2, 3], [4, 5], []])
    wire.replies["take_unlearned_v1"] = lambda _: next(taken)
    wire.replies["note_failures_v1"] = httpx.Response(204)
    answer = function.post("/", json=_call(type="SWEEP"), headers=job).get_json()
    assert (answer["learned"], answer["failed"]) == (4, 1)
    (note,) = wire.sent("note_failures_v1")["p_failures"]
    assert note["system_log_id"] == 4
    assert note["error"]


def test_a_call_that_has_worked_for_long_enough_is_continued_by_another(
    function: FlaskClient,
    wire: Wire,
    logs: Logs,
    job: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The database is asked to call the function again, and this call comes to its end."""
    monkeypatch.setattr(delivery, "WORK_SECONDS", -1.0)
    logs.add(1, 2)
    wire.replies["take_unlearned_v1"] = lambda _: [1, 2]
    wire.replies["call_webhook_v1"] = True
    answer = function.post("/", json=_call(type="SWEEP"), headers=job).get_json()
    assert answer["learned"] == 2
    assert wire.names.count("take_unlearned_v1") == 1
    assert wire.sent("call_webhook_v1") == {"p_call": _call(type="SWEEP")}
