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
from pattern_engine.serving.auth import Authenticator, same

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.http.conftest import Load, Wire

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


ADMITTED: dict[str, dict[str, tuple[int, str | None]]] = {
    # function: {caller: (status, code)}; None where the call gets as far as the database
    "learn": {"engine": (500, None), "person": (500, None), "job": (401, "not_authenticated")},
    "apply": {"engine": (500, None), "person": (500, None), "job": (401, "not_authenticated")},
    "cluster": {"engine": (500, None), "person": (500, None), "job": (500, None)},
    "statistics": {"engine": (500, None), "person": (500, None), "job": (401, "not_auth")},
    "approve": {"engine": (403, "person_required"), "job": (401, "not_authenticated")},
    "disable": {
        "engine": (403, "person_required"),
        "person": (500, None),
        "job": (401, "not_authenticated"),
    },
    "webhook": {
        "engine": (401, "invalid_webhook_secret"),
        "person": (401, "invalid_webhook_secret"),
        "job": (500, None),
    },
}
BODIES: dict[str, dict[str, object]] = {
    "learn": {"error_message": "x"},
    "apply": {"error_message": "x", "system_log_id": 1},
    "cluster": {},
    "disable": {"pattern_id": USER_ID},
    "approve": {
        "pattern_id": USER_ID,
        "approved_by": USER_ID,
        "auto_fix_type": "sql",
        "auto_fix_script": "update public.a set b = 1 where c",
    },
    "webhook": {"type": "INSERT", "table": "system_logs", "schema": "ops", "ids": [1]},
}
CASES = [
    (function, caller, status, code)
    for function, callers in ADMITTED.items()
    for caller, (status, code) in callers.items()
]


@pytest.mark.parametrize(("function", "caller", "status", "code"), CASES)
def test_each_function_admits_its_callers(
    load: Load,
    wire: Wire,
    request: pytest.FixtureRequest,
    *,
    function: str,
    caller: str,
    status: int,
    code: str | None,
) -> None:
    """Whoever is not meant to call an endpoint gets no further than the door."""
    method = "GET" if function == "statistics" else "POST"
    json = None if method == "GET" else BODIES[function]
    headers: dict[str, str] = request.getfixturevalue(caller)
    answer = load(function).open("/", method=method, json=json, headers=headers)
    assert answer.status_code == status
    if code is None:
        # The wire knows no answer, which is a fault of ours: the call got to the database.
        assert wire.requests
    else:
        assert answer.get_json()["error"]["code"].startswith(code)
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
