"""The session of a person: two cookies with the tokens of Supabase Auth, and nothing on the server.

No script of a page can read them. An access token that has expired is refreshed on the way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pattern_engine.api.callers import Caller, Kind
from pattern_engine.console.auth_api import AuthApi, Refreshes, Tokens
from pattern_engine.exceptions import NotAuthenticated, SignInFailed
from pattern_engine.serving.tokens import TokenVerifier

if TYPE_CHECKING:
    from flask import Request
    from flask import Response as FlaskResponse

    from pattern_engine.console.website import Site
    from pattern_engine.settings import Settings

ACCESS = "pattern_engine_access"
REFRESH = "pattern_engine_refresh"
NOTICE = "pattern_engine_notice"
_KEPT_SECONDS = 30 * 24 * 3600
_NOTICE_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Session:
    """A person who is signed in.

    Attributes:
        session_id: What forms of the session are bound to; stays the same when tokens are renewed.
        renewed: The new tokens, if the old ones had expired; the answer sets them as cookies.
    """

    caller: Caller
    session_id: str
    renewed: Tokens | None = None


class Sessions:
    """Reads sessions out of requests, and writes them into answers."""

    def __init__(self, settings: Settings, site: Site) -> None:
        self._site = site
        self._verifier = TokenVerifier(settings)
        self.auth = AuthApi(settings)
        self._refreshes = Refreshes(self.auth)

    def read(self, request: Request) -> Session | None:
        """Return the session of a request; None if nobody is signed in."""
        try:
            return self.opened(request.cookies.get(ACCESS, ""))
        except NotAuthenticated:
            refresh = request.cookies.get(REFRESH, "")
        if not refresh:
            return None
        try:
            tokens = self._refreshes.tokens(refresh)
            session = self.opened(tokens.access)
        except (SignInFailed, NotAuthenticated):
            return None
        return Session(session.caller, session.session_id, tokens)

    def opened(self, access_token: str) -> Session:
        """Return the session of an access token.

        Raises:
            NotAuthenticated: or a subclass, if it is not valid.
        """
        if not access_token:
            raise NotAuthenticated
        claims = self._verifier.verify(access_token)
        if claims.role != "authenticated" or claims.user_id is None:
            raise NotAuthenticated
        caller = Caller(Kind.PERSON, claims.user_id, access_token)
        return Session(caller, claims.session_id or claims.user_id)

    def keep(self, response: FlaskResponse, tokens: Tokens) -> None:
        """Store the tokens in the browser."""
        self._set(response, ACCESS, tokens.access, _KEPT_SECONDS)
        self._set(response, REFRESH, tokens.refresh, _KEPT_SECONDS)

    def forget(self, response: FlaskResponse) -> None:
        """Remove the tokens from the browser."""
        for name in (ACCESS, REFRESH):
            self._set(response, name, "", 0)

    def note(self, response: FlaskResponse, notice: str) -> None:
        """Have the next page say what was done; an empty notice removes it."""
        text = notice.encode().hex()[:3000]
        self._set(response, NOTICE, text, _NOTICE_SECONDS if notice else 0)

    def _set(self, response: FlaskResponse, name: str, value: str, seconds: int) -> None:
        response.set_cookie(
            name,
            value,
            max_age=seconds,
            path=self._site.prefix or "/",
            secure=not self._site.is_local,
            httponly=True,
            samesite="Lax",
        )


def notice_of(request: Request) -> str:
    """Return what the last request left to be said; empty if nothing."""
    try:
        return bytes.fromhex(request.cookies.get(NOTICE, "")).decode()
    except ValueError:
        return ""
