"""The way to PostgREST: connections of one process, and what goes wrong on them.

httpx and postgrest are imported when a call is about to be made. They take as long as the rest of a
function's start, and refusals and preflights do without them.
"""

from __future__ import annotations

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
# Node's servers, the local gateway's among them, close idle connections after five seconds; a
# connection that we close first is never found closed by the next call.
KEEP_ALIVE_SECONDS = 4.0
GATEWAY_FAILURES = frozenset({429, 502, 503, 504, *range(520, 531)})
# httpx's command line, imported with it wherever rich is installed, and HTTP/2, which brings tables
# that take long to build. Together they take longer than all the rest of httpx.
_NEVER_USED = ("httpx._main", "h2")


def import_httpx() -> None:
    """Import httpx without what we never use, wherever it was not imported before.

    A module that is None cannot be imported, which httpx and httpcore allow for; once they are
    imported, whoever wants its command line or HTTP/2 gets them as ever.
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
    """The engine's client, anyone's, and a person's; all share their connections."""

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

    # Reading the certificate authorities takes 10 ms, which plain http does not need.
    is_plain = settings.supabase_url.startswith("http://")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if is_plain else httpx.create_ssl_context()
    seconds = settings.database_timeout_seconds
    return httpx.Client(
        transport=httpx.HTTPTransport(
            verify=context,
            retries=1,  # of connections that could not be opened; nothing was sent on those
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
    """Raise for statuses of whatever stands before the database: their bodies are of no use."""
    if response.status_code in GATEWAY_FAILURES:
        raise DatabaseUnreachable(details={"gateway_status": response.status_code})


def call(
    client: SyncPostgrestClient, name: str, arguments: dict[str, Any], *, as_person: bool
) -> object:
    """Call a function of the database once, and answer its JSON.

    Raises:
        PatternEngineError: the kind that fits whatever goes wrong.
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
            "The connection to the database broke before its answer came; try again, "
            "a log row counts once however often it is sent."
        ) from problem


def _translated(problem: APIError, name: str, *, as_person: bool) -> PatternEngineError:
    """Our exception for an error of the database or of PostgREST."""
    code = problem.code or ""
    kind = by_sqlstate(code)
    if code.startswith("PL"):
        # Raised by our own functions, for people: message and hint are the answer.
        details = {"detail": problem.details} if problem.details else {}
        return kind(_sentences(problem.message, problem.hint), details=details)
    if code == "42501" and as_person:
        return Forbidden()
    if issubclass(kind, InvalidToken) and not as_person:
        kind = DatabaseError  # our own key was refused, which is no matter of the caller's
    if issubclass(kind, DatabaseError):
        # What the database says may quote data; it is for the log, not for the caller.
        logs.error("database_error", rpc=name, code=code, message=problem.message)
        return kind(details={"rpc": name} if kind is DatabaseNotMigrated else {}, sqlstate=code)
    return kind()


def _sentences(*parts: str | None) -> str | None:
    """The database's message and hint as sentences, one after the other."""
    whole = [part if part.endswith((".", "!", "?")) else f"{part}." for part in parts if part]
    return " ".join(map(_capitalised, whole)) or None


def _capitalised(sentence: str) -> str:
    """The sentence with a capital, unless it starts with a name such as approved_by."""
    first = sentence.split(maxsplit=1)[0].rstrip(".,:;")
    is_word = first.isalpha() and first.islower()
    return f"{sentence[0].upper()}{sentence[1:]}" if is_word else sentence
