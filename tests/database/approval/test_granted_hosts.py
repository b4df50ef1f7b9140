"""An approval names only hosts and secrets that the database's owner has granted, one by one."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import pytest
from psycopg.errors import CheckViolation
from tests.conftest import RefusedError

from pattern_engine import cli

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Person, Rest, Sql
    from tests.database.conftest import Patterns


class Fixer(Protocol):
    """Runs `pattern-engine fixer`."""

    def __call__(self, *words: str, code: int = 0) -> str:
        """Run one command as the owner of the database; return what it printed."""


@pytest.fixture
def fixer(addresses: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> Fixer:
    """The command on the stack's database."""

    def run(*words: str, code: int = 0) -> str:
        capsys.readouterr()
        ended = cli.main(["fixer", *words, "--db-url", addresses["db_url"]])
        printed = capsys.readouterr()
        assert ended == code, printed.err
        return printed.out + printed.err

    return run


@pytest.fixture
def secret(database: Sql, patterns: Patterns) -> str:
    """The name of a secret in Vault."""
    name = patterns.word("token")
    database.run("select vault.create_secret('swordfish', %s)", name)
    return name


@pytest.fixture
def host(patterns: Patterns) -> str:
    """A host that no other test grants."""
    return f"{patterns.word('api').replace('_', '-')}.example.com"


def code(call: Callable[[], object]) -> str:
    """Return the code with which a call is refused; nothing if it is not."""
    try:
        call()
    except RefusedError as refused:
        return refused.code
    return ""


def fix(**changes: Any) -> dict[str, Any]:
    """A fix as the engine composes it."""
    whole = {"type": "api_call", "script": "{}", "prepared_script": "{}", "parameters": {}}
    return whole | changes


def propose(patterns: Patterns, person: Person, **changes: Any) -> str:
    """Propose a fix without the engine, by the RPC alone; return the code of the refusal."""
    arguments = {
        "p_pattern_id": patterns.new(),
        "p_fix": fix(**changes),
        "p_analysis": {},
        "p_seconds": 60,
    }
    return code(lambda: person.rest.call("propose_fix_v1", **arguments))


def test_a_host_has_to_be_granted(
    fixer: Fixer, patterns: Patterns, operator: Person, host: str
) -> None:
    """PL031 at the proposal and at the approval, until the owner grants that host and port."""
    for changes in (
        {"hosts": [host]},
        # What was claimed to be found in the script does not count alone.
        {"hosts": [], "parameters": {"allowed_hosts": [host]}},
        {"type": "typescript", "parameters": {"allowed_hosts": [host.upper()]}},
        {"type": "typescript", "parameters": {"allowed_hosts": [[host]]}},
    ):
        assert propose(patterns, operator, **changes) == "PL031"
        assert code(partial(patterns.approve, patterns.new(), **fix(**changes))) == "PL031"
    fixer("grant-host", f"{host}:8443")
    assert propose(patterns, operator, hosts=[host]) == "PL031"
    fixer("grant-host", host)
    for written in (host, host.upper(), f"{host}:443", f"{host}:8443"):
        assert propose(patterns, operator, parameters={"allowed_hosts": [written]}) == ""
    assert propose(patterns, operator, hosts=[f"{host}:8444"]) == "PL031"
    assert propose(patterns, operator, hosts=[f"sub.{host}"]) == "PL031"


def test_a_secret_has_to_be_granted_for_the_host_that_it_is_sent_to(
    fixer: Fixer, patterns: Patterns, operator: Person, host: str, secret: str
) -> None:
    """PL031: a secret of one service cannot be sent to another one."""
    fixer("grant-host", host)
    given = {"hosts": [host], "secrets": {secret: [host]}}
    assert propose(patterns, operator, **given) == "PL031"
    fixer("grant-secret", secret, "--host", f"other.{host}")
    assert propose(patterns, operator, **given) == "PL031"
    fixer("grant-secret", secret, "--host", host)
    assert propose(patterns, operator, **given) == ""
    both = given | {"secrets": {secret: [f"other.{host}", host]}}
    assert propose(patterns, operator, **both) == ""
    assert propose(patterns, operator, secrets={secret: [f"third.{host}"]}) == "PL031"


def test_nobody_learns_which_secrets_vault_holds(
    patterns: Patterns, operator: Person, host: str, secret: str
) -> None:
    """Of a secret that is not granted, the answer is the same whether it exists or not."""
    answers = []
    for name in (secret, "nobody_made_it"):
        with pytest.raises(RefusedError) as refused:
            operator.rest.call(
                "propose_fix_v1",
                p_pattern_id=patterns.new(),
                p_fix=fix(secrets={name: [host]}),
                p_analysis={},
                p_seconds=60,
            )
        answers.append(json.dumps(refused.value.body).replace(name, "NAME"))
    assert answers[0] == answers[1]


def test_what_is_taken_back_does_not_run(
    fixer: Fixer, patterns: Patterns, engine: Rest, database: Sql, host: str, secret: str
) -> None:
    """Grants are asked for again at each run; the job hands each secret out with its hosts."""
    fixer("grant-secret", secret, "--host", host)
    pattern_id = patterns.new()
    patterns.approve(pattern_id, **fix(hosts=[host], secrets={secret: [host]}))
    assert patterns.fix(pattern_id)["secrets"] == {secret: [host]}
    claim = patterns.claim(pattern_id)
    assert claim["job"]["secrets"] == {secret: {"value": "swordfish", "hosts": [host]}}

    def job() -> str:
        arguments = {"p_application_id": claim["application_id"]}
        return code(lambda: engine.call("application_job_v1", **arguments))

    stopped = f"version 1 of the fix of pattern {pattern_id} needs a grant"
    assert stopped in fixer("revoke-secret", secret)
    assert job() == "PL031"
    assert code(lambda: patterns.claim(pattern_id)) == "PL031"
    fixer("grant-secret", secret, "--host", host)
    assert job() == ""
    database.run("delete from vault.secrets where name = %s", secret)
    assert job() == "PL026"
    database.run("select vault.create_secret('swordfish', %s)", secret)
    assert stopped in fixer("revoke-host", host)
    assert job() == "PL031"
    fixer("grant-host", host)
    assert job() == "PL031", "a host that is granted again brings no secrets back"


def test_the_list_shows_hosts_with_their_secrets(fixer: Fixer, host: str, secret: str) -> None:
    """As text and as JSON; what was revoked is gone."""
    fixer("grant-host", host)
    fixer("grant-secret", secret, "--host", f"a.{host}", "--host", f"b.{host}:8443")

    def listed() -> dict[str, list[str]]:
        hosts = json.loads(fixer("list", "--json"))["hosts"]
        return {one["host"]: one["secrets"] for one in hosts if host in one["host"]}

    assert listed() == {host: [], f"a.{host}": [secret], f"b.{host}:8443": [secret]}
    assert f"{host:32}  no secrets" in fixer("list")
    fixer("revoke-secret", secret, "--host", f"a.{host}")
    assert listed() == {host: [], f"a.{host}": [], f"b.{host}:8443": [secret]}
    fixer("revoke-host", f"b.{host}:8443")
    fixer("revoke-host", f"a.{host}")
    assert listed() == {host: []}


@pytest.mark.parametrize(
    "words",
    [
        ("grant-host", "*.example.com"),
        ("grant-host", "https://example.com"),
        ("grant-host", "example.com/path"),
        ("grant-host", "user@example.com"),
        ("grant-host", "0x7f.1"),
        ("grant-host", ""),
        ("grant-secret", "pattern_engine_webhook_secret", "--host", "example.com"),
        ("grant-secret", "Upper", "--host", "example.com"),
        ("grant-secret", "token"),
    ],
)
def test_what_is_no_host_or_secret_is_wrong_usage(
    fixer: Fixer, words: tuple[str, ...], addresses: dict[str, Any]
) -> None:
    """Nothing of it is stored; the secrets of the engine itself cannot be granted."""
    assert addresses
    fixer(*words, code=2)


def test_a_secret_that_does_not_exist_is_not_granted(fixer: Fixer) -> None:
    """The command says how to make it."""
    said = fixer("grant-secret", "nobody_made_it", "--host", "example.com", code=1)
    assert "vault.create_secret" in said
    assert "nobody_made_it" not in fixer("list")


@pytest.mark.parametrize("name", ["pattern_engine_webhook_secret", "x; drop table ops.fix_hosts"])
def test_the_table_itself_refuses_the_secrets_of_the_engine(database: Sql, name: str) -> None:
    """Whoever writes to it, the command or the owner by hand."""
    with pytest.raises(CheckViolation, match="fix_secrets_named"):
        database.run("insert into ops.fix_secrets values (%s, 'example.org')", name)
