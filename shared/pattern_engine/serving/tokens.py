"""Verifying access tokens: HS256 with the project's secret, others with its published keys.

The key decides the algorithm, not the token: the secret verifies only HS256, and a published key
only the algorithm of its type. So a token with the algorithm `none`, or one that was signed with a
public key as HMAC secret, is refused (RFC 8725, sections 2.1 and 3.1).
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from pattern_engine import logs
from pattern_engine.database.transport import import_httpx
from pattern_engine.exceptions import InvalidToken, SigningKeysUnreachable, TokenExpired

if TYPE_CHECKING:
    from jwt import PyJWK

    from pattern_engine.settings import Settings

# PyJWT is imported where it is used: importing it with `cryptography` takes about 50 ms, a fifth of
# a cold start, and calls with a secret key or the webhook secret do not need it.

LEEWAY_SECONDS = 10
"""The difference between clocks that is tolerated."""
FETCH_TIMEOUT_SECONDS = 3.0
KEYS_LIFETIME_SECONDS = 600.0
"""Keys are fetched again after this time, so a key that is no longer published stops working."""
MIN_FETCH_INTERVAL_SECONDS = 10.0
"""Keys are not fetched more often than this, whatever keys the tokens name."""
ALGORITHM_OF_KEY = {
    ("EC", "P-256"): "ES256",
    ("RSA", None): "RS256",
    ("OKP", "Ed25519"): "EdDSA",
}


@dataclass(frozen=True, slots=True)
class Claims:
    """The claims of a verified token that the engine uses."""

    role: str
    user_id: str | None
    session_id: str | None = None
    """The session that Supabase Auth gave the token in, if it says so."""


class KeySet:
    """The published keys of a project (RFC 7517), fetched when needed and cached."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = threading.Lock()
        self._keys: dict[str, PyJWK] = {}
        self._fetched_at = float("-inf")
        self._tried_at = float("-inf")

    def find(self, key_id: str | None) -> PyJWK:
        """Return the key with this id; without an id, the key if only one is published.

        Raises:
            InvalidToken: if no such key is published.
            SigningKeysUnreachable: if the keys could never be fetched.
        """
        key = self._known(key_id)
        if key is not None and time.monotonic() - self._fetched_at < KEYS_LIFETIME_SECONDS:
            return key
        # If another thread is fetching the keys, a thread with an old key uses that one.
        if not self._lock.acquire(blocking=key is None):
            return key  # type: ignore[return-value]  # without a key, acquire blocks
        try:
            return self._find_again(key_id)
        finally:
            self._lock.release()

    def _find_again(self, key_id: str | None) -> PyJWK:
        now = time.monotonic()
        if now - self._tried_at > MIN_FETCH_INTERVAL_SECONDS:
            self._tried_at = now
            self._fetch(now)
        key = self._known(key_id)
        if key is not None:
            return key
        if not self._keys:
            raise SigningKeysUnreachable
        raise InvalidToken(
            f"The access token is signed by key {key_id!r}, which this project does not publish."
        )

    def _known(self, key_id: str | None) -> PyJWK | None:
        if key_id is None:
            return next(iter(self._keys.values())) if len(self._keys) == 1 else None
        return self._keys.get(key_id)

    def _fetch(self, now: float) -> None:
        """Replace the keys; if they cannot be fetched, keep the old ones."""
        import_httpx()
        import httpx  # noqa: PLC0415  see `transport`

        try:
            answer = httpx.get(self._url, timeout=FETCH_TIMEOUT_SECONDS).raise_for_status()
            published = answer.json()["keys"]
            self._keys = dict(filter(None, map(_usable, published)))
            self._fetched_at = now
        except (httpx.HTTPError, ValueError, KeyError, TypeError, AttributeError) as problem:
            logs.error("signing_keys_unreachable", problem, url=self._url)


def _usable(published: dict[str, object]) -> tuple[str, PyJWK] | None:
    """A published key and its id; None if the engine does not accept its use or algorithm."""
    from jwt import PyJWK, PyJWTError  # noqa: PLC0415  see above

    kind = str(published.get("kty"))
    curve = published.get("crv")
    algorithm = ALGORITHM_OF_KEY.get((kind, str(curve) if curve else None))
    fits = published.get("alg") in (None, algorithm) and published.get("use") in (None, "sig")
    if algorithm is None or not fits:
        return None
    try:
        return str(published.get("kid")), PyJWK(published, algorithm)
    except PyJWTError as problem:
        logs.warning("signing_key_unusable", key_id=published.get("kid"), reason=str(problem))
        return None


class TokenVerifier:
    """Verifies access tokens and reads their claims."""

    def __init__(self, settings: Settings) -> None:
        self._secret = settings.jwt_secret
        self._keys = KeySet(settings.jwks_url) if settings.jwks_url else None
        self._audience = settings.jwt_audience
        self._issuer = settings.jwt_issuer

    def verify(self, token: str) -> Claims:
        """Verify the signature, the expiry and, for people, the audience and the issuer.

        Supabase's older API keys are tokens without an audience; they have other roles than people.

        Raises:
            TokenExpired: if the token has expired.
            InvalidToken: if it is not valid for another reason.
            SigningKeysUnreachable: if the keys to verify it could not be fetched.
        """
        claims = self._signed_claims(token)
        role = str(claims.get("role", ""))
        if role in {"anon", "service_role"}:
            return Claims(role, None)
        self._require_meant_for_us(claims)
        session_id = claims.get("session_id")
        return Claims(role, _user_id(claims), None if session_id is None else str(session_id))

    def _signed_claims(self, token: str) -> dict[str, object]:
        import jwt  # noqa: PLC0415  see above

        try:
            key, algorithm = self._key_for(jwt.get_unverified_header(token))
            return jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp"], "verify_aud": False, "verify_sub": False},
            )
        except jwt.ExpiredSignatureError as problem:
            raise TokenExpired from problem
        except jwt.PyJWTError as problem:
            raise InvalidToken(
                f"The access token is not valid: {problem}. Sign in again."
            ) from problem

    def _key_for(self, header: dict[str, object]) -> tuple[str | PyJWK, str]:
        """The key to verify a token with, and the key's algorithm."""
        if header.get("alg") == "HS256":
            if self._secret is None:
                raise InvalidToken(
                    "The access token is signed with HS256, but SUPABASE_JWT_SECRET is not set."
                )
            return self._secret, "HS256"
        if self._keys is None:
            raise InvalidToken(
                f"The access token is signed with {header.get('alg')!r}, but this project accepts "
                "only HS256, because SUPABASE_JWKS_URL is not set."
            )
        key_id = header.get("kid")
        key = self._keys.find(None if key_id is None else str(key_id))
        return key, key.algorithm_name

    def _require_meant_for_us(self, claims: dict[str, object]) -> None:
        audience = claims.get("aud")
        audiences = audience if isinstance(audience, list) else [audience]
        if self._audience not in audiences:
            raise InvalidToken(f"The access token is for {audience!r}, not for {self._audience!r}.")
        if self._issuer is not None and claims.get("iss") != self._issuer:
            raise InvalidToken(
                f"The access token was issued by {claims.get('iss')!r}, not by {self._issuer!r}."
            )


def _user_id(claims: dict[str, object]) -> str:
    """The person's id in the canonical form of a UUID."""
    subject = claims.get("sub")
    try:
        return str(UUID(str(subject)))
    except ValueError as problem:
        raise InvalidToken(
            f"The access token names no person, because its subject {subject!r} is not a UUID; "
            "sign in again."
        ) from problem
