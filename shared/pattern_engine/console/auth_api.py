"""Signing in and out by Supabase Auth, in the name of the person in front of the browser."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pattern_engine import logs
from pattern_engine.database.transport import import_httpx
from pattern_engine.exceptions import AuthUnreachable, SignInFailed

if TYPE_CHECKING:
    import httpx

    from pattern_engine.settings import Settings

_SECONDS = 10.0
_TOGETHER_SECONDS = 10.0
"""How long the requests of one page may be apart."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a session consists of."""

    access: str
    refresh: str


class AuthApi:
    """The calls of Supabase Auth that the console makes."""

    def __init__(self, settings: Settings) -> None:
        import_httpx()
        import httpx  # noqa: PLC0415  see `database.transport`

        self._client = httpx.Client(
            base_url=f"{settings.supabase_url}/auth/v1",
            headers={"apikey": settings.publishable_key},
            timeout=_SECONDS,
        )

    def by_password(self, email: str, password: str) -> Tokens:
        """Sign in with e-mail address and password."""
        body = {"email": email, "password": password}
        return self._tokens("/token", {"grant_type": "password"}, body)

    def by_code(self, email: str, code: str) -> Tokens:
        """Sign in with the code of a mail."""
        return self._tokens("/verify", {}, {"type": "magiclink", "email": email, "token": code})

    def by_link(self, token_hash: str, kind: str) -> Tokens:
        """Sign in with the token of the link in a mail."""
        return self._tokens("/verify", {}, {"type": kind, "token_hash": token_hash})

    def refreshed(self, refresh_token: str) -> Tokens:
        """Exchange a refresh token for a new pair."""
        body = {"refresh_token": refresh_token}
        return self._tokens("/token", {"grant_type": "refresh_token"}, body)

    def send_code(self, email: str) -> None:
        """Have a mail with a code and a link sent to a person who has an account.

        Whether there is such an account is not told.
        """
        answer = self._post("/otp", {}, {"email": email, "create_user": False})
        if answer.is_error:
            logs.info("sign_in_mail_refused", status=answer.status_code)

    def sign_out_everywhere(self, access_token: str) -> None:
        """End all sessions of a person."""
        self._post("/logout", {"scope": "global"}, {}, token=access_token)

    def _tokens(self, path: str, query: dict[str, str], body: dict[str, str]) -> Tokens:
        answer = self._post(path, query, body)
        if answer.is_error:
            logs.info("sign_in_refused", status=answer.status_code)
            raise SignInFailed
        found = answer.json()
        return Tokens(str(found["access_token"]), str(found["refresh_token"]))

    def _post(
        self, path: str, query: dict[str, str], body: dict[str, Any], token: str | None = None
    ) -> httpx.Response:
        import httpx  # noqa: PLC0415  see `database.transport`

        headers = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            answer = self._client.post(path, params=query, json=body, headers=headers)
        except httpx.HTTPError as problem:
            raise AuthUnreachable from problem
        if answer.is_server_error:
            raise AuthUnreachable
        return answer


class Refreshes:
    """Refreshes each token once, although several requests of a page arrive with it together."""

    def __init__(self, api: AuthApi) -> None:
        self._lock = threading.Lock()
        self._api = api
        self._done: dict[str, tuple[float, Tokens]] = {}

    def tokens(self, refresh_token: str) -> Tokens:
        """Return the pair for this refresh token.

        Raises:
            SignInFailed: if the token is not valid any more.
        """
        with self._lock:
            now = time.monotonic()
            self._done = {
                token: entry
                for token, entry in self._done.items()
                if now - entry[0] < _TOGETHER_SECONDS
            }
            if refresh_token not in self._done:
                self._done[refresh_token] = now, self._api.refreshed(refresh_token)
            return self._done[refresh_token][1]
