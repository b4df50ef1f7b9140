"""Which conditions choose rows, and which let all of them through."""

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pattern_engine.fixes.sql.analysis import analyse

if TYPE_CHECKING:
    import psycopg

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
    "id > 100",
    "id <> 5",
    "name <> ''",
    "locked_at is not null",
    "not (id > 5 or id <= 2)",
    "id % 2 = 0",
    "length(name) > 3",
    "created_at < now() - interval '1 hour'",
    "created_at > '2026-01-01'",
    "updated_at < created_at",
    "active is not true",
    "active in (true)",
    "status in ('a', 'b') and not status = 'a'",
    "(id, name) = (1, 'x')",
    "id in (select id from users where name = 'x')",
    "id in (select id from users order by id limit 5)",
    "id in (select id from users except select id from jobs)",
    "id not in (select min(id) from users group by email)",
    "id = (select max(id) from users)",
    "exists (select 1 from users u where u.email = users.email and u.id < users.id)",
    "(select count(*) from users u where u.email = users.email) > 1",
    "coalesce(name, '') = ''",
    "data @> '{\"a\": 1}'",
    "not (data @> '{}')",
    "null_count = 0 or total > 5",
    "now() - locked_at > interval '5 minutes'",
    "false",
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
    "id in (select id from users limit all)",
    "id in (select id from users offset 0)",
    "id in (select distinct id from users)",
    "id in (select id from users group by id)",
    "id in (select id from users for update)",
    "id = any((select array_agg(id) from users)::int[])",
    "id in (table users)",
    "(id, name) in (select id, name from users)",
    "row(id) = row(id)",
    "id = id and name = name",
    "name = name or name is null",
    "coalesce(name, 'x') = coalesce(name, 'x')",
    "upper(name) = upper(name)",
    "lower(email) = lower(email) or email is null",
    "length(name) > -1",
    "char_length(coalesce(name,'')) >= 0",
    "id::bigint > 0::bigint",
    "id > (0)",
    "id > 0.0",
    "id > '0'",
    "+id > 0",
    "-id < 0",
    "id * 2 > 0",
    "id / 1 = id",
    "id | 0 = id",
    "id = id + 1 - 1",
    "not exists (select 1 from users where false)",
    "1 in (1,2,3)",
    "1 between 0 and 2",
    "'x' like '%'",
    "'' = ''",
    "not null is not null",
    "(true)",
    "true::boolean",
    "1::int = 1::int",
    "'abc' ~ 'b'",
    "md5('x') = md5('x')",
    "current_date = current_date",
    "now() = now()",
    "pi() > 3",
    "array[1] && array[1]",
    "2 > 1",
    "1 <> 2",
    "not 1 <> 1",
    "true and true or false",
    "id = 1 or 'x' = 'x'",
    "id = 1 or not false",
    "(id = 1) or (1 = 1)",
    "(id = 1) is not null",
    "(id = id) = true",
    "id is not null and true",
    "id is not null or name = 'x'",
    "id is not null and name is not null or true",
    "uuid is not null",
    "user_id > 0",
    "created_at >= '2000-01-01'",
    "created_at < current_timestamp",
    "created_at <= clock_timestamp()",
    "created_at between '1970-01-01' and now()",
    "extract(year from created_at) > 0",
    "date_part('year', created_at) >= 1970",
    "extract(epoch from created_at) > 0",
    "updated_at > '1900-01-01'",
    "id::text like '%'",
    "id::text ~ '^[0-9]+$'",
    "id::text ~ '\\d'",
    "id::text = id::text",
    "name ilike '%' || ''",
    "name like concat('%')",
    "name like any(array['%'])",
    "name like all(array['%'])",
    "position('' in name) > 0",
    "strpos(name, '') > 0",
    "left(name, 0) = ''",
    "substr(name, 1, 0) = ''",
    "active in (true, false)",
    "active or not active or active is null",
    "case active when true then true when false then true else true end",
    "case when 1=1 then true else false end",
    "case when id is null then false else true end",
    "case when name = 'x' then true else true end",
    "coalesce(name = 'x', true) or name <> 'x'",
    "coalesce(null, true)",
    "nullif(false, true) is not null",
    "id = coalesce(id, 0)",
    "id = least(id, id)",
    "id <= greatest(id, 0)",
    "id >= least(id, 0)",
    "id = any(array[id])",
    "id = all(array[id])",
    "id in (id, 1)",
    "id not in (0)",
    "id <> all('{}')",
    "id <> all(array[0])",
    "id not between 0 and 0",
    "id between 0 and 2147483647",
    "id between 1 and 9223372036854775807",
    "id < 9223372036854775807",
    "id <= 999999999999",
    "id > -9999",
    "abs(id) > -1",
    "id % 2 = 0 or id % 2 = 1",
    "id % 2 >= 0",
    "mod(id, 1) = 0",
    "id & 1 in (0,1)",
    "sign(id) >= -1",
    "exists (select * from users)",
    "exists (select 1 from (select 1) x)",
    "exists (values (1))",
    "(select 1) = 1",
    "(select id is not null)",
    "(select max(id) from users) >= id",
    "id >= all (select min(id) from users)",
    "id = some (select id from users)",
    "id in (select u.id from users u join users v on u.id = v.id)",
    "id in (select u.id from users u, jobs)",
    "id in (select u.id from users u left join jobs j on j.user_id = u.id)",
    "id in (select id from (select id from users) x)",
    "id not in (select -1)",
    "id in (values (1), (2)) or true",
    "users = users",
    "users is distinct from null",
    "row(users.*) is not null",
    "users::text <> ''",
    "to_jsonb(users) is not null",
    "to_jsonb(users) ? 'id'",
    "to_jsonb(users) @> '{}'",
    "to_jsonb(users.*)->>'id' is not null",
    "jsonb_typeof(to_jsonb(users)) = 'object'",
    "md5(id::text) is not null",
    "ctid = ctid",
    "ctid >= '(0,0)'",
    "ctid in (select ctid from users)",
    "ctid = any(array(select ctid from users))",
    "xmin is not null",
    "tableoid = tableoid",
    "gen_random_uuid() is not null",
    "random() between 0 and 1",
    "random() > 0",
    "$1 = $1",
    "($1->>'force')::bool",
    "$2 ? 'message'",
    "not ($1 ? 'safe')",
    "id = id or id = ($1->>'id')::int",
    "id = ($1->>'id')::int or ($1->>'id') is null",
    "id = coalesce(($1->>'id')::int, id)",
    "name = coalesce($1->>'name', name)",
    "($1->>'x') is null or name = $1->>'x'",
    "name like coalesce($1->>'p', '%')",
    "public.users.id is not null",
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


NUMBERS = st.integers(-3, 3)
COMPARED = st.tuples(
    st.sampled_from(["a", "b"]), st.sampled_from(["=", "<>", "<", "<=", ">", ">="]), NUMBERS
).map(lambda parts: "{} {} {}".format(*parts))
ATOMS = st.one_of(
    COMPARED,
    st.tuples(NUMBERS, NUMBERS).map(lambda ends: "a between {} and {}".format(*ends)),
    st.lists(NUMBERS, min_size=1, max_size=3).map(lambda n: f"b in ({', '.join(map(str, n))})"),
    st.tuples(NUMBERS, NUMBERS).map(lambda n: "b + {} > {}".format(*n)),
    st.tuples(NUMBERS, NUMBERS).map(lambda n: "{} - a <= {}".format(*n)),
)
FORMULAS = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        inner.map(lambda part: f"not ({part})"),
        st.tuples(inner, st.sampled_from(["and", "or", "or"]), inner).map(
            lambda parts: f"({' '.join(parts)})"
        ),
    ),
    max_leaves=6,
)


@given(FORMULAS)
@example("(a < 1 or (b > 2 or not (a < 1 and b <= 2)))")
def test_what_holds_for_every_row_is_told_as_postgres_tells_it(
    postgres: "psycopg.Connection[Any]", condition: str
) -> None:
    """A condition on two columns is accepted if and only if some pair of values makes it false."""
    grid = "generate_series(-9, 9) a, generate_series(-9, 9) b"
    row = postgres.execute(f"select bool_and({condition}) from {grid}").fetchone()
    assert row is not None
    assert analyse(f"delete from t where {condition}").accepted is not row[0]


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


BESIDE = [
    ("delete from users using users u where u.id = users.id", False),
    ("delete from users a using users b where a.email = b.email", False),
    ("delete from users a using users b where a.email = b.email and a.id < b.id", True),
    ("delete from users using jobs where users.id <> jobs.id", False),
    ("delete from users using jobs where user_id = jobs.id and users.id <> jobs.id", True),
    ("delete from users using jobs where done", False),
    ("delete from users using (select id from users) u where u.id = users.id", False),
    ("delete from users using (select id from users where name = 'x') u where u.id = users.id", True),
    ("delete from users using (select id from users limit 5) u where u.id = users.id", True),
    ("delete from users using jobs left join users u on true where u.id = users.id", True),
    ("delete from users using users u left join jobs j on j.id = u.id where u.id = users.id", False),
    ("delete from users using users u left join jobs j on j.id = u.id where u.id = users.id and j.id is null", True),
    ("with u as (select * from users) delete from users using u where u.id = users.id", False),
    ("with u as (select * from users where name = 'x') delete from users using u where u.id = users.id", True),
    ("with u as (select id from users) delete from users where id in (select id from u)", False),
    ("with recursive u as (select id from users union select id from u) delete from users using u where u.id = users.id", False),
    ("with users as (select 1 as id) delete from users using users u where u.id = users.id", True),
    ("delete from users using billing.users u where u.id = users.id", True),
]  # fmt: skip


@pytest.mark.parametrize(("script", "accepted"), BESIDE)
def test_a_table_beside_itself_is_no_choice(script: str, accepted: bool) -> None:
    """Read without a condition of its own, by whatever name, it holds every row."""
    assert analyse(script).accepted is accepted


MERGES = [
    ("u.id = j.id when matched then delete", True),
    ("u.id = j.id when matched then do nothing", True),
    ("u.id = j.id and u.name = 'x' when matched then update set name = 'y'", True),
    ("u.id = j.id when not matched then insert (id) values (j.id)", True),
    ("u.id = j.id when not matched by source and u.name = 'x' then delete", True),
    ("u.id = j.id when not matched by source then delete", False),
    ("u.id = j.id when not matched by source then do nothing", True),
    ("u.id = j.id or true when matched then delete", False),
    ("u.id = u.id when matched then delete", False),
    ("u.id = 1 when matched then delete", False),
    ("u.id = 1 and j.id = 2 when matched then delete", False),
    ("u.id > j.id when matched then delete", False),
    ("true when not matched then insert (id) values (1)", False),
]


@pytest.mark.parametrize(("rest", "accepted"), MERGES)
def test_a_merge_ties_its_two_sides(rest: str, accepted: bool) -> None:
    """ON equates a column of each; what ON does not choose, the WHEN has to."""
    assert analyse(f"merge into users u using jobs j on {rest}").accepted is accepted
