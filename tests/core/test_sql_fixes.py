"""Which SQL scripts are accepted as fixes, and what is made of them."""

import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from psycopg.types.json import Jsonb

from pattern_engine.fixes.analysis import MAX_BYTES
from pattern_engine.fixes.sql.analysis import analyse

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg

PREPARED = [
    (
        "UPDATE users SET status = 'active' WHERE status IS NULL;",
        "UPDATE public.users SET status = 'active' WHERE status IS NULL",
    ),
    (
        (
            "-- Good\nBEGIN;\n UPDATE users SET status = 'active' WHERE status IS NULL"
            " AND created_at >= NOW() - INTERVAL '24 hours' RETURNING id;\nCOMMIT;"
        ),
        (
            "UPDATE public.users SET status = 'active' WHERE status IS NULL"
            " AND created_at >= now() - CAST('24 hours' AS interval) RETURNING id"
        ),
    ),
    (
        "start transaction; delete from users where id = 1; end",
        "DELETE FROM public.users WHERE id = 1",
    ),
    (
        (
            "with stuck as (select id from jobs where done is null limit 5 for update skip locked)"
            " update jobs set done = false from stuck where jobs.id = stuck.id"
        ),
        (
            "WITH stuck AS (SELECT id FROM public.jobs WHERE done IS NULL LIMIT 5 FOR UPDATE SKIP LOCKED)"
            " UPDATE public.jobs SET done = FALSE FROM stuck WHERE jobs.id = stuck.id"
        ),
    ),
    (
        (
            "with recursive up as (select 1 as id union all select id + 1 from up where id < 3)"
            " delete from users where id in (select id from up)"
        ),
        (
            "WITH RECURSIVE up AS (SELECT 1 AS id UNION ALL SELECT id + 1 FROM up WHERE id < 3)"
            " DELETE FROM public.users WHERE id IN (SELECT id FROM up)"
        ),
    ),
    # Not recursive: inside, the name is the table's; a query sees those before it alone.
    (
        "with users as (select * from users), b as (select * from users) select * from b",
        "WITH users AS (SELECT * FROM public.users), b AS (SELECT * FROM users) SELECT * FROM b",
    ),
    # What is written is never a WITH query.
    (
        "with jobs as (select 1) delete from jobs where id = 1",
        "WITH jobs AS (SELECT 1) DELETE FROM public.jobs WHERE id = 1",
    ),
    (
        "select * from (with a as (select 1) select * from a) x, a",
        "SELECT * FROM (WITH a AS (SELECT 1) SELECT * FROM a) AS x, public.a",
    ),
    ("select 1 from users u for update of u", "SELECT 1 FROM public.users AS u FOR UPDATE OF u"),
    (
        "update users set status = 'x'::status where id = ($1->>'id')::int",
        (
            "UPDATE public.users SET status = CAST('x' AS public.status)"
            " WHERE id = CAST($1 ->> 'id' AS integer)"
        ),
    ),
    (
        'update "My Schema"."Weird ""Name" set "a b" = \'it\'\'s\' where "a b" is null',
        'UPDATE "My Schema"."Weird ""Name" SET "a b" = \'it\'\'s\' WHERE "a b" IS NULL',
    ),
    ("select 1; select 2", "SELECT 1;\nSELECT 2"),
    ("/* drop table users; */ select 1 -- ; drop table users", "SELECT 1"),
]


@pytest.mark.parametrize(("script", "prepared"), PREPARED)
def test_a_script_is_written_anew(script: str, prepared: str) -> None:
    """Comments and the transaction around it go, names without a schema become public's."""
    analysis = analyse(script)
    assert analysis.findings == ()
    assert analysis.prepared_script == prepared


ACCEPTED = [
    "insert into jobs (id) values (7) on conflict (id) do update set done = excluded.done",
    "insert into jobs (id, done) values (7, default) on conflict do nothing",
    "insert into jobs (id) select (x->>'id')::int from jsonb_array_elements($1->'ids') as x",
    "insert into jobs (id) select id from jsonb_to_recordset($1->'rows') as r(id int, done text)",
    "insert into jobs default values",
    "delete from jobs using users where jobs.id = users.id",
    "delete from users u where exists (select 1 from jobs j where j.id = u.id)",
    "delete from only jobs where id = 1",
    "update users set (status, name) = (select 'active'::status, 'x') where id = 1",
    "update users set name = case when id > 0 then 'x' else upper(name) end where id < 9",
    "update users set name = 'x' where id between 1 and 9",
    "update users set name = coalesce(nullif(name, ''), $2->>'message') where id in (1, 2)",
    "update users set name = 'x' where id = any(array[1, 2])",
    "update users set created_at = current_timestamp at time zone 'utc' where id = 1",
    "update users set data = jsonb_set(data, '{a}', to_jsonb(now())) where data ? 'a'",
    "update users set name = 'x' where not data @> '{}'",
    "update users set name = trim(both ' ' from substring(name from 1 for 3)) where id = 1",
    "select count(*) filter (where id > 1) over (partition by status order by id) from users",
    "select extract(epoch from now()), greatest(1, 2), date_trunc('day', now())",
    "select gen_random_uuid(), md5('x')",
    "select status, sum(id) from users group by rollup (status) having sum(id) > 1 limit 3",
    "select id from users union select id from jobs except select 1",
    "select u.id from users u left join jobs j using (id) cross join lateral (select 1) x",
    "values (1, 'a'), (2, 'b')",
    "with m as (delete from jobs where id = 1 returning id) insert into jobs select id from m",
    "update users set name = $q$dollar; drop table users$q$ where id = 1",
    "update users set name = E'tab\\t' || U&'\\0041' where id = 1",
    "select ctid, xmin from users where id = 1",
]


@pytest.fixture(scope="module")
def tables(postgres: "psycopg.Connection[Any]") -> "Iterator[psycopg.Connection[Any]]":
    """The tables that the scripts speak of; they go at the end."""
    with postgres.transaction(force_rollback=True):
        postgres.execute(
            """
            create type public.status as enum ('active', 'x');
            create table public.users (id int primary key, name text, status public.status,
              data jsonb, created_at timestamptz);
            create table public.jobs (id serial primary key, done boolean); create table public.a
              (id int); create schema "My Schema"; create table "My Schema"."Weird ""Name" ("a b"
              text); create function public.run(script text, one jsonb, two jsonb) returns void
              language plpgsql set search_path = '' as $$begin execute script using one, two; end$$;
            """
        )
        yield postgres


@pytest.mark.parametrize("script", [*ACCEPTED, *(script for script, _ in PREPARED)])
def test_an_accepted_script_runs(tables: "psycopg.Connection[Any]", script: str) -> None:
    """What is prepared is valid SQL for a function with an empty search path and two parameters."""
    analysis = analyse(script)
    assert analysis.findings == ()
    with tables.transaction(force_rollback=True):
        tables.execute(
            "select public.run(%s, %s, %s)",
            (
                analysis.prepared_script,
                Jsonb({"id": 1, "ids": [{"id": 8}], "rows": [{"id": 9}]}),
                Jsonb({"message": "m"}),
            ),
        )


@pytest.mark.parametrize("script", [*ACCEPTED, *(script for script, _ in PREPARED)])
def test_preparing_twice_is_preparing_once(script: str) -> None:
    """A prepared script is its own prepared script, with the same tables and operations."""
    first = analyse(script)
    assert analyse(first.prepared_script) == first


REFUSED = [
    # no WHERE, or none that chooses
    ("delete from users", "where"),
    ("update users set name = 'x'", "where"),
    ("with d as (delete from users returning id) select * from d", "where"),
    ("with u as (update users set name = 'x' returning id) select * from u", "where"),
    ("delete from users where true", "where"),
    ("delete from users where 1 = 1", "where"),
    ("insert into jobs (id) select 1; delete from users", "where"),
    # other statements
    ("drop table users", "statement"),
    ("create table x (id int)", "statement"),
    ("create table x as select 1", "statement"),
    ("select 1 into x", "select_into"),
    ("select * into temp x from users", "select_into"),
    ("alter table users add column x int", "statement"),
    ("truncate users", "statement"),
    ("grant select on users to anon", "statement"),
    ("revoke select on users from anon", "statement"),
    ("set role postgres", "statement"),
    ("reset role", "statement"),
    ("set local statement_timeout = 0", "statement"),
    ("show all", "statement"),
    ("do $$ begin null; end $$", "statement"),
    ("copy users to program 'cat'", "statement"),
    ("copy (select 1) to stdout", "statement"),
    ("lock table users", "statement"),
    ("prepare x as select 1", "statement"),
    ("execute x", "statement"),
    ("deallocate all", "statement"),
    ("explain analyze delete from users where id = 1", "statement"),
    ("call restart_pg_pool()", "statement"),
    ("declare c cursor for select 1", "statement"),
    ("fetch all from c", "statement"),
    ("listen x", "statement"),
    ("notify x", "statement"),
    ("vacuum users", "statement"),
    ("analyze users", "statement"),
    ("refresh materialized view v", "statement"),
    ("reindex table users", "statement"),
    ("comment on table users is 'x'", "statement"),
    ("security label on table users is 'x'", "statement"),
    ("merge into users u using jobs j on u.id = j.id when matched then delete", "statement"),
    ("savepoint a", "statement"),
    ("rollback", "statement"),
    ("begin; delete from users where id = 1", "transaction"),
    ("delete from users where id = 1; commit", "transaction"),
    ("begin isolation level serializable; select 1; commit", "transaction"),
    ("begin; select 1; commit; select 2; commit", "statement"),
    ("begin; select 1; commit and chain", "transaction"),
    ("begin; select 1; commit; begin; select 2; commit", "statement"),
    # schemas
    ("update auth.users set email = 'x' where id = '1'", "schema"),
    ("delete from ops.error_patterns where id = 1", "schema"),
    ("insert into vault.secrets (secret) values ('x')", "schema"),
    ("delete from storage.objects where id = '1'", "schema"),
    ("insert into cron.job (command) values ('x')", "schema"),
    ("insert into net.http_request_queue default values", "schema"),
    ("delete from supabase_migrations.schema_migrations where version = '1'", "schema"),
    ("update pg_catalog.pg_class set relname = 'x' where oid = 1", "schema"),
    ("update pg_temp.users set name = 'x' where id = 1", "schema"),
    ("with d as (delete from auth.users where id = '1' returning id) select * from d", "schema"),
    ("select * from auth.users", "schema"),
    ("select * from vault.decrypted_secrets", "schema"),
    ("select * from pg_catalog.pg_authid", "schema"),
    ("select * from information_schema.tables", "schema"),
    ("select (select secret from vault.secrets limit 1)", "schema"),
    ("select 1 from users where exists (select 1 from auth.users)", "schema"),
    ("select * from other.public.users", "schema"),
    # functions
    ("select pg_sleep(10)", "function"),
    ("select pg_catalog.pg_sleep(10)", "function"),
    ("select pg_read_file('/etc/passwd')", "function"),
    ("select pg_terminate_backend(1)", "function"),
    ("select lo_import('/etc/passwd')", "function"),
    ("select dblink('x', 'y')", "function"),
    ("select public.dblink_exec('x', 'y')", "function"),
    ("select set_config('role', 'postgres', false)", "function"),
    ("select current_setting('x')", "function"),
    ("select query_to_xml('delete from users', true, true, '')", "function"),
    ("select ts_stat('delete from users')", "function"),
    ("select txid_current()", "function"),
    ("select nextval('s')", "function"),
    ("select unknown_function(1)", "function"),
    ("select public.mine(1)", "function"),
    ("select net.http_post('http://x')", "function"),
    ("select * from generate_series(1, 1000000000)", "function"),
    ("select * from pg_ls_dir('/')", "function"),
    ("select repeat('x', 1000000000)", "function"),
    ("select regclass('users')", "function"),
    ("select int4('1')", "function"),
    ("update users set name = pg_read_file('x') where id = 1", "function"),
    ("insert into jobs (id) values (1) on conflict (id) do update set id = nextval('s')", "function"),
    ("select 1 from users order by pg_sleep(1)", "function"),
    ("select current_user", "function"),
    ("select session_user", "function"),
    ("select count(*) over (order by pg_sleep(1)) from users", "function"),
    ("select string_agg(name, pg_read_file('x')) from users", "function"),
    # types
    ("select 'users'::regclass", "type"),
    ("select cast('pg_sleep' as regproc)", "type"),
    ("select 'x'::pg_catalog.regrole", "type"),
    ("select '{users}'::regclass[]", "type"),
    ("select 1::oid", "type"),
    ("select 'x'::auth.factor_type", "type"),
    ("select * from jsonb_to_recordset($1) as x(a regclass)", "type"),
    # constructs
    ("select * from users tablesample system (1)", "construct"),
    ("delete from users where current of c", "construct"),
    ("select xmlelement(name a)", "construct"),
    ("select 1 operator(public.+) 2", "operator"),
    ("select 1 from users order by id using operator(public.<)", "operator"),
    ("select $3", "parameter"),
    ("select $0", "parameter"),
    ("select $1, $99", "parameter"),
    # not SQL, or none at all
    ("selec 1", "syntax"),
    ("\\! rm -rf /", "syntax"),
    ("select 'open", "syntax"),
    ("", "empty"),
    ("-- nothing", "empty"),
    (";;;", "empty"),
    ("begin; commit", "empty"),
    ("select 1\0; drop table users", "encoding"),
    ("select '\ud800'", "encoding"),
    ("select '" + "x" * MAX_BYTES + "'", "size"),
]  # fmt: skip


@pytest.mark.parametrize(("script", "rule"), REFUSED, ids=lambda value: value[:60])
def test_a_script_is_refused(script: str, rule: str) -> None:
    """By the rule that it breaks, with nothing prepared."""
    analysis = analyse(script)
    assert rule in {finding.rule for finding in analysis.findings}
    assert not analysis.accepted
    assert analysis.prepared_script == ""


BOMBS = [
    ("select ", "(", "1", ")"),
    ("select ", "not ", "true", ""),
    ("select ", "- ", "a", ""),
    ("select 1", "+1", "", ""),
    ("select ''", "||''", "", ""),
    ("select 1", "::int", "", ""),
    ("select 1", " union select 1", "", ""),
    ("select ", "case when true then ", "1", " end"),
    ("select * from ", "(select * from ", "a", ") x"),
    ("select * from a", " join b on true", "", ""),
    ("select ", "array[", "1", "]"),
    ("select ", "coalesce(", "1", ")"),
    ("", "with a as (", "select 1", ") select 1"),
    ("delete from users where id = 1", " and id = 1", "", ""),
    ("delete from users where id in (1", ", 1", ")", ""),
]


@pytest.mark.parametrize(("start", "opening", "middle", "closing"), BOMBS)
def test_nesting_bombs_are_survived(start: str, opening: str, middle: str, closing: str) -> None:
    """A deep or wide script of up to 64 KiB is answered in seconds, never with a crash."""
    times = (MAX_BYTES - 200) // (len(opening) + len(closing))
    began = time.perf_counter()
    analysis = analyse(start + opening * times + middle + closing * times)
    assert time.perf_counter() - began < 10
    assert {finding.rule for finding in analysis.findings} <= {"depth", "syntax"}


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("delete from users", "delete on public.users has no WHERE: it would touch every row"),
        (
            "update users u set name = 'x' where 1 = 1",
            "update on public.users: its WHERE does not depend on a column of u",
        ),
        (
            "drop table users",
            "DROP is not allowed: a fix is made of SELECT, INSERT, UPDATE, DELETE",
        ),
        ("select pg_sleep(1)", "pg_sleep() is never allowed in a fix"),
    ],
)
def test_a_finding_says_what_is_wrong(script: str, message: str) -> None:
    """In words of SQL, with the names of the script."""
    assert [finding.message for finding in analyse(script).findings] == [message]


def test_a_syntax_error_tells_its_place() -> None:
    """Line and column, counted from 1."""
    (finding,) = analyse("select 1;\nselect '日本', ,").findings
    assert finding.message.endswith("line 2, column 14")


def test_all_findings_are_told_at_once() -> None:
    """Whoever writes a script learns everything that is wrong with it."""
    rules = [
        finding.rule
        for finding in analyse("drop table x; delete from auth.users; select $3").findings
    ]
    assert rules == ["statement", "schema", "where", "parameter"]


def test_tables_and_operations_are_named() -> None:
    """Read and written tables with their schema, each operation in its order."""
    analysis = analyse(
        "with gone as (delete from jobs where id = 1 returning id)"
        " update users set name = 'x' from gone, billing.accounts a where users.id = gone.id"
    )
    assert analysis.findings == ()
    assert analysis.tables == ("billing.accounts", "public.jobs", "public.users")
    assert analysis.written_tables == ("public.jobs", "public.users")
    assert analysis.operations == ("delete public.jobs", "update public.users")
    assert analysis.writes
    assert not analyse("select * from users").writes


GRANTED = [
    ("select id from auth.users", {"reads": ["auth.users"]}, True),
    ("select id from auth.users", {"reads": ["auth.identities"]}, False),
    ("select id from auth.users", {"reads": "auth.users"}, False),
    ("select * from vault.decrypted_secrets", {"reads": ["vault.decrypted_secrets"]}, False),
    ("select * from pg_catalog.pg_class", {"reads": ["pg_catalog.pg_class"]}, False),
    ("delete from auth.users where id = '1'", {"reads": ["auth.users"]}, False),
    ("select public.mine(1)", {"functions": ["public.mine"]}, True),
    ("select mine(1)", {"functions": ["public.mine"]}, False),
    ("select random()", {"functions": ["random"]}, True),
    ("select pg_sleep(1)", {"functions": ["pg_sleep"]}, False),
    ("select public.dblink('x')", {"functions": ["public.dblink"]}, False),
    ("select net.http_post('x')", {"functions": ["net.http_post"]}, False),
    ("select fix.execute('x')", {"functions": ["fix.execute"]}, False),
    ("select 1", {"functions": [1]}, False),
    ("select 1", {"other": object()}, True),
]


@pytest.mark.parametrize(("script", "parameters", "accepted"), GRANTED)
def test_an_approval_widens_the_lists_but_not_all(
    script: str, parameters: dict[str, object], accepted: bool
) -> None:
    """Tables to read and functions to call may be named; secrets, catalogue and dangers never."""
    assert analyse(script, parameters).accepted is accepted


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)


@given(TEXTS, st.integers(), st.floats(allow_nan=False, allow_infinity=False))
@example("\\'; drop table users; --", -1, -0.0)
def test_literals_survive(
    postgres: "psycopg.Connection[Any]", text: str, number: int, decimal: float
) -> None:
    """Whatever a literal holds, the prepared script holds the same value."""
    script = f"select {_quoted(text)}, {number}::numeric, {decimal!r}::float8"
    analysis = analyse(script)
    assert analysis.findings == ()
    assert postgres.execute(analysis.prepared_script).fetchone() == (text, number, decimal)


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=15)


@given(NAMES, NAMES)
def test_names_survive(table: str, column: str) -> None:
    """Quoted names come back as they were, in public."""
    quoted = ['"' + name.replace('"', '""') + '"' for name in (table, column)]
    analysis = analyse("update {} set {} = 1 where {} is null".format(*quoted, quoted[1]))
    assert analysis.findings == ()
    assert analysis.written_tables == (f"public.{table}",)
    assert analyse(analysis.prepared_script) == analysis
