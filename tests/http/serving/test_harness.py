"""What every function does alike: methods, CORS, request ids, headers, errors, the log line."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import httpx
import pytest

if TYPE_CHECKING:
    from tests.http.conftest import Load, Wire

ALL_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE")
OTHERS = [("learn", "POST", method) for method in ALL_METHODS if method != "POST"] + [
    ("statistics", "GET", method) for method in ALL_METHODS if method not in ("GET", "HEAD")
]


@pytest.mark.parametrize(("function", "taken", "method"), OTHERS)
def test_other_methods_are_refused(
    load: Load, wire: Wire, function: str, taken: str, method: str
) -> None:
    """A method that an endpoint does not answer is a 405 that lists those that it does."""
    answer = load(function).open("/", method=method)
    assert answer.status_code == 405
    assert taken in answer.headers["Allow"].split(", ")
    assert wire.names == []


def test_a_get_may_be_asked_as_head(load: Load, wire: Wire) -> None:
    """HEAD gets what GET gets, without the body."""
    wire.replies |= {"ping_v1": 1, "count_unlearnable_v1": 0}
    answer = load("health").head("/")
    assert (answer.status_code, answer.data) == (200, b"")
    assert wire.names == ["ping_v1", "count_unlearnable_v1"]


def test_a_preflight_of_an_allowed_origin_is_answered(load: Load, wire: Wire) -> None:
    """A browser of an allowed origin may send what supabase-js sends."""
    answer = load("learn").options(
        "/",
        headers={
            "Origin": "https://app.test",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,apikey,content-type,x-client-info",
        },
    )
    assert (answer.status_code, answer.data) == (204, b"")
    assert answer.headers["Access-Control-Allow-Origin"] == "https://app.test"
    assert "POST" in answer.headers["Access-Control-Allow-Methods"]
    allowed = set(answer.headers["Access-Control-Allow-Headers"].split(", "))
    assert {"authorization", "apikey", "content-type", "x-client-info", "x-request-id"} <= allowed
    assert answer.headers["Vary"] == "Origin"
    assert wire.names == []


@pytest.mark.parametrize(
    "origin", ["https://evil.test", "https://app.test.evil.test", "http://app.test", "null"]
)
def test_other_origins_are_told_nothing(load: Load, origin: str) -> None:
    """An origin outside the list sees no answer, not even to a preflight."""
    client = load("learn")
    for answer in (
        client.options("/", headers={"Origin": origin, "Access-Control-Request-Method": "POST"}),
        client.post("/", headers={"Origin": origin}),
    ):
        assert not [name for name in dict(answer.headers) if name.startswith("Access-Control")]
        assert answer.headers["Vary"] == "Origin"


def test_refusals_can_be_read_by_allowed_origins(load: Load) -> None:
    """An error without CORS headers would be an opaque one in the browser."""
    answer = load("learn").post("/", headers={"Origin": "https://app.test"})
    assert answer.status_code == 401
    assert answer.headers["Access-Control-Allow-Origin"] == "https://app.test"
    assert "x-request-id" in answer.headers["Access-Control-Expose-Headers"]


def test_every_origin_may_be_allowed(load: Load, environment: pytest.MonkeyPatch) -> None:
    """A star opens the functions to every origin."""
    environment.setenv("PATTERN_ENGINE_ALLOWED_ORIGINS", "*")
    answer = load("learn").options("/", headers={"Origin": "https://anywhere.test"})
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


def test_a_sane_request_id_is_kept(load: Load) -> None:
    """The caller's own request id comes back in header and body."""
    answer = load("learn").post("/", headers={"x-request-id": "trace-1.A:b_2"})
    assert answer.headers["x-request-id"] == "trace-1.A:b_2"
    assert answer.get_json()["request_id"] == "trace-1.A:b_2"


@pytest.mark.parametrize("given", ["", "a b", "x" * 129, 'a"b', "<b>", "ünï"])
def test_another_request_id_is_replaced(load: Load, given: str) -> None:
    """What could disturb a log or a page is not repeated."""
    answer = load("learn").post("/", headers={"x-request-id": given})
    assert re.fullmatch("[0-9a-f]{32}", answer.headers["x-request-id"])


def test_security_headers_are_sent(load: Load) -> None:
    """No answer is cached, sniffed or framed."""
    headers = load("learn").post("/").headers
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """The log lines written so far."""
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_fault_of_ours_tells_nothing_but_its_id(
    load: Load, wire: Wire, engine: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """An unexpected exception is a 500 without internals; its traceback is in the log."""
    wire.replies["statistics_v1"] = ZeroDivisionError("the secret inside")
    answer = load("statistics").get("/", headers=engine)
    assert answer.status_code == 500
    assert answer.get_json()["error"]["code"] == "internal_error"
    assert b"secret inside" not in answer.data
    failure, request = lines(capsys)
    assert failure["severity"] == "ERROR"
    assert "ZeroDivisionError: the secret inside" in failure["exception"]
    assert failure["request_id"] == request["request_id"] == answer.headers["x-request-id"]


def test_a_request_is_one_info_line(
    load: Load, wire: Wire, person: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """The line says what was asked by whom, how it ended and how long it took."""
    wire.replies["statistics_v1"] = httpx.Response(
        403, json={"code": "PL001", "message": "no", "details": None, "hint": None}
    )
    load("statistics").get("/", headers=person)
    (line,) = lines(capsys)
    assert line["severity"] == "INFO"
    assert line["event"] == "request"
    assert (line["endpoint"], line["method"]) == ("statistics", "GET")
    assert (line["status"], line["error"]) == (403, "forbidden")
    assert (line["caller"], line["user_id"]) == ("person", "11111111-1111-4111-8111-111111111111")
    assert line["duration_ms"] >= 0


def test_logs_hold_no_secret(
    load: Load, wire: Wire, person: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Keys and tokens are blanked even where an exception quotes them."""
    bearer = person["Authorization"].removeprefix("Bearer ")
    told = f"{bearer} sb_secret_test sb_secret_of_another_project webhook-secret-of-the-tests"
    wire.replies["statistics_v1"] = ZeroDivisionError(told)
    load("statistics").get("/", headers=person)
    written = capsys.readouterr().out
    assert "ZeroDivisionError" in written
    for secret in told.split():
        assert secret not in written


def test_the_log_level_is_kept(
    load: Load, environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is less severe than the level is not written."""
    environment.setenv("PATTERN_ENGINE_LOG_LEVEL", "warning")
    load("learn").post("/")
    assert capsys.readouterr().out == ""


def test_an_unreachable_database_is_a_503(load: Load, wire: Wire, engine: dict[str, str]) -> None:
    """The caller is told to come back, and when."""
    wire.replies["statistics_v1"] = httpx.ConnectError("refused")
    answer = load("statistics").get("/", headers=engine)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert answer.get_json()["error"]["code"] == "database_unreachable"


def test_health_asks_the_database_as_anyone_and_as_the_engine(load: Load, wire: Wire) -> None:
    """It tells that both keys work, and how many errors could not be learned."""
    wire.replies |= {"ping_v1": 1, "count_unlearnable_v1": 3}
    answer = load("health").get("/")
    shown = answer.get_json()
    assert (shown["status"], shown["database"], shown["unlearnable"]) == ("ok", "ok", 3)
    request, counting = wire.requests
    assert counting.headers["apikey"] == "sb_secret_test"
    assert request.headers["apikey"] == "sb_publishable_test"
    assert "sb_secret" not in str(request.headers.raw)


def test_a_missing_variable_stops_start_up(load: Load, environment: pytest.MonkeyPatch) -> None:
    """A function that lacks settings does not load; one message names them all."""
    environment.delenv("SUPABASE_URL")
    environment.delenv("PATTERN_ENGINE_WEBHOOK_SECRET")
    with pytest.raises(Exception, match=r"set SUPABASE_URL, PATTERN_ENGINE_WEBHOOK_SECRET\."):
        load("learn")
