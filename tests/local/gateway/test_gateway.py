"""The gateway is as faithful to hosted Supabase as we rely on."""

import re
import signal
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import jwt
import psycopg
import pytest
from postgrest import APIError
from psycopg.rows import TupleRow
from supabase import Client, ClientOptions, create_client

from pattern_engine.local.processes import wait_until
from pattern_engine.local.stack import Stack
from pattern_engine.local.state import State

TINY_PROJECT = Path(__file__).parents[1] / "project"
Database = psycopg.Connection[TupleRow]
PRIVILEGES = """
select array_agg(format('%s %s %s', n.nspname, c.relname, c.relacl) order by n.nspname, c.relname)
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname in ('public', 'ops')
"""
DEFAULT_PRIVILEGES = "select array_agg(d::text order by oid) from pg_default_acl d"


MakeClient = Callable[[str], Client]


@pytest.fixture
def client_with(status: dict[str, Any]) -> Iterator[MakeClient]:
    """Make supabase-py clients with one of the stack's keys."""
    with ExitStack() as opened:

        def make(key: str) -> Client:
            transport = opened.enter_context(httpx.Client(timeout=30))
            options = ClientOptions(schema="ops", httpx_client=transport, auto_refresh_token=False)
            return create_client(status["api_url"], status[key], options)

        yield make


@pytest.fixture
def engine(client_with: MakeClient) -> Client:
    """supabase-py with the secret key."""
    return client_with("secret_key")


@pytest.fixture
def person(client_with: MakeClient) -> Client:
    """supabase-py of somebody who has just signed up."""
    client = client_with("publishable_key")
    email = f"{uuid.uuid4()}@example.com"
    client.auth.sign_up({"email": email, "password": "correct-horse-battery"})
    return client


def _insert(client: Client, **row: object) -> dict[str, Any]:
    """Insert a note; return it as stored."""
    rows: Any = client.table("notes").insert(dict(row)).execute().data
    (stored,) = rows
    note: dict[str, Any] = stored
    return note


def _call(client: Client, function: str, **arguments: object) -> Any:
    return client.rpc(function, arguments).execute().data


def test_requests_change_no_privileges(as_superuser: Database, engine: Client) -> None:
    """Reading and writing through the gateway grants nobody anything."""
    before = [as_superuser.execute(text).fetchone() for text in (PRIVILEGES, DEFAULT_PRIVILEGES)]
    _insert(engine, body="first")
    engine.table("notes").select("*").limit(1).execute()
    after = [as_superuser.execute(text).fetchone() for text in (PRIVILEGES, DEFAULT_PRIVILEGES)]
    assert after == before
    granted = "select has_table_privilege('anon', 'ops.private_notes', 'select')"
    assert as_superuser.execute(granted).fetchone() == (False,)


def test_a_custom_error_arrives_whole(engine: Client) -> None:
    """Code, message, detail and hint of a raised error reach supabase-py, as a client's mistake."""
    with pytest.raises(APIError) as caught:
        engine.rpc("fail_with_hint").execute()
    error = caught.value
    assert (error.code, error.message, error.details, error.hint) == (
        "PL002",
        "there is no such pattern",
        "looked for 7",
        "list them first",
    )


def test_a_custom_error_has_status_400(http: httpx.Client, engine_headers: dict[str, str]) -> None:
    """A raised error is not the server's fault."""
    answer = http.post("/rest/v1/rpc/fail_with_hint", headers=engine_headers, json={})
    assert answer.status_code == 400


def test_a_slow_call_is_cut_after_eight_seconds(
    http: httpx.Client, engine_headers: dict[str, str]
) -> None:
    """The login role's statement time-out stops a call with SQLSTATE 57014."""
    answer = http.post("/rest/v1/rpc/sleep", headers=engine_headers, json={"seconds": 20})
    assert answer.json()["code"] == "57014"
    assert answer.status_code == 500
    assert timedelta(seconds=7.9) < answer.elapsed < timedelta(seconds=9.5)


def test_a_role_keeps_its_own_time_out(http: httpx.Client, status: dict[str, Any]) -> None:
    """What a role sets for itself counts, as with PostgREST: anon is cut after three seconds."""
    headers = {"apikey": status["publishable_key"], "content-profile": "ops"}
    answer = http.post("/rest/v1/rpc/sleep", headers=headers, json={"seconds": 20})
    assert answer.json()["code"] == "57014"
    assert timedelta(seconds=2.9) < answer.elapsed < timedelta(seconds=4.5)


@pytest.mark.parametrize(
    ("value", "kind"),
    [({"a": [1]}, "object"), ([1, "x"], "array"), ("word", "string"), ("5", "string"),
     (5, "number"), (True, "boolean"), ('{"a": 1}', "string")],
)  # fmt: skip
def test_json_arguments_arrive_as_json(engine: Client, value: object, kind: str) -> None:
    """Every kind of JSON value is what it was, for jsonb and for json."""
    seen = _call(engine, "kinds", as_jsonb=value, as_json=value)
    assert seen == {"jsonb": kind, "json": kind}


@pytest.mark.parametrize("value", [{"a": [1]}, [1, "x"], "word", "5", 5, True, None])
def test_json_columns_keep_what_was_written(engine: Client, value: object) -> None:
    """A JSON value read back equals the one written."""
    stored = _insert(engine, body="json", anything=value, old_json=value)
    assert (stored["anything"], stored["old_json"]) == (value, value)


def test_numerics_are_numbers(engine: Client) -> None:
    """A numeric column is a number in JSON."""
    row = _insert(engine, body="price", amount=12.5)
    assert row["amount"] == 12.5
    assert isinstance(row["id"], int)
    assert _call(engine, "total", amounts=[1, 2.25]) == 3.25


def test_timestamps_are_iso_8601(engine: Client) -> None:
    """A timestamp has a T and a whole offset, as PostgREST writes it."""
    row = _insert(engine, body="now")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+\+00:00", row["written_at"])
    assert datetime.fromisoformat(row["written_at"]).tzinfo


def test_a_notification_reloads_the_schema(as_postgres: Database, engine: Client) -> None:
    """`notify pgrst` makes a new table known, without a restart."""
    name = f"later_{uuid.uuid4().hex}"
    with pytest.raises(APIError) as caught:
        engine.table(name).select("*").execute()
    assert caught.value.code == "PGRST205"
    as_postgres.execute(f"create table ops.{name} (id int)".encode())
    as_postgres.execute(f"grant select on ops.{name} to service_role".encode())
    as_postgres.execute("notify pgrst, 'reload schema'")
    assert wait_until(lambda: _is_known(engine, name), 5)


def _is_known(engine: Client, name: str) -> bool:
    try:
        return engine.table(name).select("*").execute().data == []
    except APIError:
        return False


def test_a_person_signs_up_and_in(status: dict[str, Any], client_with: MakeClient) -> None:
    """Sign-up, sign-in and a token with the claims we verify."""
    client = client_with("publishable_key")
    email = f"{uuid.uuid4()}@example.com"
    word = "correct-horse-battery"
    user = client.auth.sign_up({"email": email, "password": word}).user
    session = client.auth.sign_in_with_password({"email": email, "password": word}).session
    assert user
    assert session
    claims = jwt.decode(
        session.access_token, status["jwt_secret"], ["HS256"], options={"verify_aud": False}
    )
    assert claims["sub"] == user.id
    assert claims["role"] == "authenticated"
    assert claims["email"] == email
    assert client.auth.get_user(session.access_token)


def test_a_person_reads_his_own_rows_alone(person: Client, engine: Client) -> None:
    """Row-level security sees the person behind the token."""
    mine = _insert(person, body="mine")
    _insert(engine, body="not his")
    assert person.table("notes").select("id").execute().data == [{"id": mine["id"]}]


def test_a_person_cannot_write_for_another(person: Client) -> None:
    """A row that the policy forbids is refused with SQLSTATE 42501."""
    with pytest.raises(APIError) as caught:
        _insert(person, body="x", owner=str(uuid.uuid4()))
    assert caught.value.code == "42501"


def test_each_key_has_its_role(client_with: MakeClient, person: Client, engine: Client) -> None:
    """The database sees anon, authenticated or service_role, and the person's id."""
    anonymous = _call(client_with("publishable_key"), "caller")
    assert anonymous == {"role": "anon", "uid": None, "claimed": "anon", "email": None}
    user = person.auth.get_user()
    assert user
    seen = _call(person, "caller")
    assert seen == {
        "role": "authenticated",
        "uid": user.user.id,
        "claimed": "authenticated",
        "email": user.user.email,
    }
    assert _call(engine, "caller")["role"] == "service_role"


def test_nothing_of_a_request_stays_for_the_next(person: Client, client_with: MakeClient) -> None:
    """On a connection that served a person, the next stranger is a stranger."""
    stranger = client_with("publishable_key")
    for _ in range(12):  # more than the pool has connections
        _call(person, "caller")
        assert _call(stranger, "caller")["uid"] is None


@pytest.mark.parametrize(
    "headers",
    [{}, {"apikey": "sb_secret_wrong"}, {"authorization": "Bearer sb_secret_wrong"},
     {"origin": "http://127.0.0.1"}],
)  # fmt: skip
def test_a_request_without_a_key_is_refused(http: httpx.Client, headers: dict[str, str]) -> None:
    """Not even a local caller gets in without a key."""
    answer = http.get("/rest/v1/notes", headers={"accept-profile": "ops", **headers})
    assert answer.status_code == 401


def test_a_forged_token_is_refused(http: httpx.Client, status: dict[str, Any]) -> None:
    """A token signed with another secret makes nobody."""
    claims = {"sub": str(uuid.uuid4()), "role": "service_role", "aud": "authenticated"}
    token = jwt.encode(claims, "not the secret of this stack, but as long", "HS256")
    headers = {"apikey": status["publishable_key"], "authorization": f"Bearer {token}"}
    answer = http.get("/rest/v1/notes", headers=headers | {"accept-profile": "ops"})
    assert answer.status_code == 401


@pytest.mark.parametrize("given", ["Bearer undefined", "Bearer null", "Bearer", "Basic YTpi",
    "Bearer sb_publishable_another", "Bearer sb_secret_wrong", "Bearer a.b", "undefined"])  # fmt: skip
@pytest.mark.parametrize("key", ["publishable_key", "secret_key"])
def test_an_authorization_that_is_no_token_is_refused(
    http: httpx.Client, status: dict[str, Any], key: str, given: str
) -> None:
    """It is told as hosted Supabase tells it, instead of being taken for nobody."""
    headers = {"apikey": status[key], "authorization": given, "accept-profile": "ops"}
    answer = http.get("/rest/v1/notes", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (401, "PGRST301")
    assert answer.headers["www-authenticate"].startswith('Bearer error="invalid_token"')


@pytest.mark.parametrize("key", ["publishable_key", "secret_key"])
def test_the_key_may_be_sent_twice(http: httpx.Client, status: dict[str, Any], key: str) -> None:
    """Signed-out clients send their key as Authorization, too; the key alone is enough."""
    one = {"apikey": status[key], "content-profile": "ops"}
    twice = one | {"authorization": f"Bearer {status[key]}"}
    seen = [http.post("/rest/v1/rpc/caller", headers=headers, json={}) for headers in (one, twice)]
    assert [answer.status_code for answer in seen] == [200, 200]
    assert seen[0].json() == seen[1].json()


@pytest.mark.parametrize("path", ["/rest/v1/notes", "/rest/v1/rpc/caller", "/auth/v1/signup"])
def test_a_preflight_allows_what_a_page_sends(http: httpx.Client, path: str) -> None:
    """Before a page of another origin calls, its browser asks whether it may, without any key."""
    wanted = "authorization,apikey,content-profile,content-type,prefer,x-client-info"
    headers = {
        "origin": "https://shop.example",
        "access-control-request-method": "PATCH",
        "access-control-request-headers": wanted,
    }
    answer = http.options(path, headers=headers)
    assert answer.is_success
    assert answer.headers["access-control-allow-origin"] in ("*", "https://shop.example")
    assert set(answer.headers["access-control-allow-headers"].split(",")) >= set(wanted.split(","))
    assert "PATCH" in answer.headers["access-control-allow-methods"]


def test_a_page_may_read_refusals(http: httpx.Client) -> None:
    """What a browser may not read, it shows as a failed connection."""
    for path in ("/rest/v1/notes", "/auth/v1/user"):
        answer = http.get(path, headers={"origin": "https://shop.example"})
        assert answer.status_code == 401
        assert answer.headers["access-control-allow-origin"] in ("*", "https://shop.example")


def test_a_schema_that_is_not_exposed_is_refused(
    http: httpx.Client, engine_headers: dict[str, str]
) -> None:
    """Only the schemas of supabase/config.toml are served."""
    for schema in ("vault", "auth", "net", "cron"):
        headers = engine_headers | {"accept-profile": schema}
        answer = http.get("/rest/v1/secrets", headers=headers)
        assert answer.status_code == 406, schema


def test_lost_connections_are_made_again(
    as_superuser: Database, http: httpx.Client, engine_headers: dict[str, str]
) -> None:
    """When the database has closed its connections, no request hangs and the next ones succeed."""
    for _ in range(5):
        closed = as_superuser.execute(
            "select count(pg_terminate_backend(pid)) from pg_stat_activity "
            "where usename in ('authenticator', 'supabase_admin') "
            "and application_name = 'postgres.js'"
        ).fetchone()
        assert closed
        assert closed[0]
        answers = [
            http.post("/rest/v1/rpc/caller", headers=engine_headers, json={}, timeout=5)
            for _ in range(4)
        ]
        assert {answer.status_code for answer in answers} <= {200, 503}
        assert answers[-1].status_code == 200
    listening = "select 1 from pg_stat_activity where query ilike 'listen%pgrst%'"
    assert wait_until(lambda: as_superuser.execute(listening).fetchone() is not None, 10)


def test_a_database_out_of_reach_is_unavailable(home: Path, any_server: Any) -> None:
    """Without the database, REST and Auth answer 503 in JSON, and the gateway stays alive."""
    with Stack(home, port=0, server=any_server, project=TINY_PROJECT) as stack:
        status = stack.status()
        State.load(home).parts["postgres"].send(signal.SIGQUIT)
        with httpx.Client(base_url=status["api_url"], timeout=20) as client:
            key = status["secret_key"]
            headers = {"apikey": key, "authorization": f"Bearer {key}", "accept-profile": "ops"}
            for _ in range(2):
                answer = client.get("/rest/v1/notes", headers=headers)
                assert answer.status_code == 503
                assert answer.json()["code"] == "PGRST001"
            person = {"email": "a@example.com", "password": "correct-horse-battery"}
            answer = client.post("/auth/v1/signup", headers=headers, json=person)
            assert answer.status_code >= 500
            assert answer.json()


def test_functions_out_of_reach_are_unavailable(home: Path, any_server: Any) -> None:
    """Without the functions' host, a function answers 503 in JSON, and the rest works."""
    with Stack(home, port=0, server=any_server, project=TINY_PROJECT) as stack:
        status = stack.status()
        State.load(home).parts["functions"].send(signal.SIGKILL)
        answer = httpx.post(status["functions_url"] + "/echo", content="x" * 100_000)
        assert answer.status_code == 503
        assert answer.json()["code"] == "BOOT_ERROR"
        key = {"apikey": status["publishable_key"]}
        health = httpx.get(status["api_url"] + "/auth/v1/health", headers=key)
        assert health.status_code == 200
