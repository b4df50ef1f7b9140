"""Who calls: keys, tokens and the webhook secret, each admitted only where it is meant to be."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import jwt
import pytest
from werkzeug.datastructures import Headers

from pattern_engine import settings
from pattern_engine.api.callers import CRON, ENGINE, Caller, Kind
from pattern_engine.exceptions import PatternEngineError
from pattern_engine.serving import endpoints
from pattern_engine.serving.auth import Authenticator, same

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.http.conftest import Load, Wire

    from pattern_engine.api.endpoint import AnyEndpoint

EVERYONE = frozenset(Kind)
SECRET = "a-secret-of-the-tests-with-at-least-32-bytes"
USER_ID = "11111111-1111-4111-8111-111111111111"
IN_AN_HOUR = int(time.time()) + 3600


def signed(claims: dict[str, object], secret: str = SECRET, algorithm: str = "HS256") -> str:
    """A token with exactly these claims."""
    return jwt.encode(claims, secret, algorithm=algorithm)


SERVICE_ROLE = signed({"role": "service_role", "iss": "supabase", "exp": IN_AN_HOUR})
ANON = signed({"role": "anon", "iss": "supabase", "exp": IN_AN_HOUR})
PERSON = signed(
    {"role": "authenticated", "aud": "authenticated", "sub": USER_ID, "exp": IN_AN_HOUR}
)


def authenticate(headers: dict[str, str], admitted: frozenset[Kind] = EVERYONE) -> Caller:
    """The caller behind some headers."""
    return Authenticator(settings.current()).authenticate(Headers(headers), admitted)


ACCEPTED: dict[str, tuple[dict[str, str], Caller]] = {
    "secret key in apikey": ({"apikey": "sb_secret_test"}, ENGINE),
    "secret key as bearer": ({"Authorization": "Bearer sb_secret_test"}, ENGINE),
    "bearer in small letters": ({"authorization": "bearer sb_secret_test"}, ENGINE),
    "secret key beside the publishable one": (
        {"apikey": "sb_secret_test", "Authorization": "Bearer sb_publishable_test"},
        ENGINE,
    ),
    "legacy service key": ({"apikey": SERVICE_ROLE}, ENGINE),
    "legacy service key as bearer": ({"Authorization": f"Bearer {SERVICE_ROLE}"}, ENGINE),
    "a person": (
        {"apikey": "sb_publishable_test", "Authorization": f"Bearer {PERSON}"},
        Caller(Kind.PERSON, USER_ID, PERSON),
    ),
    "a person through a server that holds the secret key": (
        {"apikey": "sb_secret_test", "Authorization": f"Bearer {PERSON}"},
        Caller(Kind.PERSON, USER_ID, PERSON),
    ),
    "a person, legacy anon key": (
        {"apikey": ANON, "Authorization": f"Bearer {PERSON}"},
        Caller(Kind.PERSON, USER_ID, PERSON),
    ),
    "the webhook secret": ({"x-webhook-secret": "webhook-secret-of-the-tests"}, CRON),
}


@pytest.mark.parametrize(("headers", "caller"), ACCEPTED.values(), ids=ACCEPTED.keys())
def test_credentials_are_recognised(headers: dict[str, str], caller: Caller) -> None:
    """Each kind of credential stands for one kind of caller; a person's token speaks first."""
    assert authenticate(headers) == caller


def claims(**changes: object) -> dict[str, object]:
    """A person's claims with some changed; None leaves one out."""
    whole: dict[str, object] = {
        "role": "authenticated",
        "aud": "authenticated",
        "sub": USER_ID,
        "exp": IN_AN_HOUR,
        **changes,
    }
    return {name: value for name, value in whole.items() if value is not None}


def unsigned(payload: dict[str, object]) -> str:
    """A token that says it needs no signature."""
    return jwt.encode(payload, "", algorithm="none")


def bearer(token: str) -> dict[str, str]:
    """The header of a token."""
    return {"Authorization": f"Bearer {token}"}


def tampered(token: str) -> str:
    """The same token with another payload."""
    head, _, signature = token.split(".")
    return f"{head}.{signed(claims(sub=USER_ID.replace('1', '2'))).split('.')[1]}.{signature}"


REFUSED: dict[str, tuple[dict[str, str], str]] = {
    "nothing": ({}, "not_authenticated"),
    "publishable key": ({"apikey": "sb_publishable_test"}, "publishable_key_only"),
    "publishable key twice": (
        {"apikey": "sb_publishable_test", **bearer("sb_publishable_test")},
        "publishable_key_only",
    ),
    "legacy anon key": ({"apikey": ANON}, "publishable_key_only"),
    "another secret key": ({"apikey": "sb_secret_other"}, "invalid_token"),
    "a secret key that goes on": ({"apikey": "sb_secret_test2"}, "invalid_token"),
    "the beginning of the secret key": ({"apikey": "sb_secret_tes"}, "invalid_token"),
    "the secret key in another alphabet": ({"apikey": "sb_secret_tést"}, "invalid_token"),
    "basic authentication": ({"Authorization": "Basic eDp5"}, "invalid_token"),
    "no token": (bearer("abc"), "invalid_token"),
    "expired": (bearer(signed(claims(exp=IN_AN_HOUR - 3720))), "token_expired"),
    "without expiry": (bearer(signed(claims(exp=None))), "invalid_token"),
    "not valid yet": (bearer(signed(claims(nbf=IN_AN_HOUR))), "invalid_token"),
    "another audience": (bearer(signed(claims(aud="other"))), "invalid_token"),
    "no audience": (bearer(signed(claims(aud=None))), "invalid_token"),
    "no subject": (bearer(signed(claims(sub=None))), "invalid_token"),
    "a subject that is no uuid": (bearer(signed(claims(sub="root"))), "invalid_token"),
    "another role": (bearer(signed(claims(role="postgres"))), "invalid_token"),
    "no role": (bearer(signed(claims(role=None))), "invalid_token"),
    "another secret": (bearer(signed(claims(), "x" * 32)), "invalid_token"),
    "HS512": (bearer(signed(claims(), "x" * 64, "HS512")), "invalid_token"),
    "unsigned": (bearer(unsigned(claims())), "invalid_token"),
    "unsigned service role": (
        bearer(unsigned({"role": "service_role", "exp": IN_AN_HOUR})),
        "invalid_token",
    ),
    "an expired service role": (
        bearer(signed({"role": "service_role", "exp": IN_AN_HOUR - 3720})),
        "token_expired",
    ),
    "another payload": (bearer(tampered(PERSON)), "invalid_token"),
    "a bad token beside the secret key": (
        {"apikey": "sb_secret_test", **bearer("abc")},
        "invalid_token",
    ),
    "a wrong webhook secret": ({"x-webhook-secret": "guess"}, "invalid_webhook_secret"),
    "an empty webhook secret": ({"x-webhook-secret": ""}, "invalid_webhook_secret"),
    "a wrong webhook secret beside the secret key": (
        {"x-webhook-secret": "guess", "apikey": "sb_secret_test"},
        "invalid_webhook_secret",
    ),
}


@pytest.mark.parametrize(("headers", "code"), REFUSED.values(), ids=REFUSED.keys())
def test_wrong_credentials_are_refused(headers: dict[str, str], code: str) -> None:
    """Each way to be wrong is a 401 that says which one it is."""
    with pytest.raises(PatternEngineError) as raised:
        authenticate(headers)
    assert (raised.value.status, raised.value.code) == (401, code)


def test_clocks_may_differ_a_little() -> None:
    """A token that expired a few seconds ago still counts."""
    late = signed(claims(exp=int(time.time()) - 5))
    assert authenticate(bearer(late)).kind is Kind.PERSON


def test_the_issuer_counts_where_one_is_configured(environment: pytest.MonkeyPatch) -> None:
    """Without a configured issuer any is taken; with one, only that one."""
    ours = signed(claims(iss="https://project.supabase.co/auth/v1"))
    other = signed(claims(iss="https://other.supabase.co/auth/v1"))
    assert authenticate(bearer(other)).kind is Kind.PERSON
    environment.setenv("SUPABASE_JWT_ISSUER", "https://project.supabase.co/auth/v1")
    settings.current.cache_clear()
    assert authenticate(bearer(ours)).kind is Kind.PERSON
    with pytest.raises(PatternEngineError, match="was issued by 'https://other"):
        authenticate(bearer(other))


def test_the_audience_can_be_another(environment: pytest.MonkeyPatch) -> None:
    """A project may have an audience of its own, and a token several."""
    environment.setenv("SUPABASE_JWT_AUDIENCE", "shop")
    settings.current.cache_clear()
    assert authenticate(bearer(signed(claims(aud=["x", "shop"])))).kind is Kind.PERSON
    with pytest.raises(PatternEngineError, match="is for 'authenticated', not for 'shop'"):
        authenticate(bearer(PERSON))


def test_a_service_key_configured_as_token_is_recognised(environment: pytest.MonkeyPatch) -> None:
    """Projects with legacy keys alone work as well."""
    environment.setenv("SUPABASE_SECRET_KEY", SERVICE_ROLE)
    settings.current.cache_clear()
    assert authenticate({"apikey": SERVICE_ROLE}) == ENGINE


def test_a_caller_shows_no_token() -> None:
    """What is logged of a caller must not be usable."""
    assert PERSON not in repr(authenticate(bearer(PERSON)))


def test_comparing_secrets_takes_the_same_time() -> None:
    """How much of a guess is right cannot be measured."""
    secret = "s" * 200_000
    early, late = "x" + secret[1:], secret[:-1] + "x"

    def fastest(guess: str) -> float:
        times = []
        for _ in range(30):
            started = time.perf_counter()
            assert not same(guess, secret)
            times.append(time.perf_counter() - started)
        return min(times)

    assert 0.5 < fastest(early) / fastest(late) < 2


#: Callers → the endpoints that admit them and nobody else. Health is open to everyone.
ADMITTED = {
    ("person", "engine", "job"): "cluster",
    ("person", "engine"): "learn apply statistics proposals suggestions similar explain facets",
    ("person",): (
        "approve disable propose preview decide enable rollback pause resume"
        " merge split undo confirm resolve ignore reopen rules"
    ),
    ("job",): "webhook notify",
}
CALLERS_OF = {name: callers for callers, names in ADMITTED.items() for name in names.split()}


@pytest.mark.parametrize("caller", ["person", "engine", "job"])
@pytest.mark.parametrize(
    "endpoint",
    [one for one in endpoints.ALL if one.name != "health"],
    ids=lambda endpoint: endpoint.name,
)
def test_each_endpoint_admits_its_callers(
    load: Load, wire: Wire, request: pytest.FixtureRequest, endpoint: AnyEndpoint, caller: str
) -> None:
    """Whoever is not meant to call an endpoint is refused before the body or the database count."""
    headers: dict[str, str] = request.getfixturevalue(caller)
    client = load(endpoint.name)
    answer = client.open("/", method=endpoint.method, headers=headers, data="no JSON")
    refusal = (answer.status_code, answer.get_json()["error"]["code"])
    if caller in CALLERS_OF[endpoint.name]:
        assert refusal[0] not in (401, 403)
        return
    assert refusal == (
        (401, "invalid_webhook_secret")
        if CALLERS_OF[endpoint.name] == ("job",)
        else (403, "person_required")
        if caller == "engine"
        else (401, "not_authenticated")
    )
    assert not wire.requests


def test_a_person_acts_with_his_own_token(
    load: Load, wire: Wire, token: Callable[..., str]
) -> None:
    """What a person does goes to the database as his, never with the secret key."""
    wire.replies["statistics_v1"] = None
    bearer_token = token()
    load("statistics").get(
        "/", headers={"apikey": "sb_publishable_test", "Authorization": f"Bearer {bearer_token}"}
    )
    (request,) = wire.requests
    assert request.headers["authorization"] == f"Bearer {bearer_token}"
    assert request.headers["apikey"] == "sb_publishable_test"
    assert "sb_secret" not in str(request.headers.raw)


def test_refusing_says_how_to_authenticate(load: Load) -> None:
    """A 401 names its scheme, as RFC 9110 wants it."""
    assert load("learn").post("/").headers["WWW-Authenticate"] == "Bearer"
