"""Each type of fix on the real stack: what it sees, what it answers, and where it is stopped."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.scenarios.healing.test_fixes import Life, life
from tests.scenarios.learning.test_loop import faulty_rows, log_error, pattern_of
from tests.tls import https_server
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Person, Sql
    from tests.tls import Certificates, Exchange, HttpsServer

__all__ = ["life"]

TYPESCRIPT = """
interface Failure { message: string; source: string | null; captured: Record<string, string> }
export default async function fix(params: { greeting: string }, error: Failure) {
  console.log("looking at", error.source);
  return { said: `${params.greeting}, order ${error.captured.order}` };
}
"""
BASH = r"""
set -euo pipefail
greeting=$(jq -r .greeting params.json)
order=$(jq -r .captured.order error.json)
jq -n --arg greeting "$greeting" --arg order "$order" '{said: "\($greeting), order \($order)"}'
"""


@pytest.mark.parametrize(
    ("fix_type", "script"), [("typescript", TYPESCRIPT), ("bash", BASH)], ids=["typescript", "bash"]
)
def test_a_script_sees_parameters_and_error_as_data(life: Life, fix_type: str, script: str) -> None:
    """What it answers is on record, and so is what it ran with."""
    life.approve_as(fix_type, script, {"greeting": 'Hello "$(id)"'})
    application = life.occur(17)
    assert application["success"] is True, application["error_after"]
    assert application["system_state_after"]["output"] == {"said": 'Hello "$(id)", order 17'}
    assert application["fix_script_executed"] == script
    assert application["fix_parameters_used"] == {"greeting": 'Hello "$(id)"'}


@pytest.fixture
def service(certificates: Certificates, database: Sql) -> Iterator[HttpsServer]:
    """A service that a fix may call; its host is granted."""
    database.run("insert into ops.fix_hosts (host) values ('localhost') on conflict do nothing")
    with https_server(certificates) as service:
        yield service


@pytest.fixture
def secret(database: Sql, life: Life, service: HttpsServer) -> str:
    """The name of a secret in Vault that is granted; its value is the word of the fault."""
    assert service.port
    name = f"token_{life.fault.word[:16]}"
    database.run("select vault.create_secret(%s, %s)", life.fault.word, name)
    database.run("insert into ops.fix_secrets (secret, host) values (%s, 'localhost')", name)
    return name


def test_a_request_carries_secret_and_idempotency_key(
    life: Life, service: HttpsServer, secret: str
) -> None:
    """The secret goes out in its header and is nowhere on record; the key is the application's."""

    def echo(exchange: Exchange) -> None:
        exchange.answer(200, json.dumps({"got": exchange.headers["authorization"]}).encode())

    service.behave = echo
    request = {
        "method": "POST",
        "url": f"https://localhost:{service.port}/restart",
        "headers": {"Authorization": {"secret": secret, "prefix": "Bearer "}},
        "body": {"order": {"error": "captured.order"}, "why": {"param": "why"}},
    }
    life.approve_as(
        "api_call", json.dumps(request), {"allowed_hosts": ["localhost"], "why": "it hung"}
    )
    application = life.occur(17)
    assert application["success"] is True, application["error_after"]
    (seen,) = service.seen
    assert seen.headers["authorization"] == f"Bearer {life.fault.word}"
    assert seen.headers["idempotency-key"] == application["application_id"]
    assert json.loads(seen.body) == {"order": "17", "why": "it hung"}
    recorded = json.dumps(application)
    kept = recorded.replace(life.fault.message(17), "")
    assert "[secret]" in kept
    assert life.fault.word not in kept


FETCHING = """
export default async function fix(params: { url: string }, error: { captured: { order: string } }) {
  const answer = await fetch(params.url, {
    method: "POST",
    body: JSON.stringify({ order: error.captured.order }),
  });
  return { status: answer.status, got: await answer.json() };
}
"""


def test_a_script_fetches_with_a_secret_that_it_never_sees(
    life: Life, service: HttpsServer, secret: str
) -> None:
    """The proxy adds the header; what the service reflects is masked, and nothing keeps it."""

    def reflect(exchange: Exchange) -> None:
        word = exchange.headers["authorization"].removeprefix("Bearer ")
        exchange.answer(200, json.dumps({"said": word}).encode())

    service.behave = reflect
    parameters = {
        "url": f"https://localhost:{service.port}/restart",
        "allowed_hosts": ["localhost"],
        "headers": {"localhost": {"Authorization": {"secret": secret, "prefix": "Bearer "}}},
    }
    fix = life.approve_as("typescript", FETCHING, parameters)
    assert (fix["hosts"], fix["secrets"]) == (["localhost"], {secret: ["localhost"]})
    before = len(service.seen)
    application = life.occur(17)
    assert application["success"] is True, application["error_after"]
    (seen,) = service.seen[before:]
    assert seen.headers["authorization"] == f"Bearer {life.fault.word}"
    assert json.loads(seen.body) == {"order": "17"}
    output = application["system_state_after"]["output"]
    assert output == {"status": 200, "got": {"said": "[secret]"}}
    kept = json.dumps(application).replace(life.fault.message(17), "")
    assert life.fault.word not in kept


def test_a_script_is_tried_without_sending_anything(
    life: Life, service: HttpsServer, secret: str
) -> None:
    """The dry-run of a proposal lists the requests that the script would send."""
    parameters = {
        "url": f"https://localhost:{service.port}/restart",
        "allowed_hosts": ["localhost"],
        "headers": {"localhost": {"Authorization": {"secret": secret}}},
    }
    pattern = pattern_of(life.engine, log_error(life.engine, life.fault))
    proposal = life.post(
        "propose",
        pattern_id=pattern["pattern_id"],
        auto_fix_type="typescript",
        auto_fix_script=FETCHING,
        auto_fix_parameters=parameters,
    )["proposal"]
    dry_run = proposal["dry_run"]
    assert dry_run["success"] is True, dry_run["error"]
    (request,) = dry_run["plan"]["rehearsal"]["requests"]
    assert (request["method"], request["url"]) == ("POST", parameters["url"])
    assert "Authorization" in request["headers"]
    assert dry_run["plan"]["secrets"] == {secret: ["localhost"]}
    assert service.connections == 0

    elsewhere = parameters | {"url": f"https://127.0.0.1:{service.port}/"}
    refused = life.post(
        "propose",
        pattern_id=pattern["pattern_id"],
        auto_fix_type="typescript",
        auto_fix_script=FETCHING,
        auto_fix_parameters=elsewhere,
    )["proposal"]["dry_run"]
    assert refused["success"] is False
    assert "allowed_hosts" in refused["error"]


def test_a_secret_that_is_missing_or_not_granted_is_said(
    life: Life, service: HttpsServer, secret: str, database: Sql
) -> None:
    """At the approval; and where it went since, the fix does not run and nothing is sent."""
    request = {
        "method": "POST",
        "url": f"https://localhost:{service.port}/restart",
        "headers": {"Authorization": {"secret": secret}},
    }
    fix = {
        "pattern_id": pattern_of(life.engine, log_error(life.engine, life.fault))["pattern_id"],
        "auto_fix_script": json.dumps(request).replace(secret, "nobody_made_it"),
        "auto_fix_type": "api_call",
        "auto_fix_parameters": {"allowed_hosts": ["localhost"]},
        "approved_by": life.administrator.id,
    }
    answer = life.functions.call("approve", fix, token=life.administrator.token)
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "not_granted")
    assert "nobody_made_it" in answer.json()["error"]["message"]

    life.approve_as("api_call", json.dumps(request), {"allowed_hosts": ["localhost"]})
    database.run("delete from vault.secrets where name = %s", secret)
    assert secret in life.refused()
    assert service.seen == []


def test_an_address_that_is_not_public_is_not_called(life: Life, administrator: Person) -> None:
    """Whatever an approval says; only the deployment's settings open a network."""
    for host in ("169.254.169.254", "10.0.0.1", "[fd00:ec2::254]"):
        request = {"method": "GET", "url": f"https://{host}/"}
        answer = life.functions.call(
            "approve",
            {
                "pattern_id": "00000000-0000-4000-8000-000000000000",
                "auto_fix_script": json.dumps(request),
                "auto_fix_type": "api_call",
                "auto_fix_parameters": {"allowed_hosts": [host]},
                "approved_by": administrator.id,
            },
            token=administrator.token,
        )
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, "fix_refused")


UNLESS_FIRST = '[ "$(jq -r .captured.order error.json)" = 1 ] && exit 0\n'
# Each ends at once for order 1, on which it is rehearsed, and misbehaves for order 2.
ENDLESS: dict[str, tuple[str, str, dict[str, Any], str]] = {
    "sql that counts for ever": (
        "sql",
        (
            "update {table} set status = (select count(*)::text from generate_series(1, 9999) as a,"
            " generate_series(1, 9999) as b, generate_series(1, 9999) as c"
            " where $2 -> 'captured' ->> 'order' = '2') where status is null"
        ),
        {},
        "time",
    ),
    "sql that touches too much": (
        "sql",
        "update {table} set status = 'x' where status is null",
        {"max_rows": 3},
        "rows",
    ),
    "typescript that waits": (
        "typescript",
        (
            "export default (_: unknown, error: {{ captured: {{ order: string }} }}) =>"
            " error.captured.order === '1' || new Promise((done) => setTimeout(done, 60000));"
        ),
        {},
        "time",
    ),
    "typescript that floods": (
        "typescript",
        (
            "export default function fix(_: unknown, error: {{ captured: {{ order: string }} }}) {{"
            " if (error.captured.order === '1') return;"
            " for (let i = 0; i < 1000000; i++) console.log('x'.repeat(1000)); }}"
        ),
        {},
        "output",
    ),
    "bash that waits": (
        "bash",
        UNLESS_FIRST + "for i in 1 2 3 4 5 6 7 8; do sleep 0.4; done",
        {},
        "time",
    ),
    "bash that floods": (
        "bash",
        UNLESS_FIRST
        + "for i in {{1..100000}}; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done",
        {},
        "output",
    ),
}


@pytest.mark.parametrize(
    ("fix_type", "script", "parameters", "limit"), ENDLESS.values(), ids=ENDLESS.keys()
)
def test_a_fix_is_stopped_at_its_limit_and_leaves_nothing(
    life: Life,
    database: Sql,
    *,
    fix_type: str,
    script: str,
    parameters: dict[str, Any],
    limit: str,
) -> None:
    """Within a second of it; the record says at which, and the outcome is a failure."""
    before = _processes()
    life.approve_as(
        fix_type, script.format(table=life.fault.table), {"timeout_ms": 1500, **parameters}
    )
    application = life.occur()
    assert application["success"] is False
    assert application["metadata"]["stopped"] == limit
    assert application["execution_time_ms"] < 2500
    assert life.outcome(application)["outcome"] == "failed"
    assert faulty_rows(database, life.fault) == 5
    eventually(lambda: not _processes() - before)


def _processes() -> set[str]:
    """Return the processes that a script is run with."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes()
        except OSError:
            continue
        if b"/deno" in command or command.startswith(b"bwrap") or b"/bwrap\0" in command:
            found.add(process.name)
    return found


def test_a_run_is_taken_back(life: Life, database: Sql) -> None:
    """By the undo script that was approved with it; the fix is then demoted."""
    undo = f"update {life.fault.table} set status = null where status = $1 ->> 'status'"
    life.approve_as("sql", life.fault.fix, {"status": "new"}, undo_script=undo)
    application = life.occur()
    assert faulty_rows(database, life.fault) == 0
    taken_back = life.post(
        "rollback", application_id=application["application_id"], reason="it was the wrong status"
    )
    assert taken_back["success"] is True
    assert faulty_rows(database, life.fault) == 5
    assert life.fix()["mode"] == "demoted"
    assert life.outcome(application)["outcome"] == "failed"
    twice = life.functions.call(
        "rollback",
        {"application_id": application["application_id"], "reason": "again"},
        token=life.administrator.token,
    )
    assert twice.status_code == 409
