"""Authentication: a person has an access token, the engine a secret key, a job the webhook secret.

Credentials are read where Supabase's clients send them: a key in `apikey`, a token or a key in
`Authorization: Bearer`. Database calls for a person carry that person's token, so that the database
checks the person's rights; only the engine's own work uses the secret key.
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
    """Determines the caller of a request by its headers."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._tokens = TokenVerifier(settings)

    def authenticate(self, headers: Headers, admitted: frozenset[Kind]) -> Caller:
        """Return the caller if it is of an admitted kind.

        Raises:
            NotAuthenticated: or a subclass, if the credentials are missing or wrong.
            Forbidden: or a subclass, if this endpoint does not admit the caller.
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
        raise CallerNotAllowed(
            f"You called as {caller.kind}; this endpoint admits only: "
            f"{', '.join(sorted(admitted))}."
        )

    def _by_webhook_secret(self, secret: str) -> Caller:
        if same(secret, self._settings.webhook_secret):
            return CRON
        raise InvalidWebhookSecret

    def _by_credentials(self, headers: Headers) -> Caller:
        """The bearer token decides first, so a client with a secret key can act for a person."""
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
        """The caller of one credential; None for the publishable key, which is not secret."""
        if same(credential, self._settings.secret_key):
            return ENGINE
        if same(credential, self._settings.publishable_key):
            return None
        if credential.startswith("sb_"):
            raise InvalidToken("The key in the request is not a key of this project; check it.")
        claims = self._tokens.verify(credential)
        if claims.role == "service_role":
            return ENGINE
        if claims.role == "anon":
            return None
        if claims.role != "authenticated":
            raise InvalidToken(
                f"The access token has the role {claims.role!r}; sign in to get one with the role "
                "'authenticated'."
            )
        return Caller(Kind.PERSON, claims.user_id, credential)


def same(given: str, expected: str) -> bool:
    """Compare secrets in constant time, so that timing reveals nothing about the expected one."""
    return hmac.compare_digest(given.encode(errors="replace"), expected.encode())


def _bearer(headers: Headers) -> str:
    """The credential of `Authorization: Bearer`, or an empty string without the header."""
    value = headers.get("authorization", "").strip()
    if not value:
        return ""
    scheme, _, credential = value.partition(" ")
    if scheme.lower() != "bearer":
        raise InvalidToken(
            f"The Authorization header has the scheme {scheme!r}; send Authorization: Bearer TOKEN."
        )
    return credential.strip()
