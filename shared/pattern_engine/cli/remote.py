"""How a person's commands speak to a project: Auth, the functions and PostgREST, by own token.

RemoteError                 1, the project did not answer or refused the request
├── NotSignedInError        3
├── NotAllowedError         4
└── StaleError              5
"""

from __future__ import annotations

import time
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final

import httpx
import typer

from pattern_engine.cli import keychain, profiles
from pattern_engine.local.errors import StackError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from pattern_engine.cli.profiles import Profile

ProjectName = Annotated[
    str,
    typer.Option(
        "--project",
        envvar="PATTERN_ENGINE_PROJECT",
        metavar="NAME",
        help="project that `login` signed in to; local is the stack on this machine",
    ),
]
#: A token is refreshed so many seconds before it expires.
_MARGIN: Final = 30
#: A dry-run and a rollback take as long as the functions allow them.
_SECONDS: Final = 100.0


class RemoteError(StackError):
    """The project did not answer, or refused the request."""

    exit_code = 1


class NotSignedInError(RemoteError):
    """Nobody is signed in to the project, or the session has ended."""

    exit_code = 3


class NotAllowedError(RemoteError):
    """The person's role does not allow it."""

    exit_code = 4


class StaleError(RemoteError):
    """What the command is about has changed, expired or ended meanwhile."""

    exit_code = 5


_BY_STATUS: Final = {401: NotSignedInError, 403: NotAllowedError, 409: StaleError}
_CONNECTION_FAILED = "{} does not answer: {}"


@dataclass
class Remote:
    """A project, as one person sees it."""

    profile: Profile
    http: httpx.Client
    session: keychain.Session | None = None
    has_role: bool = False

    def __post_init__(self) -> None:
        """Have the connections end with the command."""
        weakref.finalize(self, self.http.close)

    def call(self, endpoint: str, **body: object) -> dict[str, Any]:
        """Send a request to a function of the engine; what is None is left out."""
        given = {name: value for name, value in body.items() if value is not None}
        url = f"{self.profile.functions_url}/{endpoint}"
        answer: dict[str, Any] = self._send("POST", url, body=given).json()
        return answer

    def get(self, endpoint: str, **query: object) -> dict[str, Any]:
        """Read from a function of the engine."""
        url = f"{self.profile.functions_url}/{endpoint}"
        answer: dict[str, Any] = self._send("GET", url, query=query).json()
        return answer

    def rows(self, table: str, **filters: object) -> list[dict[str, Any]]:
        """Read rows of schema ops; filters as PostgREST has them, such as `id="eq.7"`."""
        url = f"{self.profile.api_url}/rest/v1/{table}"
        answer = self._send("GET", url, query=filters, headers={"Accept-Profile": "ops"})
        found: list[dict[str, Any]] = answer.json()
        if not found:
            self._require_role()
        return found

    def _require_role(self) -> None:
        """Tell a person without a role apart from an empty table: the database shows no row."""
        if not self.has_role and self.rpc("caller_role_v1") is None:
            email = self.session.email if self.session else ""
            raise NotAllowedError(
                f"{email} has no role in the project {self.profile.name}; the owner of the "
                f"database gives one: pattern-engine operators add {email} --role ops_viewer"
            )
        self.has_role = True

    def rpc(self, function: str, **arguments: object) -> Any:  # noqa: ANN401  as the function answers
        """Call a function of schema ops."""
        url = f"{self.profile.api_url}/rest/v1/rpc/{function}"
        headers = {"Content-Profile": "ops"}
        return self._send("POST", url, body=arguments, headers=headers).json()

    def insert(self, table: str, rows: list[dict[str, Any]]) -> httpx.Response:
        """Insert rows into schema ops; answer even where that is refused."""
        url = f"{self.profile.api_url}/rest/v1/{table}"
        headers = {"Content-Profile": "ops", "Prefer": "return=minimal"}
        return self._answer("POST", url, body=rows, headers=headers)

    def sign_out(self, scope: str) -> None:
        """End the session, or all sessions of the person."""
        self._send("POST", f"{self.profile.api_url}/auth/v1/logout?scope={scope}")

    def _send(
        self,
        method: str,
        url: str,
        *,
        body: object = None,
        query: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        answer = self._answer(method, url, body=body, query=query, headers=headers)
        if answer.is_success:
            return answer
        raise refusal(answer, self.profile)

    def _answer(
        self,
        method: str,
        url: str,
        *,
        body: object = None,
        query: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Send a request with the person's token; with a new one if it was not taken any more."""
        for may_refresh in (True, False):
            token = self._token()
            sent = {
                "apikey": self.profile.key,
                "Authorization": f"Bearer {token}",
                **(headers or {}),
            }
            answer = request(self.http, method, url, body=body, query=query, headers=sent)
            if answer.status_code != 401 or not may_refresh:
                return answer
            self._refresh(token)
        return answer

    def _token(self) -> str:
        """Return the access token, refreshed if it is about to expire."""
        if self.session is None:
            raise signed_out(self.profile)
        if self.session.expires_at - _MARGIN < time.time():
            self._refresh(self.session.access_token)
        return self.session.access_token

    def _refresh(self, token: str) -> None:
        """Get a new token instead of this one, or take the one that another command got."""
        with keychain.alone():
            kept = keychain.read(self.profile.slot)
            if kept is None:
                raise signed_out(self.profile)
            if kept.access_token == token:
                kept = grant(self, "refresh_token", refresh_token=kept.refresh_token)
                keychain.write(self.profile.slot, kept)
        self.session = kept


def signed_out(profile: Profile) -> NotSignedInError:
    """Return the error for a project that nobody is signed in to."""
    return NotSignedInError(
        f"nobody is signed in to the project {profile.name}; {profile.sign_in_command} does it"
    )


def connect(project: str, data_dir: Path | None) -> Remote:
    """Return a project as the person who is signed in to it sees it.

    Raises:
        StackError: There is no such project.
    """
    profile = profiles.find(project, data_dir)
    return Remote(profile, client(), keychain.read(profile.slot))


def client() -> httpx.Client:
    """Return a client for HTTP, which follows no redirect: a token goes where it was meant to."""
    return httpx.Client(timeout=httpx.Timeout(_SECONDS, connect=10))


def grant(remote: Remote, kind: str, **values: str) -> keychain.Session:
    """Have Supabase Auth give a session.

    Raises:
        NotSignedInError: It refuses.
    """
    path = "verify" if kind == "otp" else f"token?grant_type={kind}"
    return session_of(authenticate(remote, path, **values))


def authenticate(remote: Remote, path: str, **values: object) -> dict[str, Any]:
    """Send a request to Supabase Auth, as nobody."""
    url = f"{remote.profile.api_url}/auth/v1/{path}"
    answer = request(remote.http, "POST", url, body=values, headers={"apikey": remote.profile.key})
    if answer.is_success:
        given: dict[str, Any] = answer.json() if answer.content else {}
        return given
    if answer.status_code in (400, 401, 403, 422):
        raise NotSignedInError(
            f"the project {remote.profile.name} does not sign you in: {_reason(answer)}; "
            f"{remote.profile.sign_in_command} tries again"
        )
    raise refusal(answer, remote.profile)


def session_of(given: Mapping[str, Any]) -> keychain.Session:
    """Read the answer of Supabase Auth."""
    expires = given.get("expires_at") or int(time.time()) + int(given["expires_in"])
    user = given["user"]
    return keychain.Session(
        access_token=given["access_token"],
        refresh_token=given["refresh_token"],
        expires_at=int(expires),
        email=str(user.get("email") or ""),
        user_id=str(user["id"]),
    )


def request(
    http: httpx.Client,
    method: str,
    url: str,
    *,
    headers: Mapping[str, str],
    body: object = None,
    query: Mapping[str, object] | None = None,
) -> httpx.Response:
    """Send a request.

    Raises:
        RemoteError: There is no answer.
    """
    try:
        # The address of Auth has a query of its own, which an empty one would remove.
        given = {name: str(value) for name, value in (query or {}).items() if value is not None}
        return http.request(method, url, json=body, params=given or None, headers=headers)
    except httpx.HTTPError as problem:
        host = httpx.URL(url).netloc.decode()
        reason = str(problem) or type(problem).__name__
        raise RemoteError(_CONNECTION_FAILED.format(host, reason)) from problem


def refusal(answer: httpx.Response, profile: Profile) -> RemoteError:
    """Return the error that an answer tells, with the exit code for it."""
    kind = _BY_STATUS.get(answer.status_code, RemoteError)
    words = _reason(answer)
    if kind is NotSignedInError:
        words = f"{words}; {profile.sign_in_command} signs in again"
    return kind(words)


def _reason(answer: httpx.Response) -> str:
    """Return what the functions, PostgREST or Auth say in words."""
    try:
        told = answer.json()
    except ValueError:
        return f"status {answer.status_code} of {answer.url.path}"
    if not isinstance(told, dict):
        return f"status {answer.status_code} of {answer.url.path}"
    error = told.get("error")
    if isinstance(error, dict):
        return "; ".join([str(error.get("message")), *_details(error.get("details"))])
    parts = [told.get("message") or told.get("msg") or told.get("error_description") or error]
    parts += [told.get("details"), told.get("hint")]
    return "; ".join(str(part) for part in parts if part)


def _details(details: object) -> Iterable[str]:
    """Word what the functions say beside a message: reasons, problems, differences."""
    if not isinstance(details, dict):
        return
    for value in details.values():
        for each in value if isinstance(value, list) else ():
            yield (
                ": ".join(str(part) for part in each.values())
                if isinstance(each, dict)
                else str(each)
            )
