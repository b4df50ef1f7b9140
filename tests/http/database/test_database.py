"""PostgREST's edges: what is sent, what each failure becomes, and that nothing is sent twice."""

from __future__ import annotations

import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from pattern_engine import exceptions, settings
from pattern_engine.api.callers import CRON, ENGINE, Caller, Kind
from pattern_engine.database.database import Database
from pattern_engine.exceptions import (
    BY_SQLSTATE,
    DatabaseError,
    DatabaseUnreachable,
    PatternEngineError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.http.conftest import Answer, Wire

    from pattern_engine.database.records import ComposedFix

PERSON = Caller(Kind.PERSON, "11111111-1111-4111-8111-111111111111", "their.access.token")


def test_the_engine_calls_with_its_secret_key(wire: Wire, database: Database) -> None:
    """Its own work goes to the schema ops with the secret key in both headers."""
    wire.replies["read_logs_v1"] = []
    assert database.read_logs([1, 2]) == []
    (request,) = wire.requests
    assert str(request.url) == "http://supabase.test/rest/v1/rpc/read_logs_v1"
    assert request.headers["apikey"] == "sb_secret_test"
    assert request.headers["authorization"] == "Bearer sb_secret_test"
    assert request.headers["content-profile"] == "ops"
    assert wire.sent("read_logs_v1") == {"p_ids": [1, 2]}


@pytest.mark.parametrize("caller", [ENGINE, CRON], ids=str)
def test_jobs_are_the_engine(wire: Wire, database: Database, caller: Caller) -> None:
    """A scheduled job has no token of its own."""
    wire.replies["statistics_v1"] = {}
    database.statistics(caller)
    assert wire.requests[0].headers["authorization"] == "Bearer sb_secret_test"


def composed_fix() -> ComposedFix:
    """A fix of SQL as it is pinned."""
    return {
        "type": "sql",
        "script": "s",
        "prepared_script": "r",
        "undo_script": None,
        "prepared_undo_script": None,
        "sample_table": None,
        "sample_script": None,
        "parameters": {},
        "tables": [],
        "hosts": [],
        "secrets": {},
    }


PERSONAL: dict[str, tuple[Callable[[Database], object], object]] = {
    "approve_pattern_v1": (
        lambda database: database.approve_pattern(
            {
                "pattern_id": "p",
                "fix": composed_fix(),
                "approved_by": "u",
                "mode": "live",
                "ends_at": None,
                "max_heals": None,
            },
            PERSON,
        ),
        {},
    ),
    "disable_pattern_v1": (
        lambda database: database.disable_pattern(
            {"pattern_id": "p", "reason": None, "version": None, "sha256": None}, PERSON
        ),
        {},
    ),
    "enable_fix_v1": (
        lambda database: database.enable_fix(
            {
                "pattern_id": "p",
                "sha256": "d",
                "reason": None,
                "two_people": False,
                "ends_at": None,
                "max_heals": None,
            },
            PERSON,
        ),
        {},
    ),
    "open_proposal_v1": (lambda database: database.open_proposal("p", PERSON), {}),
    "start_rollback_v1": (lambda database: database.start_rollback("a", None, PERSON), {}),
    "pause_fixes_v1": (lambda database: database.pause_fixes("why", 60, PERSON), {}),
    "resume_fixes_v1": (lambda database: database.resume_fixes(None, PERSON), {}),
    "propose_fix_v1": (
        lambda database: database.propose_fix("p", composed_fix(), {}, 60, PERSON),
        {},
    ),
    "decide_fix_v1": (
        lambda database: database.decide_fix(
            {
                "proposal_id": "p",
                "sha256": "d",
                "decision": "approve",
                "reason": None,
                "mode": "live",
                "two_people": False,
                "ends_at": None,
                "max_heals": None,
            },
            PERSON,
        ),
        {},
    ),
    "fix_proposals_v1": (
        lambda database: database.fix_proposals(None, 5, PERSON, open_only=True),
        [],
    ),
    "suggested_fixes_v1": (lambda database: database.suggested_fixes("p", 5, PERSON), []),
    "start_clustering_v1": (lambda database: database.start_clustering(PERSON), {}),
    "replace_clusters_v1": (lambda database: database.replace_clusters("s", [], {}, PERSON), []),
    "fail_session_v1": (lambda database: database.fail_session("s", "e", {}, PERSON), None),
    "statistics_v1": (lambda database: database.statistics(PERSON), {}),
}


@pytest.mark.parametrize("name", PERSONAL)
def test_people_call_with_their_own_token(wire: Wire, database: Database, name: str) -> None:
    """The database decides by the person's token; the secret key stays here."""
    call, wire.replies[name] = PERSONAL[name]  # type: ignore[assignment]  # a table of both
    call(database)
    (request,) = wire.requests
    assert request.headers["authorization"] == "Bearer their.access.token"
    assert request.headers["apikey"] == "sb_publishable_test"


def test_an_approval_sends_every_argument(wire: Wire, database: Database) -> None:
    """The names are those of the function's parameters."""
    call, wire.replies["approve_pattern_v1"] = PERSONAL["approve_pattern_v1"]  # type: ignore[assignment]  # a table of both
    call(database)
    assert wire.sent("approve_pattern_v1") == {
        "p_pattern_id": "p",
        "p_fix": composed_fix(),
        "p_approved_by": "u",
        "p_mode": "live",
        "p_ends_at": None,
        "p_max_heals": None,
    }


CODES = {
    "PL001": (403, "forbidden"),
    "PL002": (404, "unknown_pattern"),
    "PL003": (409, "another_fix_approved"),
    "PL004": (404, "unknown_log_row"),
    "PL005": (403, "foreign_log_row"),
    "PL006": (409, "fix_not_pinned"),
    "PL010": (404, "unknown_application"),
    "PL011": (403, "person_required"),
    "PL012": (403, "foreign_approver"),
    "PL013": (422, "invalid_parameters"),
    "PL014": (409, "no_enabled_fix"),
    "PL015": (404, "unknown_session"),
    "PL016": (409, "two_live_fixes"),
    "PL017": (409, "kept_separate"),
    "PL018": (404, "unknown_merge"),
    "PL019": (422, "invalid_rule"),
    "PL020": (409, "pattern_merged"),
    "PL021": (409, "not_undoable"),
    "PL022": (422, "invalid_choice"),
    "PL023": (404, "unknown_rule"),
    "PL024": (409, "fixes_paused"),
    "PL026": (409, "missing_secret"),
    "PL031": (409, "not_granted"),
    "PL027": (404, "unknown_proposal"),
    "PL028": (409, "proposal_closed"),
    "PL029": (403, "own_fix"),
    "PL030": (409, "only_symptom"),
    "PL040": (429, "too_many_requests"),
    "PL041": (404, "unknown_target"),
    "PL044": (409, "patterns_changed"),
    "57014": (503, "statement_cancelled"),
    "40001": (503, "transaction_conflict"),
    "40P01": (503, "transaction_conflict"),
    "57P01": (503, "database_unreachable"),
    "57P03": (503, "database_unreachable"),
    "53300": (503, "database_unreachable"),
    "08006": (503, "database_unreachable"),
    "PGRST002": (503, "database_unreachable"),
    "PGRST202": (500, "database_not_migrated"),
    "42883": (500, "database_not_migrated"),
    "23503": (500, "database_error"),
    "42501": (500, "database_error"),
    "XX000": (500, "database_error"),
    "PGRST301": (500, "database_error"),
    "SUP": (500, "database_error"),
}


def test_every_code_of_our_own_functions_is_in_the_table() -> None:
    """Whoever adds a code says here what its callers see."""
    assert {code for code in BY_SQLSTATE if code.startswith("PL")} <= CODES.keys()


@pytest.mark.parametrize(("code", "expected"), CODES.items(), ids=CODES.keys())
def test_error_codes_become_errors(
    wire: Wire,
    database: Database,
    refusal: Callable[..., httpx.Response],
    *,
    code: str,
    expected: tuple[int, str],
) -> None:
    """Every code that the database raises has its status and code; what is unknown is a 500."""
    wire.replies["read_logs_v1"] = refusal(code)
    with pytest.raises(PatternEngineError) as raised:
        database.read_logs([1])
    assert (raised.value.status, raised.value.code) == expected
    assert (raised.value.retry_after_seconds is not None) == (expected[0] in {429, 503})


def test_our_own_messages_reach_the_caller(
    wire: Wire, database: Database, refusal: Callable[..., httpx.Response]
) -> None:
    """What our functions raise is written for people: message and hint are passed on."""
    wire.replies["read_logs_v1"] = refusal("PL002", "there is no pattern x", "Look in /statistics.")
    with pytest.raises(PatternEngineError) as raised:
        database.read_logs([1])
    assert raised.value.message == "There is no pattern x. Look in /statistics."


def test_names_in_our_messages_stay_as_they_are(
    wire: Wire, database: Database, refusal: Callable[..., httpx.Response]
) -> None:
    """A sentence gets its capital, a field's name does not."""
    wire.replies["read_logs_v1"] = refusal("PL012", "approved_by is not you", "send your own id")
    with pytest.raises(PatternEngineError) as raised:
        database.read_logs([1])
    assert raised.value.message == "approved_by is not you. Send your own id."


def test_other_messages_stay_inside(
    wire: Wire,
    database: Database,
    refusal: Callable[..., httpx.Response],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What Postgres says may quote a row: it is not answered, and logged without its values."""
    wire.replies["read_logs_v1"] = refusal("23505", "Key (email)=(a@b.test) already exists.")
    with pytest.raises(DatabaseError) as raised:
        database.read_logs([1])
    assert "a@b.test" not in raised.value.message
    assert raised.value.sqlstate == "23505"
    assert "Key (email)=([email]) already exists." in capsys.readouterr().out


PERSONAL_CODES = {
    "PGRST301": "invalid_token",
    "PGRST303": "token_expired",
    "42501": "forbidden",
}


@pytest.mark.parametrize(("code", "expected"), PERSONAL_CODES.items())
def test_a_persons_token_may_be_refused_by_the_database(
    wire: Wire, database: Database, refusal: Callable[..., httpx.Response], code: str, expected: str
) -> None:
    """Where the token was a person's, that person can do something about it."""
    wire.replies["statistics_v1"] = refusal(code)
    with pytest.raises(PatternEngineError) as raised:
        database.statistics(PERSON)
    assert raised.value.code == expected


FAILURES = {
    "refused": httpx.ConnectError("refused"),
    "connecting takes too long": httpx.ConnectTimeout("slow"),
    "answering takes too long": httpx.ReadTimeout("slow"),
    "hung up": httpx.RemoteProtocolError("Server disconnected without sending a response."),
    "reset": httpx.ReadError("reset"),
    "cannot send": httpx.WriteError("broken pipe"),
    "no connection free": httpx.PoolTimeout("busy"),
    **{str(status): httpx.Response(status, html="<h1>no</h1>") for status in (502, 503, 504, 522)},
    "too many requests": httpx.Response(429, json={"message": "slow down"}),
}


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES.keys())
def test_a_database_out_of_reach_is_a_503(
    wire: Wire, database: Database, failure: httpx.Response | Exception
) -> None:
    """Whatever stands between us and the database, the caller may come back; nothing is resent."""
    wire.replies["learn_errors_v1"] = failure
    with pytest.raises(DatabaseUnreachable) as raised:
        database.learn_errors([])
    assert (raised.value.status, raised.value.retry_after_seconds) == (503, 5)
    assert len(wire.requests) == 1


ODD_ANSWERS: dict[str, Answer] = {
    "no list": {"a": 1},
    "null": None,
    "too few": [],
    "no JSON": httpx.Response(200, text="<html>"),
    "nothing": httpx.Response(204),
}


@pytest.mark.parametrize("answer", ODD_ANSWERS.values(), ids=ODD_ANSWERS.keys())
def test_an_answer_that_is_not_understood_is_an_error(
    wire: Wire, database: Database, answer: Answer
) -> None:
    """One outcome for each error, or none at all: nothing is guessed."""
    wire.replies["find_candidates_v1"] = answer
    with pytest.raises(DatabaseError, match="find_candidates_v1"):
        database.find_candidates([{"signatures": ["x"], "system_log_id": None, "identifiers": {}}])


def test_a_page_that_is_not_found_is_an_error(wire: Wire, database: Database) -> None:
    """The address is wrong, which trying again does not change."""
    wire.replies["read_logs_v1"] = httpx.Response(404)
    with pytest.raises(DatabaseError):
        database.read_logs([1])


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(500, text="oops"),
        httpx.Response(500, json={"message": "no code"}),
        httpx.Response(500, json={"code": "SUP", "message": "no SQLSTATE"}),
        httpx.Response(500, json=["oops"]),
    ],
)
def test_a_failure_without_a_sqlstate_was_not_reported_by_the_database(
    wire: Wire, database: Database, answer: httpx.Response
) -> None:
    """Nobody knows what became of the call, as when the database is out of reach."""
    wire.replies["read_logs_v1"] = answer
    with pytest.raises(DatabaseUnreachable):
        database.read_logs([1])


class Counting(BaseHTTPRequestHandler):
    """Answers every call with 1 and counts the connections."""

    protocol_version = "HTTP/1.1"
    connections = 0

    def setup(self) -> None:
        """Count this connection."""
        Counting.connections += 1
        super().setup()

    def do_POST(self) -> None:
        """Answer 1."""
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", "1")
        self.end_headers()
        self.wfile.write(b"1")

    def log_message(self, *_: object) -> None:
        """Stay quiet."""


@contextmanager
def at(port: int, environment: pytest.MonkeyPatch) -> Iterator[Database]:
    """A database on this machine."""
    environment.setenv("SUPABASE_URL", f"http://127.0.0.1:{port}")
    settings.current.cache_clear()
    database = Database(settings.current())
    yield database
    database.close()


def test_connections_are_kept_and_shared(environment: pytest.MonkeyPatch) -> None:
    """Calls one after the other use one connection; threads share a client safely."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Counting)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    Counting.connections = 0
    with at(server.server_port, environment) as database:
        for _ in range(20):
            database.ping()
        assert Counting.connections == 1
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _: database.ping(), range(200)))
        assert Counting.connections <= 8
    server.shutdown()
    server.server_close()


def test_a_database_that_is_not_there_is_unreachable(environment: pytest.MonkeyPatch) -> None:
    """A port that nobody listens on, for real."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        with (
            at(probe.getsockname()[1], environment) as database,
            pytest.raises(DatabaseUnreachable),
        ):
            database.ping()


def test_a_connection_that_cannot_be_opened_is_tried_once_more(
    environment: pytest.MonkeyPatch,
) -> None:
    """Nothing was sent on it, so that trying again is safe whatever the call does."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Counting)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    connect, tries = socket.create_connection, []

    def fail_once(*arguments: Any, **options: Any) -> socket.socket:
        tries.append(arguments)
        if len(tries) == 1:
            raise ConnectionRefusedError
        return connect(*arguments, **options)

    environment.setattr(socket, "create_connection", fail_once)
    with at(server.server_port, environment) as database:
        database.ping()
    assert len(tries) == 2
    server.shutdown()
    server.server_close()


def test_waiting_ends(environment: pytest.MonkeyPatch) -> None:
    """A database that never answers costs the configured time and no more."""
    environment.setenv("PATTERN_ENGINE_DATABASE_TIMEOUT_SECONDS", "0.1")
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with (
            at(silent.getsockname()[1], environment) as database,
            pytest.raises(DatabaseUnreachable, match="broke before its answer"),
        ):
            database.ping()


def test_every_error_has_a_sentence_and_a_code_of_its_own() -> None:
    """The docstring is the message, and codes are there to branch on."""
    kinds = exceptions.kinds()
    codes = [kind.code for kind in kinds]
    assert len(codes) == len(set(codes))
    for kind in kinds:
        assert exceptions.default_message(kind).endswith((".", ";"))
        assert f"{kind.__name__} " in (exceptions.__doc__ or "")
        assert f"{kind.status} {kind.code}" in (exceptions.__doc__ or "")
