"""Which conditions choose rows, and which let all of them through."""

import pytest

from pattern_engine.fixes.sql.analysis import analyse

CHOOSING = [
    "id = 1",
    "status is null",
    "id = ($1->>'id')::int",
    "users.id in (select id from jobs)",
    "id::text = any(array['1', '2'])",
    "id = 1 and true",
    "id = 1 or false",
    "id = 1 or 1 <> 1",
    "not (id = 1)",
    "not (id = 1 and 1 = 1)",
    "id = other_id",
    "name like 'a%'",
    "name ~ '^a'",
    "name is distinct from 'x'",
    "id between 1 and 9",
    "(id = 1) is true",
    "exists (select 1 from jobs where jobs.user_id = users.id)",
    "not exists (select 1 from jobs where jobs.user_id = users.id)",
    "active",
    "case when id = 1 then true else false end",
    "case id when 1 then true else false end",
    "coalesce(active, true)",
    "id = 1 and $1 is not null",
]

ALL_ROWS = [
    "true",
    "'t'::boolean",
    "'yes'::bool",
    "1 = 1",
    "1 < 2",
    "'a' = 'a'",
    "'1.0'::numeric = '1'::numeric",
    "not false",
    "not not true",
    "not (1 = 2)",
    "id = 1 or true",
    "true or id = 1",
    "id = 1 or 1 = 1",
    "id = 1 or (name = 'x' or 2 > 1)",
    "id = id",
    "id = users.id",
    "users.id = users.id",
    "id::text = id",
    "id <= id",
    "not (id <> id)",
    "not (id = 1 and false)",
    "id is not distinct from id",
    "not (id is distinct from id)",
    "id in (1, id)",
    "id = any(array[id, 1])",
    "id between id and id",
    "(id = id) is true",
    "(id <> id) is false",
    "(id <> id) is not true",
    "name like '%'",
    "name ilike '%%'",
    "name ~ '.*'",
    "name ~ ''",
    "id is null or id is not null",
    "id = 1 or id <> 1",
    "id < 1 or id >= 1",
    "active or not active",
    "true and true",
    "id = id and true",
    "$1 is not null",
    "($1->>'all')::boolean",
    "id = 1 or ($1->>'all')::boolean",
    "now() > '2020-01-01'",
    "exists (select 1)",
    "exists (select 1 from jobs where user_id = id)",
    "(select true)",
    "(select count(*) from jobs) > 0",
    "case when true then true else true end",
    "case when true then true else id = 1 end",
    "case when id = 1 then true else id = id end",
    "coalesce(true, id = 1)",
    "null",
    "null is null",
    "jobs.id = 1",
]


@pytest.mark.parametrize("condition", CHOOSING)
@pytest.mark.parametrize(
    "start", ["delete from users where ", "update users set name = 'x' where "]
)
def test_a_condition_on_the_row_chooses(start: str, condition: str) -> None:
    """A condition that the row's own columns decide is accepted."""
    assert analyse(start + condition).findings == ()


@pytest.mark.parametrize("condition", ALL_ROWS)
@pytest.mark.parametrize(
    "start", ["delete from users where ", "update users set name = 'x' where "]
)
def test_a_condition_that_may_hold_for_every_row_is_refused(start: str, condition: str) -> None:
    """A tautology, or a condition that something outside the row decides, is no WHERE."""
    assert [finding.rule for finding in analyse(start + condition).findings] == ["where"]


def test_another_tables_condition_does_not_choose() -> None:
    """Without a link between the two, one row over there touches every row here."""
    linked = "delete from users using jobs where jobs.user_id = users.id and jobs.done"
    loose = "delete from users using jobs where jobs.done = true"
    assert analyse(linked).accepted
    assert [finding.rule for finding in analyse(loose).findings] == ["where"]


def test_an_alias_is_the_rows_name() -> None:
    """Where there is an alias, the table's own name is another table's."""
    assert analyse("delete from users u where u.id = 1").accepted
    assert not analyse("delete from users u where u.id = u.id").accepted
    assert not analyse("delete from users u using users where users.id = 1").accepted
