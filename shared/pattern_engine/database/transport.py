"""The connections to PostgREST, and the translation of its errors into the engine's exceptions.

httpx and postgrest are imported with the first call. Importing them takes as long as the rest of a
function's start, and refused requests and CORS preflights do not need them.
"""

from __future__ import annotations

import json
import re
import sys
from typing import TYPE_CHECKING, Any

from pattern_engine import logs
from pattern_engine.exceptions import (
    DatabaseError,
    DatabaseNotMigrated,
    DatabaseUnreachable,
    Forbidden,
    InvalidToken,
    PatternEngineError,
    by_sqlstate,
)

if TYPE_CHECKING:
    import httpx
    from postgrest import APIError, SyncPostgrestClient

    from pattern_engine.settings import Settings

CONNECT_TIMEOUT_SECONDS = 3.0
# Node's servers, such as the local gateway, close idle connections after five seconds. Closing them
# earlier keeps the next call from using a connection that the server has just closed.
KEEP_ALIVE_SECONDS = 4.0
SERVER_ERROR = 500
ERROR_CODE = re.compile(r"[0-9A-Z]{5}|PGRST[0-9X]+")
"""A SQLSTATE, or a code of PostgREST."""
GATEWAY_FAILURES = frozenset({429, 502, 503, 504, *range(520, 531)})
# httpx's command line, which it imports if rich is installed, and HTTP/2, whose tables are slow to
# build. Together they take longer to import than the rest of httpx.
_NEVER_USED = ("httpx._main", "h2")


def import_httpx() -> None:
    """Import httpx without the modules that the engine never uses.

    A module that is None in `sys.modules` cannot be imported, and httpx and httpcore do without it.
    Afterwards other code can import those modules as usual.
    """
    if "httpx" in sys.modules:
        return
    withheld = [name for name in _NEVER_USED if name not in sys.modules]
    sys.modules.update(dict.fromkeys(withheld))  # type: ignore[arg-type]  # None, as it must be
    try:
        import httpcore  # noqa: F401, PLC0415
        import httpx  # noqa: F401, PLC0415
    finally:
        for name in withheld:
            del sys.modules[name]


class Clients:
    """Clients for the engine, for anonymous callers and for a person, on shared connections."""

    def __init__(self, settings: Settings) -> None:
        import_httpx()
        self._settings = settings
        self._session = _session(settings)
        self.engine = self._client(settings.secret_key, settings.secret_key)
        self.anyone = self._client(settings.publishable_key, settings.publishable_key)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def of_person(self, token: str) -> SyncPostgrestClient:
        """A client that carries a person's access token."""
        return self._client(self._settings.publishable_key, token)

    def _client(self, key: str, token: str) -> SyncPostgrestClient:
        from postgrest import SyncPostgrestClient  # noqa: PLC0415  see the module's docstring

        return SyncPostgrestClient(
            f"{self._settings.supabase_url}/rest/v1",
            schema="ops",
            headers={
                "apikey": key,
                "Authorization": f"Bearer {token}",
                "Accept": "application/json",
            },
            http_client=self._session,
            retry_enabled=False,
        )


def _session(settings: Settings) -> httpx.Client:
    """The connections, kept alive and shared by all threads."""
    import ssl  # noqa: PLC0415  see the module's docstring

    import httpx  # noqa: PLC0415  see the module's docstring

    # Plain http needs no certificate authorities; reading them takes 10 ms.
    is_plain = settings.supabase_url.startswith("http://")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if is_plain else httpx.create_ssl_context()
    seconds = settings.database_timeout_seconds
    return httpx.Client(
        transport=httpx.HTTPTransport(
            verify=context,
            retries=1,  # only of opening a connection, before anything was sent
            limits=httpx.Limits(
                max_connections=100,
                max_keepalive_connections=20,
                keepalive_expiry=KEEP_ALIVE_SECONDS,
            ),
        ),
        timeout=httpx.Timeout(seconds, connect=min(seconds, CONNECT_TIMEOUT_SECONDS)),
        event_hooks={"response": [_refuse_gateway_failures]},
    )


def _refuse_gateway_failures(response: httpx.Response) -> None:
    """Raise for the answers of a gateway before the database, which carry no error code of it."""
    status = response.status_code
    if status in GATEWAY_FAILURES or (status >= SERVER_ERROR and not _has_code(response)):
        raise DatabaseUnreachable(details={"gateway_status": status})


def _has_code(response: httpx.Response) -> bool:
    """Whether an answer is an error of the database or of PostgREST."""
    try:
        code = json.loads(response.read())["code"]
    except (ValueError, LookupError, TypeError):
        return False
    return isinstance(code, str) and ERROR_CODE.fullmatch(code) is not None


def call(
    client: SyncPostgrestClient, name: str, arguments: dict[str, Any], *, as_person: bool
) -> object:
    """Call a function of the database once, and return its JSON.

    Raises:
        PatternEngineError: the subclass for what went wrong.
    """
    from httpx import ConnectError, ConnectTimeout, TransportError  # noqa: PLC0415  see above
    from postgrest import APIError  # noqa: PLC0415  see above

    try:
        return client.rpc(name, arguments).execute().data
    except APIError as problem:
        raise _translated(problem, name, as_person=as_person) from problem
    except (ConnectError, ConnectTimeout) as problem:
        raise DatabaseUnreachable from problem
    except TransportError as problem:
        raise DatabaseUnreachable(
            "The connection to the database broke before its answer arrived, so the call may have "
            "taken effect; send it again: a log row is counted only once."
        ) from problem


def _translated(problem: APIError, name: str, *, as_person: bool) -> PatternEngineError:
    """The engine's exception for an error of the database or of PostgREST."""
    code = problem.code or ""
    kind = by_sqlstate(code)
    if code.startswith("PL"):
        # The engine's own SQL functions raised it, with a message and a hint for the caller.
        details = {"detail": problem.details} if problem.details else {}
        return kind(_sentences(problem.message, problem.hint), details=details)
    if code == "42501" and as_person:
        return Forbidden()
    if issubclass(kind, InvalidToken) and not as_person:
        kind = DatabaseError  # the engine's own key was refused, not the caller's
    if issubclass(kind, DatabaseError):
        # The database's message may quote data, so it goes to the log and not to the caller.
        logs.error("database_error", rpc=name, code=code, message=problem.message)
        return kind(details={"rpc": name} if kind is DatabaseNotMigrated else {}, sqlstate=code)
    return kind()


def _sentences(*parts: str | None) -> str | None:
    """The database's message and hint as sentences."""
    whole = [part if part.endswith((".", "!", "?")) else f"{part}." for part in parts if part]
    return " ".join(map(_capitalised, whole)) or None


def _capitalised(sentence: str) -> str:
    """The sentence with a capital letter, unless it starts with a name such as approved_by."""
    first = sentence.split(maxsplit=1)[0].rstrip(".,:;")
    is_word = first.isalpha() and first.islower()
    return f"{sentence[0].upper()}{sentence[1:]}" if is_word else sentence
