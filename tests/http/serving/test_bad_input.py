"""Bad input gets its own 4xx, says what to do, and never reaches the database."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.http.conftest import Load, Wire

GOOD = {
    "error_message": "Database connection failed",
    "error_source": "auth-service",
    "severity": "error",
    "system_log_id": 12345,
}
APPROVAL = {
    "pattern_id": "22222222-2222-4222-8222-222222222222",
    "auto_fix_script": "update public.users set status = 'active' where status is null",
    "auto_fix_type": "sql",
    "approved_by": "11111111-1111-4111-8111-111111111111",
}


def body(**changes: object) -> bytes:
    """The good body with some fields changed."""
    return json.dumps({**GOOD, **changes}).encode()


MALFORMED: dict[str, bytes] = {
    "empty": b"",
    "not JSON": b"{error_message: 1}",
    "cut off": body()[:-1],
    "two values": body() + body(),
    "an array": b"[1]",
    "null": b"null",
    "a key twice": b'{"error_message": "a", "error_message": "b"}',
    "a nested key twice": b'{"error_message": "a", "x": {"y": 1, "y": 2}}',
    "NaN": b'{"error_message": "a", "system_log_id": NaN}',
    "Infinity": b'{"error_message": "a", "system_log_id": -Infinity}',
    "an overflowing number": b'{"error_message": "a", "system_log_id": 1e999}',
    "a number of 5000 digits": b'{"system_log_id": ' + b"9" * 5000 + b"}",
    "not UTF-8": b'{"error_message": "\xff"}',
    "UTF-16": json.dumps(GOOD).encode("utf-16"),
    "nested 33 levels deep": b'{"x": ' + b"[" * 33 + b"]" * 33 + b"}",
    "half a million brackets": b"[" * 500_000,
    "half a million opened objects": b'{"a":' * 200_000,
}


@pytest.mark.parametrize("raw", MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_json_is_refused(
    load: Load, wire: Wire, engine: dict[str, str], raw: bytes
) -> None:
    """What is not one sound JSON object is a 400 with its own code."""
    answer = load("learn").post("/", data=raw, content_type="application/json", headers=engine)
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (400, "invalid_json")
    assert wire.names == []


FIELDS: dict[str, tuple[dict[str, object], int, str, str]] = {
    "no message": ({"error_message": None}, 422, "invalid_field", "error_message"),
    "empty message": ({"error_message": ""}, 422, "invalid_field", "error_message"),
    "blank message": ({"error_message": " \n\t"}, 422, "invalid_field", "error_message"),
    "message a number": ({"error_message": 5}, 422, "invalid_field", "error_message"),
    "message an object": ({"error_message": {"a": 1}}, 422, "invalid_field", "error_message"),
    "64 KiB and a byte": ({"error_message": "x" * 65537}, 413, "message_too_large", "error_mess"),
    "bytes, not letters": ({"error_message": "é" * 32769}, 413, "message_too_large", "error_mess"),
    "id a string": ({"system_log_id": "12345"}, 422, "invalid_field", "system_log_id"),
    "id a boolean": ({"system_log_id": True}, 422, "invalid_field", "system_log_id"),
    "id a fraction": ({"system_log_id": 1.5}, 422, "invalid_field", "system_log_id"),
    "id zero": ({"system_log_id": 0}, 422, "invalid_field", "system_log_id"),
    "id negative": ({"system_log_id": -1}, 422, "invalid_field", "system_log_id"),
    "id beyond bigint": ({"system_log_id": 2**63}, 422, "invalid_field", "system_log_id"),
    "severity an object": ({"severity": {"a": 1}}, 422, "invalid_field", "severity"),
    "severity a list": ({"severity": ["error"]}, 422, "invalid_field", "severity"),
    "severity a boolean": ({"severity": True}, 422, "invalid_field", "severity"),
    "empty source": ({"error_source": ""}, 422, "invalid_field", "error_source"),
    "long source": ({"error_source": "x" * 257}, 422, "invalid_field", "error_source"),
    "error data a string": ({"error_data": "x"}, 422, "invalid_field", "error_data"),
    "error data a list": ({"error_data": []}, 422, "invalid_field", "error_data"),
    "error data over 256 KiB": (
        {"error_data": {"stack": "é" * 131_072}},
        *(422, "invalid_field", "error_data"),
    ),
    "unknown field": ({"pattern_signature": "x"}, 422, "unknown_field", "pattern_signature"),
}


@pytest.mark.parametrize(("changes", "status", "code", "field"), FIELDS.values(), ids=FIELDS.keys())
def test_wrong_fields_are_refused(
    load: Load,
    wire: Wire,
    engine: dict[str, str],
    *,
    changes: dict[str, object],
    status: int,
    code: str,
    field: str,
) -> None:
    """A wrong field is named in the answer, each kind with a status and code of its own."""
    answer = load("learn").post(
        "/", data=body(**changes), content_type="application/json", headers=engine
    )
    error = answer.get_json()["error"]
    assert (answer.status_code, error["code"]) == (status, code)
    assert error["details"]["problems"][0]["field"].startswith(field)
    assert wire.names == []


def test_a_missing_field_is_named(load: Load, wire: Wire, engine: dict[str, str]) -> None:
    """A field that is not there is as wrong as one with a wrong value."""
    error = load("learn").post("/", json={}, headers=engine).get_json()["error"]
    assert error["details"]["problems"] == [{"field": "error_message", "problem": "Field required"}]
    assert wire.names == []


def test_wrong_values_are_shown_shortened(load: Load, engine: dict[str, str]) -> None:
    """The answer quotes a wrong value so that it is recognised, and no more of it."""
    answer = load("learn").post("/", json={**GOOD, "error_source": "x" * 10_000}, headers=engine)
    (problem,) = answer.get_json()["error"]["details"]["problems"]
    assert problem["value"].startswith('"xxx')
    assert len(answer.data) < 1000


APPROVALS: dict[str, tuple[dict[str, object], str, str]] = {
    "pattern no uuid": ({"pattern_id": "17"}, "invalid_field", "pattern_id"),
    "pattern a number": ({"pattern_id": 17}, "invalid_field", "pattern_id"),
    "approver no uuid": ({"approved_by": "me"}, "invalid_field", "approved_by"),
    "blank script": ({"auto_fix_script": " "}, "invalid_field", "auto_fix_script"),
    "script too long": ({"auto_fix_script": "x" * 65537}, "invalid_field", "auto_fix_script"),
    "unknown type": ({"auto_fix_type": "python"}, "invalid_field", "auto_fix_type"),
    "time limit 0": ({"auto_fix_parameters": {"timeout_ms": 0}}, "invalid_field", "timeout_ms"),
    "time limit 8001 for sql": (
        {"auto_fix_parameters": {"timeout_ms": 8001}},
        "invalid_field",
        "auto_fix_parameters",
    ),
    "time limit 60001": (
        {"auto_fix_type": "api_call", "auto_fix_parameters": {"timeout_ms": 60001}},
        "invalid_field",
        "timeout",
    ),
    "time limit text": ({"auto_fix_parameters": {"timeout_ms": "9"}}, "invalid_field", "timeout"),
    "11 retries": ({"auto_fix_parameters": {"max_retries": 11}}, "invalid_field", "max_retries"),
    "no rows": ({"auto_fix_parameters": {"max_rows": 0}}, "invalid_field", "max_rows"),
    "unknown writer": (
        {"auto_fix_parameters": {"trusted_writers": ["anon"]}},
        "invalid_field",
        "trusted_writers",
    ),
    "nobody trusted": (
        {"auto_fix_parameters": {"trusted_writers": []}},
        "invalid_field",
        "trusted_writers",
    ),
    "parameters a list": ({"auto_fix_parameters": []}, "invalid_field", "auto_fix_parameters"),
    "unknown field": ({"enabled": True}, "unknown_field", "enabled"),
}


@pytest.mark.parametrize(("changes", "code", "field"), APPROVALS.values(), ids=APPROVALS.keys())
def test_wrong_approvals_are_refused(
    load: Load,
    wire: Wire,
    person: dict[str, str],
    *,
    changes: dict[str, object],
    code: str,
    field: str,
) -> None:
    """Limits of a fix are checked before anyone is asked to approve it."""
    answer = load("approve").post("/", json={**APPROVAL, **changes}, headers=person)
    error = answer.get_json()["error"]
    assert (answer.status_code, error["code"]) == (422, code)
    assert field in error["details"]["problems"][0]["field"]
    assert wire.names == []


MEDIA: dict[str, tuple[dict[str, str], bytes]] = {
    "none": ({}, body()),
    "text": ({"Content-Type": "text/plain"}, body()),
    "a form": ({"Content-Type": "application/x-www-form-urlencoded"}, b"error_message=x"),
    "compressed": ({"Content-Type": "application/json", "Content-Encoding": "gzip"}, body()),
}


@pytest.mark.parametrize(("headers", "raw"), MEDIA.values(), ids=MEDIA.keys())
def test_other_media_types_are_refused(
    load: Load, wire: Wire, engine: dict[str, str], headers: dict[str, str], raw: bytes
) -> None:
    """A body says that it is JSON, or it is a 415."""
    answer = load("learn").post("/", data=raw, headers={**engine, **headers})
    assert answer.status_code == 415
    assert answer.get_json()["error"]["code"] == "unsupported_media_type"
    assert wire.names == []


class Terminated:
    """The body of a chunked request as gunicorn hands it on: it ends by itself."""

    def __init__(self, raw: bytes) -> None:
        self._raw = io.BytesIO(raw)

    def read(self, size: int) -> bytes:
        """Read at most so many bytes."""
        return self._raw.read(size)

    def tell(self) -> int:
        """How much was read."""
        return self._raw.tell()


def chunked(stream: Terminated) -> dict[str, Any]:
    """A request whose length is not announced."""
    return {"environ_overrides": {"wsgi.input": stream, "wsgi.input_terminated": True}}


@pytest.mark.parametrize("announced", [True, False], ids=["announced", "chunked"])
def test_a_body_over_a_mebibyte_is_refused(
    load: Load, wire: Wire, engine: dict[str, str], announced: bool
) -> None:
    """More than 1 MiB is a 413, whether or not the length was announced."""
    raw = body(error_source="x" * 2 * 1024 * 1024)
    answer = load("learn").post(
        "/",
        content_type="application/json",
        headers=engine,
        **({"data": raw} if announced else chunked(Terminated(raw))),
    )
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (413, "body_too_large")
    assert wire.names == []


def test_the_body_of_an_unknown_caller_is_not_read(load: Load) -> None:
    """A caller without a key is refused by the headers alone, however slow the body may come."""
    stream = Terminated(body(severity=True))
    answer = load("learn").post("/", content_type="application/json", **chunked(stream))
    assert answer.status_code == 401
    assert stream.tell() == 0


def test_an_oversized_body_is_not_read_to_its_end(load: Load, engine: dict[str, str]) -> None:
    """Reading stops at the limit, so nobody fills the memory of a function."""
    stream = Terminated(b"x" * 50_000_000)
    load("learn").post("/", content_type="application/json", headers=engine, **chunked(stream))
    assert stream.tell() <= 2 * 1024 * 1024


def test_a_chunked_body_of_good_size_is_taken(
    load: Load, wire: Wire, engine: dict[str, str]
) -> None:
    """A request without an announced length is as good as any other."""
    answer = load("learn").post(
        "/",
        content_type="application/json",
        headers=engine,
        **chunked(Terminated(body(severity=True))),
    )
    assert answer.get_json()["error"]["code"] == "invalid_field"
    assert wire.names == []


def test_a_message_of_64_kib_is_taken(load: Load, wire: Wire, engine: dict[str, str]) -> None:
    """The limit itself is within the limit."""
    wire.replies["learn_errors_v1"] = [learned()]
    answer = load("learn").post(
        "/", json={"error_message": "x" * 65536, "error_source": "x" * 256}, headers=engine
    )
    assert answer.status_code == 200


def test_what_postgres_cannot_store_is_replaced(
    load: Load, wire: Wire, engine: dict[str, str]
) -> None:
    """NUL and halves of surrogate pairs become U+FFFD instead of failing the call."""
    wire.replies["learn_errors_v1"] = [learned()]
    raw = rb'{"error_message": "bad \u0000 \ud800 text", "error_source": "a\u0000b"}'
    answer = load("learn").post("/", data=raw, content_type="application/json", headers=engine)
    assert answer.status_code == 200
    (error,) = wire.sent("learn_errors_v1")["p_errors"]
    assert error["error_source"] == "a\ufffdb"
    assert error["template"] == "bad \ufffd \ufffd text"


def learned() -> dict[str, object]:
    """The database's answer to one learned error."""
    return {
        "pattern_id": "33333333-3333-4333-8333-333333333333",
        "pattern_signature": "pattern_x",
        "pattern_type": "api",
        "occurrence_count": 1,
        "confidence_score": 0.5,
        "auto_fix_enabled": False,
        "action": "created",
        "system_log_id": None,
    }


WEBHOOKS: dict[str, tuple[dict[str, object], str]] = {
    "another table": ({"table": "users"}, "table"),
    "another schema": ({"schema": "public"}, "schema"),
    "an update": ({"type": "UPDATE"}, "type"),
    "ids no list": ({"ids": 5}, "ids"),
    "501 ids": ({"ids": list(range(1, 502))}, "ids"),
    "an id that is none": ({"ids": [1, 0]}, "ids.1"),
    "a record without id": ({"record": {"message": "x"}}, "record.id"),
}


@pytest.mark.parametrize(("changes", "field"), WEBHOOKS.values(), ids=WEBHOOKS.keys())
def test_wrong_webhooks_are_refused(
    load: Load, wire: Wire, job: dict[str, str], changes: dict[str, object], field: str
) -> None:
    """Only inserts into ops.system_logs are for us."""
    good = {"type": "INSERT", "table": "system_logs", "schema": "ops", "ids": [1]}
    answer = load("webhook").post("/", json={**good, **changes}, headers=job)
    assert answer.status_code == 422
    assert answer.get_json()["error"]["details"]["problems"][0]["field"] == field
    assert wire.names == []


def test_clustering_takes_no_parameters(load: Load, wire: Wire, job: dict[str, str]) -> None:
    """An empty body and an empty object are the same; anything in it is unknown."""
    answer = load("cluster").post("/", json={"k": 3}, headers=job)
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (422, "unknown_field")
    assert wire.names == []
