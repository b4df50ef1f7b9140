"""Who calls: a person with an access token, the engine with its secret key, or a scheduled job.

Credentials come as Supabase's clients send them: a key in `apikey`, a token or a key in
`Authorization: Bearer`. A person's token goes on to the database with everything that he does, and
the database decides what he may; only the engine's own work uses the secret key.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from pattern_engine.api.callers import CRON, ENGINE, Caller, Kind
from pattern_engine.exceptions import (
    CallerNotAllowed,
    InvalidToken,
    InvalidWebhookSecret,
    NotAuthenticated,
    PersonRequired,
    PublishableKeyOnly,
)
from pattern_engine.serving.tokens import TokenVerifier

if TYPE_CHECKING:
    from werkzeug.datastructures import Headers

    from pattern_engine.settings import Settings

WEBHOOK_SECRET_HEADER = "x-webhook-secret"  # noqa: S105  the header's name, not its value


class Authenticator:
    """Turns the headers of a request into its caller."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._tokens = TokenVerifier(settings)

    def authenticate(self, headers: Headers, admitted: frozenset[Kind]) -> Caller:
        """The caller, if he is of an admitted kind.

        Raises:
            NotAuthenticated: or one of its kinds, when the credentials are missing or wrong.
            Forbidden: or one of its kinds, when they are right and not meant for this endpoint.
        """
        if Kind.CRON in admitted:
            secret = headers.get(WEBHOOK_SECRET_HEADER)
            if secret is not None:
                return self._by_webhook_secret(secret)
            if admitted == {Kind.CRON}:
                raise InvalidWebhookSecret
        caller = self._by_credentials(headers)
        if caller.kind in admitted:
            return caller
        if admitted == {Kind.PERSON}:
            raise PersonRequired
        raise CallerNotAllowed(f"This endpoint is for: {', '.join(sorted(admitted))}.")

    def _by_webhook_secret(self, secret: str) -> Caller:
        if same(secret, self._settings.webhook_secret):
            return CRON
        raise InvalidWebhookSecret

    def _by_credentials(self, headers: Headers) -> Caller:
        """The token speaks first: a client that holds the secret key may act for a person."""
        given = [
            credential
            for credential in (_bearer(headers), headers.get("apikey", "").strip())
            if credential
        ]
        if not given:
            raise NotAuthenticated
        callers = (self._identify(credential) for credential in given)
        caller = next((caller for caller in callers if caller is not None), None)
        if caller is None:
            raise PublishableKeyOnly
        return caller

    def _identify(self, credential: str) -> Caller | None:
        """The caller behind one credential; None behind the publishable key, which all share."""
        if same(credential, self._settings.secret_key):
            return ENGINE
        if same(credential, self._settings.publishable_key):
            return None
        if credential.startswith("sb_"):
            raise InvalidToken("This key is not one of this project's keys.")
        claims = self._tokens.verify(credential)
        if claims.role == "service_role":
            return ENGINE
        if claims.role == "anon":
            return None
        if claims.role != "authenticated":
            raise InvalidToken(f"The access token is for the role {claims.role!r}, not a person's.")
        return Caller(Kind.PERSON, claims.user_id, credential)


def same(given: str, expected: str) -> bool:
    """Compare a secret in a time that does not tell how much of it was right."""
    return hmac.compare_digest(given.encode(errors="replace"), expected.encode())


def _bearer(headers: Headers) -> str:
    """The credential of `Authorization: Bearer`, or an empty string without the header."""
    value = headers.get("authorization", "").strip()
    if not value:
        return ""
    scheme, _, credential = value.partition(" ")
    if scheme.lower() != "bearer":
        raise InvalidToken("Send the Authorization header as: Bearer, a space, the access token.")
    return credential.strip()
