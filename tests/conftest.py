"""What tests of any folder may take: a running local Supabase, people with roles, clients.

Every test that takes `stack`, or anything built on it, runs once on each PostgreSQL server that
the machine has. With pytest-xdist and `--dist=loadgroup` the tests of one server stay on one
worker, so that each worker starts one stack. The tests of a session share it: a test works on
rows of its own, or inside a transaction that it rolls back.
"""

from __future__ import annotations

import copy
import re
import shutil
import tempfile
import threading
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, LiteralString, Protocol, Self

import httpx
import psycopg
import pytest
from playwright.sync_api import sync_playwright
from psycopg.rows import dict_row
from psycopg.sql import SQL, Identifier, Placeholder
from psycopg.types.json import Jsonb
from tests.tls import Certificates, make_certificates
from xdist.scheduler import LoadGroupScheduling  # type: ignore[import-untyped]  # has no types

from pattern_engine.local.servers import find_debian
from pattern_engine.local.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import AbstractContextManager

    from playwright.sync_api import Browser
    from pytest import FixtureRequest  # noqa: PT013  a type, which pytest names so

ServerName = Literal["debian", "wheel"]
Role = Literal["ops_viewer", "ops_operator", "ops_admin"]
PASSWORD = "correct horse battery staple"


class _ByServer(LoadGroupScheduling):  # type: ignore[misc]  # xdist has no types
    """Keeps the tests of one server together.

    pytest-xdist 3.8 does so by the mark `xdist_group`, which it loses with pytest 9.2.
    """

    def _split_scope(self, nodeid: str) -> str:
        found = re.search(r"\[(debian|wheel)\b", nodeid)
        scope: str = found[1] if found else super()._split_scope(nodeid)
        return scope


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> _ByServer | None:
    """Distribute tests by their server where `--dist=loadgroup` asks for groups."""
    return _ByServer(config, log) if config.getvalue("dist") == "loadgroup" else None


def _servers() -> list[Any]:
    """Return both servers; one that is not installed is skipped, with the reason."""
    debian = find_debian()
    missing = pytest.mark.skipif(
        not (debian and debian.has_cron),
        reason="Debian's postgresql-15-cron is not installed; make test as root on Debian does it",
    )
    return [
        pytest.param("debian", marks=missing),
        pytest.param("wheel"),
    ]


@pytest.fixture(scope="session", params=_servers())
def server(request: FixtureRequest) -> ServerName:
    """The PostgreSQL server that a stack runs on."""
    name: ServerName = request.param
    return name


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's chromium; a process can drive only one at a time."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not installed; make test as root on Debian does it")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


class StartStack(Protocol):
    """Starts one more stack in a directory of its own, on free ports."""

    def __call__(
        self,
        server: ServerName,
        project: Path | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> AbstractContextManager[Stack]:
        """Give the running stack; at the end stop it and remove its data."""


@pytest.fixture(scope="session")
def start_stack() -> StartStack:
    """How a test starts a stack for itself; most share `stack` instead."""

    @contextmanager
    def start(
        server: ServerName,
        project: Path | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> Iterator[Stack]:
        # Beneath the system's own temporary directory, which the server's user may enter.
        home = Path(tempfile.mkdtemp(prefix="pattern-engine-test-"))
        home.chmod(0o755)
        try:
            with Stack(
                home / "stack", port=0, server=server, project=project, settings=settings
            ) as stack:
                yield stack
        finally:
            shutil.rmtree(home, ignore_errors=True)

    return start


#: Settings with which outcomes are known in seconds, and tests that share a stack are no storm.
QUICK = {
    "PATTERN_ENGINE_COOLDOWN_SECONDS": "0",
    "PATTERN_ENGINE_MIN_WINDOW_SECONDS": "2",
    "PATTERN_ENGINE_MAX_WINDOW_SECONDS": "2",
    "PATTERN_ENGINE_SETTLE_SECONDS": "0",
    "PATTERN_ENGINE_LATE_SECONDS": "60",
    "PATTERN_ENGINE_STORM_PATTERNS": "30",
    "PATTERN_ENGINE_STORM_PAUSE_SECONDS": "600",
    "PATTERN_ENGINE_BASH_FIXES": "on",
    "PATTERN_ENGINE_API_CALL_NETWORKS": "127.0.0.0/8",
}


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """An authority that fixes of type api_call trust, and a certificate of a server here."""
    return make_certificates(tmp_path_factory.mktemp("certificates"), "localhost")


@pytest.fixture(scope="session")
def granted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with those that fixes of type bash may be granted: spool, logs, config."""
    home = tmp_path_factory.mktemp("granted")
    for name in ("spool", "logs", "config"):
        (home / name).mkdir()
    return home


@pytest.fixture(scope="session")
def stack(
    server: ServerName, start_stack: StartStack, certificates: Certificates, granted: Path
) -> Iterator[Stack]:
    """The local Supabase of this session, with the engine's functions."""
    directories = [f"{name}={granted / name}" for name in ("spool", "logs", "config")]
    settings = QUICK | {
        "PATTERN_ENGINE_API_CALL_CA_FILE": str(certificates.authority),
        "PATTERN_ENGINE_BASH_DIRECTORIES": ",".join(directories),
        "PATTERN_ENGINE_BASH_STATE_DIRECTORY": str(granted / "state"),
    }
    with start_stack(server, settings=settings) as stack:
        yield stack


@pytest.fixture(scope="session")
def addresses(stack: Stack) -> dict[str, Any]:
    """Addresses and keys of the stack, as `pattern-engine status --json` prints them."""
    return stack.status()


class Sql:
    """A connection to the database; each statement is a transaction unless one was begun."""

    def __init__(self, url: str) -> None:
        self.connection = psycopg.connect(url, autocommit=True, row_factory=dict_row)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def run(self, statement: LiteralString, *values: object) -> int:
        """Run a statement; return how many rows it reports."""
        return self.connection.execute(statement, values or None).rowcount

    def rows(self, statement: LiteralString, *values: object) -> list[dict[str, Any]]:
        """Return all rows of an answer."""
        return self.connection.execute(statement, values or None).fetchall()

    def row(self, statement: LiteralString, *values: object) -> dict[str, Any]:
        """Return the one row of an answer."""
        rows = self.rows(statement, *values)
        assert len(rows) == 1, f"{len(rows)} rows instead of one: {statement}"
        return rows[0]

    def value(self, statement: LiteralString, *values: object) -> Any:
        """Return the one value of an answer."""
        row = self.row(statement, *values)
        assert len(row) == 1, f"{len(row)} columns instead of one: {statement}"
        return next(iter(row.values()))

    def change(self, table: str, changes: Mapping[str, object], **where: object) -> int:
        """Change the rows of a table of schema ops that have these values, as its owner.

        Nobody else may: what the engine records is written by its functions alone.
        """
        assigned, compared = (
            [SQL("{} = {}").format(Identifier(name), Placeholder(name)) for name in names]
            for names in (changes, where)
        )
        statement = SQL("update ops.{} set {} where {}").format(
            Identifier(table), SQL(", ").join(assigned), SQL(" and ").join(compared)
        )
        values = {name: _as_json(value) for name, value in {**changes, **where}.items()}
        return self.connection.execute(statement, values).rowcount

    def call(self, function: LiteralString, *arguments: object) -> Any:
        """Call a function of schema ops; a dict or a list of dicts goes as JSON."""
        places = ", ".join(["%s"] * len(arguments))
        return self.value(f"select ops.{function}({places})", *map(_as_json, arguments))

    def undone(self) -> AbstractContextManager[psycopg.Transaction]:
        """Give a transaction that is rolled back at the end."""
        return self.connection.transaction(force_rollback=True)


def _as_json(argument: object) -> object:
    is_json = isinstance(argument, dict) or (
        isinstance(argument, list) and all(isinstance(item, dict) for item in argument)
    )
    return Jsonb(argument) if is_json else argument


@pytest.fixture
def database(addresses: dict[str, Any]) -> Iterator[Sql]:
    """A connection as `postgres`, the owner of all objects, which is no superuser."""
    with Sql(addresses["db_url"]) as sql:
        yield sql


@pytest.fixture
def admin(addresses: dict[str, Any]) -> Iterator[Sql]:
    """A connection as the superuser."""
    with Sql(addresses["admin_db_url"]) as sql:
        yield sql


@dataclass(frozen=True)
class RefusedError(Exception):
    """The REST interface refused a call.

    Attributes:
        status: HTTP status.
        body: PostgREST's error: code, message, details, hint.
    """

    status: int
    body: dict[str, Any]

    @property
    def code(self) -> str:
        """The SQLSTATE, or PostgREST's own code."""
        return str(self.body.get("code"))

    @property
    def words(self) -> str:
        """Message, details and hint."""
        return " ".join(str(self.body.get(key)) for key in ("message", "details", "hint"))


class Rest:
    """Speaks to schema `ops` over PostgREST as one caller."""

    def __init__(self, http: httpx.Client, url: str, key: str, token: str | None = None) -> None:
        self._http = http
        self._url = f"{url}/rest/v1"
        self.headers = {
            "apikey": key,
            "Accept-Profile": "ops",
            "Content-Profile": "ops",
            "Prefer": "return=representation",
        }
        # The publishable key alone is no token: without one the caller is anon.
        if token:
            self.headers["Authorization"] = f"Bearer {token}"

    def in_schema(self, schema: str) -> Self:
        """Return the same caller's client for another schema."""
        other = copy.copy(self)
        other.headers = self.headers | {"Accept-Profile": schema, "Content-Profile": schema}
        return other

    def _send(self, method: str, path: str, body: object = None, **filters: str) -> Any:
        answer = self._http.request(
            method,
            f"{self._url}/{path}",
            params=filters,
            json=body,
            headers=self.headers,
        )
        if answer.is_success:
            return answer.json() if answer.content else None
        raise RefusedError(answer.status_code, answer.json())

    def call(self, function: str, **arguments: object) -> Any:
        """Call a function of schema ops."""
        return self._send("POST", f"rpc/{function}", arguments)

    def select(self, table: str, **filters: str) -> list[dict[str, Any]]:
        """Read rows; filters as PostgREST has them, such as `id="eq.7"`."""
        rows: list[dict[str, Any]] = self._send("GET", table, **filters)
        return rows

    def insert_unseen(self, table: str, row: object) -> None:
        """Insert a row, or a list of them, without reading them back."""
        other = copy.copy(self)
        other.headers = self.headers | {"Prefer": "return=minimal"}
        other._send("POST", table, row)  # noqa: SLF001  one of us

    def insert(self, table: str, row: object) -> list[dict[str, Any]]:
        """Insert a row, or a list of them; return them as stored."""
        rows: list[dict[str, Any]] = self._send("POST", table, row)
        return rows

    def update(self, table: str, change: object, **filters: str) -> list[dict[str, Any]]:
        """Change rows; return them as stored."""
        rows: list[dict[str, Any]] = self._send("PATCH", table, change, **filters)
        return rows

    def delete(self, table: str, **filters: str) -> list[dict[str, Any]]:
        """Delete rows; return them as they were."""
        rows: list[dict[str, Any]] = self._send("DELETE", table, **filters)
        return rows


@dataclass(frozen=True)
class Person:
    """Someone who has signed up."""

    id: str
    email: str
    token: str
    rest: Rest


class People:
    """Signs people up and gives them roles."""

    def __init__(self, http: httpx.Client, addresses: dict[str, Any]) -> None:
        self._http = http
        self._addresses = addresses

    def new(self, role: Role | None = None) -> Person:
        """Sign somebody up, as an operator if a role is given."""
        email = f"{uuid.uuid4().hex}@example.com"
        answer = self._http.post(
            f"{self._addresses['api_url']}/auth/v1/signup",
            json={"email": email, "password": PASSWORD},
            headers={"apikey": self._addresses["publishable_key"]},
        )
        answer.raise_for_status()
        session = answer.json()
        rest = Rest(
            self._http,
            self._addresses["api_url"],
            self._addresses["publishable_key"],
            session["access_token"],
        )
        person = Person(session["user"]["id"], email, session["access_token"], rest)
        if role:
            with Sql(self._addresses["db_url"]) as sql:
                sql.run(
                    "insert into ops.operators (user_id, role) values (%s, %s)", person.id, role
                )
        return person


class ClientOfThreads(httpx.Client):
    """Sends with a client of the calling thread's own.

    A pool that many threads share now and then closes a connection that another has just taken.
    """

    def __init__(self) -> None:
        super().__init__(timeout=60)
        self._own = threading.local()

    def send(self, request: httpx.Request, **options: Any) -> httpx.Response:
        """Send a request; patient enough for many callers at once."""
        if not hasattr(self._own, "client"):
            # What it speaks to has no certificate, and reading all of them takes time.
            limits = httpx.Limits(max_keepalive_connections=0)
            self._own.client = httpx.Client(timeout=60, limits=limits, verify=False)
        response: httpx.Response = self._own.client.send(request, **options)
        return response


@pytest.fixture(scope="session")
def http_client() -> Iterator[httpx.Client]:
    """What all callers of a session send with."""
    with ClientOfThreads() as client:
        yield client


@pytest.fixture(scope="session")
def people(http_client: httpx.Client, addresses: dict[str, Any]) -> People:
    """Signs up as many people as a test needs."""
    return People(http_client, addresses)


@pytest.fixture(scope="session")
def user(people: People) -> Person:
    """A signed-up user of the application who is no operator."""
    return people.new()


@pytest.fixture(scope="session")
def viewer(people: People) -> Person:
    """An operator who may read."""
    return people.new("ops_viewer")


@pytest.fixture(scope="session")
def operator(people: People) -> Person:
    """An operator who may also cluster and disable fixes."""
    return people.new("ops_operator")


@pytest.fixture(scope="session")
def administrator(people: People) -> Person:
    """An operator who may also approve fixes."""
    return people.new("ops_admin")


@pytest.fixture(scope="session")
def anon(http_client: httpx.Client, addresses: dict[str, Any]) -> Rest:
    """Anyone with the publishable key, not signed in."""
    return Rest(http_client, addresses["api_url"], addresses["publishable_key"])


@pytest.fixture(scope="session")
def engine(http_client: httpx.Client, addresses: dict[str, Any]) -> Rest:
    """The engine itself, by the secret key."""
    key = addresses["secret_key"]
    return Rest(http_client, addresses["api_url"], key, key)
