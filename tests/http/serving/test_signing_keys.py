"""Asymmetric access tokens: verified by the keys that a project publishes, served by this test."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from werkzeug.datastructures import Headers

from pattern_engine import settings
from pattern_engine.api.callers import ENGINE, Caller, Kind
from pattern_engine.exceptions import InvalidToken, SigningKeysUnreachable
from pattern_engine.serving import tokens
from pattern_engine.serving.auth import Authenticator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.http.conftest import Wire

pytestmark = pytest.mark.usefixtures("wire")

USER_ID = "11111111-1111-4111-8111-111111111111"
KEYS: dict[str, Any] = {
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "RS256": rsa.generate_private_key(65537, 2048),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
}
ALGORITHMS: dict[str, Any] = {
    "ES256": jwt.algorithms.ECAlgorithm,
    "RS256": jwt.algorithms.RSAAlgorithm,
    "EdDSA": jwt.algorithms.OKPAlgorithm,
}


def published(algorithm: str, **changes: object) -> dict[str, Any]:
    """The public half of a key as a JWKS lists it."""
    found = json.loads(ALGORITHMS[algorithm].to_jwk(KEYS[algorithm].public_key()))
    return {**found, "kid": f"key-{algorithm}", "use": "sig", "alg": algorithm, **changes}


def claims(**changes: object) -> dict[str, Any]:
    """A person's claims."""
    return {
        "role": "authenticated",
        "aud": "authenticated",
        "sub": USER_ID,
        "exp": int(time.time()) + 3600,
        **changes,
    }


def signed(algorithm: str, key_id: str | None = None, **changes: object) -> str:
    """A person's token, signed by one of the keys."""
    header = {"kid": key_id or f"key-{algorithm}"}
    return jwt.encode(claims(**changes), KEYS[algorithm], algorithm=algorithm, headers=header)


class Publisher:
    """A JWKS endpoint on this machine that counts how often it is asked."""

    def __init__(self) -> None:
        self.keys: list[dict[str, Any]] = [published(algorithm) for algorithm in KEYS]
        self.raw: bytes | None = None
        self.status = 200
        self.asked = 0
        publisher = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                publisher.asked += 1
                raw = publisher.raw or json.dumps({"keys": publisher.keys}).encode()
                self.send_response(publisher.status)
                self.end_headers()
                self.wfile.write(raw)

            def log_message(self, *_: object) -> None:
                """Stay quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/jwks.json"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()


@pytest.fixture
def publisher(environment: pytest.MonkeyPatch) -> Iterator[Publisher]:
    """A project that publishes its keys and has no shared secret."""
    found = Publisher()
    environment.delenv("SUPABASE_JWT_SECRET")
    environment.setenv("SUPABASE_JWKS_URL", found.url)
    settings.current.cache_clear()
    yield found
    found.server.shutdown()
    found.server.server_close()


def authenticate(token: str, authenticator: Authenticator | None = None) -> Caller:
    """The caller behind a token."""
    checked = authenticator or Authenticator(settings.current())
    return checked.authenticate(Headers({"Authorization": f"Bearer {token}"}), frozenset(Kind))


@pytest.mark.parametrize("algorithm", KEYS)
def test_published_keys_verify(publisher: Publisher, algorithm: str) -> None:
    """Each algorithm that Supabase offers is taken, and keys are fetched once."""
    authenticator = Authenticator(settings.current())
    for _ in range(3):
        caller = authenticate(signed(algorithm), authenticator)
        assert (caller.kind, caller.user_id) == (Kind.PERSON, USER_ID)
    assert publisher.asked == 1


@pytest.mark.parametrize("algorithm", KEYS)
def test_the_key_tells_its_algorithm_where_it_says_none(
    publisher: Publisher, algorithm: str
) -> None:
    """A published key without `alg` verifies the one algorithm of its type."""
    publisher.keys = [published(algorithm)]
    del publisher.keys[0]["alg"]
    assert authenticate(signed(algorithm)).kind is Kind.PERSON


def test_a_secret_and_published_keys_work_side_by_side(
    publisher: Publisher, environment: pytest.MonkeyPatch
) -> None:
    """A project that migrates its signing keys has tokens of both kinds for a while."""
    secret = "a-secret-of-the-tests-with-at-least-32-bytes"
    environment.setenv("SUPABASE_JWT_SECRET", secret)
    settings.current.cache_clear()
    assert authenticate(jwt.encode(claims(), secret, algorithm="HS256")).kind is Kind.PERSON
    assert authenticate(signed("ES256")).kind is Kind.PERSON
    assert publisher.asked == 1


def test_an_asymmetric_service_role_is_the_engine(publisher: Publisher) -> None:
    """The role counts the same whichever way its token is signed."""
    assert publisher.asked == 0
    assert authenticate(signed("ES256", role="service_role")) == ENGINE


def public_pem(algorithm: str) -> bytes:
    """A public key as text, which everybody can have."""
    pem: bytes = (
        KEYS[algorithm].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    return pem


def confused(algorithm: str) -> str:
    """A token whose HMAC secret is a public key: the classic confusion (RFC 8725, 2.1)."""
    import base64  # noqa: PLC0415
    import hashlib  # noqa: PLC0415
    import hmac  # noqa: PLC0415

    def part(value: bytes) -> str:
        return base64.urlsafe_b64encode(value).rstrip(b"=").decode()

    head = part(json.dumps({"alg": "HS256", "typ": "JWT", "kid": f"key-{algorithm}"}).encode())
    text = f"{head}.{part(json.dumps(claims()).encode())}"
    secret = public_pem(algorithm)
    return f"{text}.{part(hmac.new(secret, text.encode(), hashlib.sha256).digest())}"


@pytest.mark.parametrize("algorithm", KEYS)
@pytest.mark.parametrize("with_secret", [True, False], ids=["with a secret", "without"])
def test_a_public_key_is_no_shared_secret(
    publisher: Publisher, environment: pytest.MonkeyPatch, algorithm: str, with_secret: bool
) -> None:
    """A token signed with what everybody knows is refused."""
    if with_secret:
        environment.setenv("SUPABASE_JWT_SECRET", "x" * 32)
        settings.current.cache_clear()
    assert publisher.asked == 0
    with pytest.raises(InvalidToken):
        authenticate(confused(algorithm))


def test_a_key_verifies_its_own_algorithm_only(publisher: Publisher) -> None:
    """The header cannot choose RS256 for a key that says ES256, nor PS256 for an RSA key."""
    assert publisher.asked == 0
    with pytest.raises(InvalidToken):
        authenticate(signed("RS256", key_id="key-ES256"))
    ps256 = jwt.encode(claims(), KEYS["RS256"], algorithm="PS256", headers={"kid": "key-RS256"})
    with pytest.raises(InvalidToken):
        authenticate(ps256)


def test_an_unsigned_token_is_refused(publisher: Publisher) -> None:
    """`none` names no key, and so verifies nothing."""
    unsigned = jwt.encode(claims(), "", algorithm="none", headers={"kid": "key-ES256"})
    with pytest.raises(InvalidToken):
        authenticate(unsigned)
    assert publisher.asked <= 1


@pytest.mark.parametrize(
    "change",
    [{"use": "enc"}, {"alg": "ES384"}, {"kty": "oct", "k": "c2VjcmV0"}, {"crv": "P-384"}],
    ids=str,
)
def test_keys_for_other_purposes_are_left_alone(
    publisher: Publisher, change: dict[str, object]
) -> None:
    """Only keys for signing, with an algorithm that we take, are used."""
    publisher.keys = [published("ES256", **change), published("RS256")]
    with pytest.raises(InvalidToken, match="does not publish"):
        authenticate(signed("ES256"))
    assert authenticate(signed("RS256")).kind is Kind.PERSON


def test_a_token_without_key_id_takes_the_only_key(publisher: Publisher) -> None:
    """Where there is one key it is meant; where there are several, nothing is guessed."""
    nameless = jwt.encode(claims(), KEYS["ES256"], algorithm="ES256")
    with pytest.raises(InvalidToken):
        authenticate(nameless)
    publisher.keys = [published("ES256")]
    assert authenticate(nameless).kind is Kind.PERSON


def test_a_rotated_key_is_fetched(publisher: Publisher, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that is not known yet is looked up."""
    monkeypatch.setattr(tokens, "MIN_FETCH_INTERVAL_SECONDS", 0.0)
    publisher.keys = [published("RS256")]
    authenticator = Authenticator(settings.current())
    assert authenticate(signed("RS256"), authenticator).kind is Kind.PERSON
    publisher.keys = [published("RS256"), published("ES256")]
    assert authenticate(signed("ES256"), authenticator).kind is Kind.PERSON
    assert publisher.asked == 2


def test_unknown_keys_cannot_make_us_fetch_all_the_time(publisher: Publisher) -> None:
    """Tokens that name keys out of thin air cost one fetch in a while, not one each."""
    authenticator = Authenticator(settings.current())
    for number in range(50):
        with pytest.raises(InvalidToken):
            authenticate(signed("ES256", key_id=f"made-up-{number}"), authenticator)
    assert publisher.asked == 1


def test_a_key_that_is_withdrawn_stops_working(
    publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys are fetched anew when they are old, and only what is published then counts."""
    authenticator = Authenticator(settings.current())
    assert authenticate(signed("ES256"), authenticator).kind is Kind.PERSON
    publisher.keys = [published("RS256")]
    monkeypatch.setattr(tokens, "KEYS_LIFETIME_SECONDS", 0.0)
    monkeypatch.setattr(tokens, "MIN_FETCH_INTERVAL_SECONDS", 0.0)
    with pytest.raises(InvalidToken):
        authenticate(signed("ES256"), authenticator)


def test_an_outage_of_the_publisher_logs_nobody_out(
    publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys that were fetched go on working while they cannot be fetched again."""
    authenticator = Authenticator(settings.current())
    assert authenticate(signed("ES256"), authenticator).kind is Kind.PERSON
    publisher.status = 500
    monkeypatch.setattr(tokens, "KEYS_LIFETIME_SECONDS", 0.0)
    monkeypatch.setattr(tokens, "MIN_FETCH_INTERVAL_SECONDS", 0.0)
    assert authenticate(signed("ES256"), authenticator).kind is Kind.PERSON
    assert publisher.asked == 2


@pytest.mark.parametrize("raw", [b"no json", b"[]", b'{"keys": 5}', b'{"keys": ["x"]}'])
def test_without_keys_nobody_can_tell(publisher: Publisher, raw: bytes) -> None:
    """Where keys never came, the answer is to try again, not that the token is bad."""
    publisher.raw = raw
    with pytest.raises(SigningKeysUnreachable) as raised:
        authenticate(signed("ES256"))
    assert (raised.value.status, raised.value.retry_after_seconds) == (503, 5)


def test_a_broken_key_does_not_hide_the_others(publisher: Publisher) -> None:
    """A key that cannot be read is left out."""
    publisher.keys = [published("ES256", x="!"), published("RS256")]
    assert authenticate(signed("RS256")).kind is Kind.PERSON


def test_many_threads_fetch_once(publisher: Publisher, wire: Wire) -> None:
    """A cold start under load asks once."""
    assert wire.names == []
    authenticator = Authenticator(settings.current())
    kinds: list[Kind] = []
    threads = [
        threading.Thread(
            target=lambda: kinds.append(authenticate(signed("ES256"), authenticator).kind)
        )
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert kinds == [Kind.PERSON] * 8
    assert publisher.asked == 1
