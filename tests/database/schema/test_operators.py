"""An operator's role counts at the moment of the call, whatever a token says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.conftest import RefusedError

if TYPE_CHECKING:
    from tests.conftest import People, Person, Sql
    from tests.database.conftest import Patterns


def test_removing_an_operator_works_at_once(people: People, database: Sql) -> None:
    """With his row gone, a token from before reads nothing and calls nothing."""
    person = people.new("ops_admin")
    assert person.rest.call("statistics_v1")["as_of"]
    assert person.rest.select("operators")
    database.run("delete from ops.operators where user_id = %s", person.id)
    assert person.rest.select("operators") == []
    assert person.rest.select("error_patterns") == []
    with pytest.raises(RefusedError) as refused:
        person.rest.call("statistics_v1")
    assert refused.value.code == "PL001"


def test_taking_rights_away_works_at_once(
    people: People, database: Sql, patterns: Patterns
) -> None:
    """An administrator who is made a viewer approves nothing more."""
    person = people.new("ops_admin")
    database.run("update ops.operators set role = 'ops_viewer' where user_id = %s", person.id)
    with pytest.raises(RefusedError) as refused:
        patterns.approve(patterns.new(), person=person)
    assert refused.value.code == "PL001"
    assert "ops_viewer" in refused.value.words
    assert "ops_admin" in refused.value.words


def test_deleting_an_account_deletes_its_role(people: People, admin: Sql) -> None:
    """Nobody stays an operator without an account."""
    person = people.new("ops_viewer")
    admin.run("delete from auth.users where id = %s", person.id)
    assert admin.rows("select from ops.operators where user_id = %s", person.id) == []


def test_a_role_in_the_token_counts_nothing(user: Person) -> None:
    """A user's own metadata says what he likes; only ops.operators makes an operator."""
    with pytest.raises(RefusedError) as refused:
        user.rest.call("start_clustering_v1")
    assert refused.value.code == "PL001"
    assert "pattern-engine operators add" in refused.value.words


def test_operators_see_each_other_and_users_see_none(viewer: Person, user: Person) -> None:
    """The list of operators is for operators."""
    assert viewer.id in {row["user_id"] for row in viewer.rest.select("operators")}
    assert user.rest.select("operators") == []
