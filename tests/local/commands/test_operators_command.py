"""`pattern-engine operators` says who may look, act and approve."""

import json
import uuid
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg.rows import TupleRow

Database = psycopg.Connection[TupleRow]


@pytest.fixture
def person(as_superuser: Database) -> Iterator[tuple[str, str]]:
    """Id and e-mail address of somebody who has signed up."""
    identity = str(uuid.uuid4())
    email = f"Ada.{identity}@example.com"
    as_superuser.execute("insert into auth.users (id, email) values (%s, %s)", (identity, email))
    yield identity, email
    as_superuser.execute("delete from auth.users where id = %s", (identity,))


@pytest.fixture
def operators(command: Any, status: dict[str, Any]) -> Any:
    """Run `pattern-engine operators …` on the shared stack."""

    def run(*words: str) -> Any:
        return command.run("operators", *words, PATTERN_ENGINE_DB_URL=status["db_url"])

    return run


def _roles(operators: Any) -> dict[str, str]:
    listed = operators("list", "--json")
    assert listed.returncode == 0, listed.stderr
    return {row["user_id"]: row["role"] for row in json.loads(listed.stdout)}


def test_a_person_gets_changes_and_loses_a_role(operators: Any, person: tuple[str, str]) -> None:
    """By e-mail address in any case, or by id; adding again changes the role."""
    identity, email = person
    assert operators("add", email.upper(), "--role", "ops_viewer").returncode == 0
    assert _roles(operators)[identity] == "ops_viewer"
    assert operators("add", identity, "--role", "ops_admin").returncode == 0
    assert _roles(operators)[identity] == "ops_admin"
    assert email in operators("list").stdout
    assert operators("remove", email).returncode == 0
    assert identity not in _roles(operators)


def test_removing_a_person_without_a_role_is_told(operators: Any, person: tuple[str, str]) -> None:
    """Nothing to remove is a failure that names the person."""
    removed = operators("remove", person[1])
    assert removed.returncode == 1
    assert person[1] in removed.stderr


@pytest.mark.parametrize("name", ["nobody@example.com", str(uuid.UUID(int=7)), "x' or 'a'='a"])
def test_an_unknown_person_is_told(operators: Any, name: str) -> None:
    """Somebody who has not signed up gets no role."""
    added = operators("add", name, "--role", "ops_admin")
    assert added.returncode == 1
    assert "nobody signed up" in added.stderr


def test_an_unknown_role_is_wrong_usage(operators: Any, person: tuple[str, str]) -> None:
    """The roles are listed."""
    added = operators("add", person[0], "--role", "king")
    assert added.returncode == 2
    assert "ops_operator" in added.stderr


def test_the_stack_of_the_data_directory_is_used(
    command: Any, tiny_stack: Any, person: tuple[str, str]
) -> None:
    """Without an address, the commands work on the local stack."""
    place = ["--data-dir", str(tiny_stack.data_dir)]
    added = command.run("operators", "add", person[0], "--role", "ops_viewer", *place)
    assert added.returncode == 0, added.stderr


def test_no_database_is_told(command: Any, home: Any) -> None:
    """Without an address and without a stack, the command says what to give."""
    listed = command.run("operators", "list", "--data-dir", str(home))
    assert listed.returncode == 1
    assert "PATTERN_ENGINE_DB_URL" in listed.stderr


def test_a_database_that_does_not_answer_is_told(command: Any) -> None:
    """The error is one line, without the password."""
    url = "postgresql://postgres:very-secret@127.0.0.1:1/postgres"
    listed = command.run("operators", "list", PATTERN_ENGINE_DB_URL=url)
    assert listed.returncode == 1
    assert "connection" in listed.stderr
    assert "very-secret" not in listed.stderr
    assert "Traceback" not in listed.stderr
