"""Functions as functions-framework serves them, before a PostgREST that exists on the wire only."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import functions_framework
import httpx
import jwt
import pytest
import respx
from flask.testing import FlaskClient
from tests.http.healing.candidates import candidate, claim, outcome

from pattern_engine import settings
from pattern_engine.database.database import Database
from pattern_engine.serving import serve
from pattern_engine.thresholds import Thresholds

FUNCTIONS = Path(__file__).resolve().parents[2] / "functions"
URL = "http://supabase.test"
PUBLISHABLE_KEY = "sb_publishable_test"
SECRET_KEY = "sb_secret_test"
WEBHOOK_SECRET = "webhook-secret-of-the-tests"
JWT_SECRET = "a-secret-of-the-tests-with-at-least-32-bytes"
USER_ID = "11111111-1111-4111-8111-111111111111"

ENVIRONMENT = {
    "SUPABASE_URL": URL,
    "SUPABASE_PUBLISHABLE_KEY": PUBLISHABLE_KEY,
    "SUPABASE_SECRET_KEY": SECRET_KEY,
    "SUPABASE_JWT_SECRET": JWT_SECRET,
    "PATTERN_ENGINE_WEBHOOK_SECRET": WEBHOOK_SECRET,
    "PATTERN_ENGINE_ALLOWED_ORIGINS": "https://app.test",
}
OPTIONAL = (
    "SUPABASE_ANON_KEY",
    "SUPABASE_SERVICE_ROLE_KEY",
    "SUPABASE_JWKS_URL",
    "SUPABASE_JWT_ISSUER",
    "SUPABASE_JWT_AUDIENCE",
    "PATTERN_ENGINE_APPLY_MAX_AGE_SECONDS",
    "PATTERN_ENGINE_APPLY_WAIT_SECONDS",
    "PATTERN_ENGINE_DATABASE_CALLS",
    "PATTERN_ENGINE_DATABASE_TIMEOUT_SECONDS",
    "PATTERN_ENGINE_LOG_LEVEL",
    "PATTERN_ENGINE_BASH_FIXES",
    "PATTERN_ENGINE_API_CALL_NETWORKS",
    "PATTERN_ENGINE_API_CALL_CA_FILE",
    *(f"PATTERN_ENGINE_{name.upper()}" for name in Thresholds.__dataclass_fields__),
)

Json = dict[str, Any]
Answer = Json | list[Json] | str | int | bool | None | httpx.Response
Reply = Answer | Exception | Callable[[Json], Any]


class Wire:
    """PostgREST on the wire: answers by function name, and what was asked of it."""

    def __init__(self, router: respx.Router) -> None:
        self.router = router
        self.replies: dict[str, Reply] = {}
        self.requests: list[httpx.Request] = []
        router.route(url__startswith=f"{URL}/").mock(side_effect=self._answer)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        name = request.url.path.rpartition("/")[2]
        if name == "read_grouping_v1" and name not in self.replies:
            # Read once in a while by whatever learns: no rules, unless a test is about them.
            return httpx.Response(200, json={"rules": [], "older_algorithms": []})
        if name == "read_logs_v1" and name not in self.replies:
            # Whoever reports a log row has it read: no error, unless a test is about what it holds.
            return httpx.Response(200, json=[])
        if name in {"run_of_log_row_v1", "caller_role_v1"} and name not in self.replies:
            # What an answer of apply is made of: nobody else ran a fix, and the caller is a user.
            return httpx.Response(200, json=None)
        self.requests.append(request)
        reply = self.replies[name]
        if callable(reply):
            reply = reply(json.loads(request.content))
        if isinstance(reply, Exception):
            raise reply
        return reply if isinstance(reply, httpx.Response) else httpx.Response(200, json=reply)

    @property
    def names(self) -> list[str]:
        """The functions that were called, in order."""
        return [request.url.path.rpartition("/")[2] for request in self.requests]

    def sent(self, name: str) -> Json:
        """The arguments of the only call of a function."""
        (request,) = (one for one in self.requests if one.url.path.endswith(f"/{name}"))
        arguments: Json = json.loads(request.content)
        return arguments


def refusal(code: str, message: str = "no", hint: str | None = None) -> httpx.Response:
    """PostgREST's answer when the database raised an error."""
    body = {"code": code, "message": message, "details": None, "hint": hint}
    return httpx.Response(400, json=body)


@pytest.fixture(name="refusal")
def _refusal() -> Callable[..., httpx.Response]:
    return refusal


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """A complete environment; a test changes it before it loads a function."""
    for name in OPTIONAL:
        monkeypatch.delenv(name, raising=False)
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    yield monkeypatch
    settings.current.cache_clear()
    serve.runtime.cache_clear()


@pytest.fixture
def wire() -> Iterator[Wire]:
    """The only network there is: PostgREST, and whatever runs on this machine."""
    with respx.mock(assert_all_called=False) as router:
        router.route(host="127.0.0.1").pass_through()
        yield Wire(router)


@pytest.fixture
def database(wire: Wire) -> Database:
    """A database that speaks to the wire."""
    assert wire.requests == []
    return Database(settings.current())


Load = Callable[[str], FlaskClient]


@pytest.fixture
def load(wire: Wire) -> Load:
    """Load a function as functions-framework does; answers a client for it."""
    assert wire.requests == []

    def load(name: str) -> FlaskClient:
        settings.current.cache_clear()
        serve.runtime.cache_clear()
        source = FUNCTIONS / name / "main.py"
        app = functions_framework.create_app("main", str(source))  # type: ignore[no-untyped-call]
        return app.test_client()  # type: ignore[no-any-return]

    return load


def token(**changes: object) -> str:
    """A person's access token; a claim that is changed to None is left out."""
    claims = {
        "sub": USER_ID,
        "aud": "authenticated",
        "role": "authenticated",
        "exp": int(time.time()) + 3600,
        **changes,
    }
    kept = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(kept, JWT_SECRET, algorithm="HS256")


@pytest.fixture(name="token")
def _token() -> Callable[..., str]:
    return token


@pytest.fixture
def person() -> dict[str, str]:
    """Headers as supabase-js sends them for a signed-in person."""
    return {"apikey": PUBLISHABLE_KEY, "Authorization": f"Bearer {token()}"}


@pytest.fixture
def engine() -> dict[str, str]:
    """Headers of a server that holds the secret key."""
    return {"apikey": SECRET_KEY, "Authorization": f"Bearer {SECRET_KEY}"}


@pytest.fixture
def job() -> dict[str, str]:
    """Headers of the database webhook and of scheduled jobs."""
    return {"x-webhook-secret": WEBHOOK_SECRET}


@pytest.fixture
def healer(load: Load, wire: Wire) -> FlaskClient:
    """The function apply, before a database in which everything goes well."""
    wire.replies["find_candidates_v1"] = [candidate()]
    wire.replies["claim_application_v1"] = claim()
    wire.replies["record_refusals_v1"] = 1
    wire.replies["run_application_v1"] = outcome()
    wire.replies["record_event_v1"] = "88888888-8888-4888-8888-888888888888"
    return load("apply")
