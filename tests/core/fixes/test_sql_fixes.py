"""Which SQL scripts the analysis accepts as fixes, and how it rewrites them."""

import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from psycopg.types.json import Jsonb

from pattern_engine.fixes.analysis import MAX_BYTES, Sample
from pattern_engine.fixes.sql import allowed
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
            " AND created_at >= (now() - '24 hours'::interval) RETURNING id"
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
            " UPDATE public.jobs SET done = false FROM stuck WHERE jobs.id = stuck.id"
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
        "SELECT * FROM (WITH a AS (SELECT 1) SELECT * FROM a) x, public.a",
    ),
    ("select 1 from users u for update of u", "SELECT 1 FROM public.users u FOR UPDATE OF u"),
    (
        "update users set status = 'x'::status where id = ($1->>'id')::int",
        ("UPDATE public.users SET status = 'x'::public.status WHERE id = ($1 ->> 'id')::int"),
    ),
    (
        'update "My Schema"."Weird ""Name" set "a b" = \'it\'\'s\' where "a b" is null',
        'UPDATE "My Schema"."Weird ""Name" SET "a b" = \'it\'\'s\' WHERE "a b" IS NULL',
    ),
    # PostgreSQL 15 does not know BY TARGET.
    (
        (
            "merge into users u using jobs j on u.id = j.id when matched and j.done then update set"
            " name = 'x' when matched then delete when not matched then insert (id) values (j.id)"
        ),
        (
            "MERGE INTO public.users u USING public.jobs j ON u.id = j.id"
            " WHEN MATCHED AND j.done THEN UPDATE SET name = 'x' WHEN MATCHED THEN DELETE"
            " WHEN NOT MATCHED THEN INSERT (id) VALUES (j.id)"
        ),
    ),
    ("select 'a\\b'", "SELECT E'a\\\\b'"),
    ("select 1; select 2", "SELECT 1;\nSELECT 2"),
    ("/* drop table users; */ select 1 -- ; drop table users", "SELECT 1"),
]


@pytest.mark.parametrize(("script", "prepared"), PREPARED)
def test_a_script_is_written_anew(script: str, prepared: str) -> None:
    """Comments and the surrounding transaction are removed, and names get the schema public."""
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
    'select name collate "C" from users where id = 1',
    "select make_interval(hours => 2), lpad(name, 8, '0'), format('%s-%L', name, 1) from users",
    "select g from generate_series(1, 100) g",
    "select pg_sleep(0.01)",
    "update users set name = 'x' where id = 1; select pg_catalog.pg_sleep(0)",
    "select d from generate_series(now() - interval '7 days', now(), '1 day') d",
    "select (u).id, u.* from users u",
    "select * from jsonb_populate_record(null::users, $1)",
]


@pytest.fixture(scope="module")
def tables(postgres: "psycopg.Connection[Any]") -> "Iterator[psycopg.Connection[Any]]":
    """Create the tables of the scripts, and drop them at the end."""
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
    """The prepared script runs in a function with an empty search path and two parameters."""
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
    """Preparing a prepared script changes neither it nor its tables and operations."""
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
    ("select pg_sleep(1.01)", "function"),
    ("select pg_sleep(1), 2", "function"),
    ("select pg_sleep(1) from users", "function"),
    ("select pg_sleep(id) from users", "function"),
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
    ("select repeat('x', id) from users", "function"),
    ("select format('%1000000000s', 'x')", "function"),
    ("select * from generate_series(now(), now() + '1 year', '1 millisecond')", "function"),
    ("select f.pg_read_file from unnest(array['x']) f", "function"),
    ("select (1.5::float8).pg_sleep", "function"),
    ("with recursive r as (select 1 union all select 1 from r) select * from r", "recursion"),
    ("select 1 collate public.mine", "construct"),
    ("select * from pg_authid", "schema"),
    ("select 1 from users u for update of public.u", "schema"),
    ("merge into users u using jobs j on u.id = 1 when matched then delete", "where"),
    ("merge into auth.users u using jobs j on u.id = j.id when matched then delete", "schema"),
    ("select 'sk_" + "live_4eC39HqLyjWDarjtT1zdp7dc'", "credential"),
    ("select 1 -- sk_" + "live_4eC39HqLyjWDarjtT1zdp7dc", "credential"),
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
    """Each script is refused by the rule that it breaks, and nothing is prepared."""
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
    ("delete from a where ", "exists (select 1 from a where ", "id = 1", ")"),
    ("delete from a where ", "id = (select id from a where ", "id = 1", ")"),
    ("delete from a where id = 1", "-id", " = 1", ""),
    ("delete from a where id = ", "coalesce($1, ", "id", ")"),
    ("delete from a where id = 1", " or id <> b", "", ""),
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
    """The analysis of a deep or wide script of up to 64 KiB ends in seconds, without a crash."""
    times = (MAX_BYTES - 200) // (len(opening) + len(closing))
    began = time.process_time()
    analysis = analyse(start + opening * times + middle + closing * times)
    for shallow in (5, 10, 20):
        analyse(start + opening * shallow + middle + closing * shallow)
    assert time.process_time() - began < 10
    assert {finding.rule for finding in analysis.findings} <= {"depth", "syntax", "where"}


@pytest.mark.parametrize(
    "script",
    [
        "select " + "not " * 50 + "true",
        "select " + "not " * 75 + "true",
        "select " + "||".join(["'a'"] * 60),
        "select " + "||".join(["'a'"] * 75),
        "update users set name = 'x' where id = 1 and " + "not " * 70 + "(name = 'y')",
        "select " + "(select " * 25 + "1" + ")" * 25,
    ],
)
def test_a_script_may_be_deep(script: str) -> None:
    """Depth is limited by the rule alone, not by what carries a tree to Python and back."""
    assert analyse(script).findings == ()


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("select '😀ü' frm y z", 'syntax error at or near "y", line 1, column 17'),
        ("select 1;\n 'ö' ) x", "syntax error at or near \"'ö'\", line 2, column 2"),
        ("select 1 as {x}", 'syntax error at or near "{", line 1, column 13'),
        ("select 'abc", 'unterminated quoted string at or near "\'abc", line 1, column 8'),
        (
            "create function f() returns int begin atomic select 1",
            "syntax error at end of input, line 1, column 54",
        ),
        (
            "select E'\\xff\\xfe'",
            'invalid byte sequence for encoding "UTF8": 0xff, line 1, column 1',
        ),
    ],
)
def test_a_syntax_error_says_where(script: str, message: str) -> None:
    """The place is a line and a column in characters, or the beginning if nothing tells it."""
    assert analyse(script).findings == (("syntax", message),)


def test_queries_that_name_each_other_twice_are_survived() -> None:
    """Each WITH query is analysed once, even if later ones name it twice."""
    queries = ", ".join(f"q{n} as (select a.id from q{n - 1} a, q{n - 1} b)" for n in range(1, 21))
    script = f"with q0 as (select id from t), {queries} delete from t using q20 q where q.id = t.id"
    began = time.process_time()
    assert [finding.rule for finding in analyse(script).findings] == ["where"]
    assert time.process_time() - began < 10


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (
            "delete from users",
            "delete on public.users has no WHERE, so it would touch every row; add a WHERE",
        ),
        (
            "update users u set name = 'x' where 1 = 1",
            "update on public.users may touch every row: its WHERE does not choose by a column of u",
        ),
        (
            "drop table users",
            "DROP is not allowed; a fix may contain SELECT, INSERT, UPDATE, DELETE, MERGE",
        ),
        ("select pg_sleep(2)", "pg_sleep() is refused: no fix may call it"),
    ],
)
def test_a_finding_says_what_is_wrong(script: str, message: str) -> None:
    """A message uses the words of SQL and the names of the script."""
    assert [finding.message for finding in analyse(script).findings] == [message]


def test_a_syntax_error_has_its_place() -> None:
    """A syntax error has its line and column, counted from 1."""
    (finding,) = analyse("select 1;\nselect '日本', ,").findings
    assert finding.message.endswith("line 2, column 14")


def test_all_findings_are_returned_at_once() -> None:
    """An analysis returns all findings, not only the first."""
    rules = [
        finding.rule
        for finding in analyse("drop table x; delete from auth.users; select $3").findings
    ]
    assert rules == ["statement", "schema", "where", "parameter"]


def test_tables_and_operations_are_named() -> None:
    """An analysis lists read and written tables with their schema, and operations in order."""
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
    ("select mine(1)", {"functions": ["public.mine"]}, True),
    ("select random()", {"functions": ["random"]}, True),
    ("select pg_sleep(2)", {"functions": ["pg_sleep"]}, False),
    ("select public.dblink('x')", {"functions": ["public.dblink"]}, False),
    ("select net.http_post('x')", {"functions": ["net.http_post"]}, False),
    ("select fix.execute('x')", {"functions": ["fix.execute"]}, False),
    ("select extensions.unaccent('x')", {"functions": ["extensions.unaccent"]}, True),
    ("select extensions.dblink('x')", {"functions": ["extensions.dblink"]}, False),
    ("select id from auth.users for share", {"reads": ["auth.users"]}, False),
    ("select 1", {"functions": [1]}, False),
    ("select 1", {"other": object()}, True),
]


@pytest.mark.parametrize(("script", "parameters", "accepted"), GRANTED)
def test_an_approval_widens_the_lists_but_not_all(
    script: str, parameters: dict[str, object], accepted: bool
) -> None:
    """An approval can add tables and functions, but no secrets, catalogue or forbidden function."""
    assert analyse(script, parameters).accepted is accepted


def test_a_granted_function_without_a_schema_is_public() -> None:
    """A granted function without a schema gets the schema public."""
    assert analyse("select mine(1)", {"functions": ["public.mine"]}).prepared_script == (
        "SELECT public.mine(1)"
    )
    assert analyse("select mine(1)", {"functions": ["billing.mine"]}).findings


def test_deletes_are_listed_as_destructive() -> None:
    """Every delete is listed as destructive, at any depth and in a branch of a MERGE."""
    deleting = analyse(
        "with gone as (delete from sessions where id = 1 returning id)"
        " update users set name = 'x' from gone where users.id = gone.id"
    )
    assert deleting.destructive == ("delete public.sessions",)
    merge = "merge into users u using jobs j on u.id = j.id when matched then "
    assert analyse(merge + "delete").destructive == ("delete public.users",)
    assert analyse(merge + "update set name = 'x'").destructive == ()
    assert analyse(merge + "delete").operations == ("merge public.users",)


SAMPLED = [
    (
        "update users u set name = 'x' from jobs j where j.id = u.id and u.name is null",
        (
            'SELECT to_jsonb(u.*) AS "row" FROM public.users u, public.jobs j'
            " WHERE j.id = u.id AND u.name IS NULL LIMIT 5"
        ),
    ),
    (
        "with old as (select id from jobs) delete from users where id in (select id from old)",
        (
            'WITH old AS (SELECT id FROM public.jobs) SELECT to_jsonb(users.*) AS "row"'
            " FROM public.users WHERE id IN (SELECT id FROM old) LIMIT 5"
        ),
    ),
    (
        "delete from only users where id = ($1->>'id')::int returning id",
        (
            'SELECT to_jsonb(users.*) AS "row" FROM ONLY public.users'
            " WHERE id = ($1 ->> 'id')::int LIMIT 5"
        ),
    ),
]


@pytest.mark.parametrize(("script", "before"), SAMPLED)
def test_a_sample_reads_the_rows_that_the_script_changes(script: str, before: str) -> None:
    """The query of a sample has the table, alias, FROM, WITH and WHERE of its script."""
    assert analyse(script).sample == Sample("public.users", before)


@pytest.mark.parametrize(
    "script",
    [
        "select id from users",
        "insert into users (id) values (1)",
        "merge into users u using jobs j on u.id = j.id when matched then delete",
        "delete from users where id = 1; delete from users where id = 2",
        "with j as (delete from jobs where id = 1 returning id) delete from users using j where users.id = j.id",
        "delete from users",
    ],
)
def test_other_scripts_have_no_sample(script: str) -> None:
    """Other or several statements, writing WITH queries and refused scripts have no sample."""
    assert analyse(script).sample is None


CONDITIONS = st.recursive(
    st.sampled_from(
        ["{}.id = 1", "{}.name is null", "{}.id = ($1->>'id')::int", "{}.id in (select id from jobs)",
         "{}.data @> $2", "not {}.id > 3", "{}.name like 'a%'"]
    ),
    lambda inner: st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(
        lambda parts: f"({' '.join(parts)})"
    ),
    max_leaves=4,
)  # fmt: skip


@given(CONDITIONS, st.booleans(), st.booleans(), st.sampled_from(["update", "delete"]))
def test_a_sample_reads_what_the_script_writes(
    condition: str, aliased: bool, joined: bool, kind: str
) -> None:
    """The query of a sample is accepted, writes nothing, and reads the tables of its script."""
    name = "u" if aliased else "users"
    table = "users u" if aliased else "users"
    start = (
        f"update {table} set name = 'x' from" if kind == "update" else f"delete from {table} using"
    )
    if not joined:
        start = start.removesuffix(" from").removesuffix(" using")
    others = " jobs j where j.id = {}.id and" if joined else " where"
    analysis = analyse((start + others + " " + condition).replace("{}", name))
    assert analysis.sample is not None
    reading = analyse(analysis.sample.before)
    assert reading.findings == ()
    assert not reading.writes
    assert analysis.sample.table in reading.tables
    assert set(reading.tables) == set(analysis.tables)


def test_a_sample_shows_five_rows_at_most(tables: "psycopg.Connection[Any]") -> None:
    """A sample has up to five of the rows that the script changes, as JSON."""
    sample = analyse("update users set name = 'y' where id > 3 and name = 'x'").sample
    assert sample is not None
    with tables.transaction(force_rollback=True):
        tables.execute("insert into users (id, name) select n, 'x' from generate_series(1, 20) n")
        rows = [row for (row,) in tables.execute(sample.before)]
    assert len(rows) == 5
    assert all(row["id"] > 3 and row["name"] == "x" for row in rows)


def test_every_listed_function_exists(postgres: "psycopg.Connection[Any]") -> None:
    """Every listed function exists in the catalogue of a real server."""
    there = {name for (name,) in postgres.execute(IN_CATALOGUE + "true")}
    assert set(allowed.SIZED_FUNCTIONS) | allowed.FUNCTIONS <= there


IN_CATALOGUE = """
select proname::text from pg_catalog.pg_proc
where pronamespace = 'pg_catalog'::regnamespace and """
#: Volatile functions that change nothing outside of their own result.
HARMLESS = {"random_normal", "array_sample", "array_shuffle", "timeofday"}
NOT_CALLABLE = "prorettype::regtype::text !~ 'trigger|handler' and not proargtypes::oid[] && array['internal', 'cstring']::regtype[]::oid[] and prorettype::regtype::text !~ 'internal'"


def test_a_function_that_does_something_is_forbidden(postgres: "psycopg.Connection[Any]") -> None:
    """Every volatile function of the server is listed, known as harmless, or forbidden."""
    volatile = postgres.execute(f"{IN_CATALOGUE} provolatile = 'v' and {NOT_CALLABLE}")
    left = {
        name
        for (name,) in volatile
        if name not in allowed.FUNCTIONS | HARMLESS
        and not allowed.FORBIDDEN_FUNCTION.fullmatch(name)
    }
    assert left == set()


def test_a_function_cannot_be_called_as_a_column(postgres: "psycopg.Connection[Any]") -> None:
    """`x.name` can call `name(x)`, so the names of forbidden functions are refused as columns."""
    called = postgres.execute("select f.upper from unnest(array['a']) f").fetchone()
    assert called == ("A",)
    volatile = postgres.execute(
        f"{IN_CATALOGUE} provolatile = 'v' and pronargs >= 1 and pronargs - pronargdefaults <= 1"
        f" and {NOT_CALLABLE}"
    )
    for (name,) in volatile:
        if name not in allowed.FUNCTIONS | HARMLESS:
            assert analyse(f'select f."{name}" from unnest($1) f').findings != (), name


@pytest.mark.parametrize("arguments", ["", "name", "name, id", "name, 1, id"])
def test_no_function_confuses_the_analysis(arguments: str) -> None:
    """A call with too few or too many arguments does not break the analysis."""
    for name in sorted(allowed.FUNCTIONS | set(allowed.SIZED_FUNCTIONS)):
        for start in ("", "1 < ", "'x' like ", "not "):
            quoted = f'pg_catalog."{name}"({arguments})'
            analyse(f"delete from users where {start}{quoted} and id = 1")
            analyse(f"delete from users where {quoted} >= 1")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)


@given(TEXTS, st.integers(), st.floats(allow_nan=False, allow_infinity=False))
@example("\\'; drop table users; --", -1, -0.0)
def test_literals_survive(
    postgres: "psycopg.Connection[Any]", text: str, number: int, decimal: float
) -> None:
    """A literal keeps its value in the prepared script, under all settings of the server."""
    script = f"select {_quoted(text)}, {number}::numeric, {decimal!r}::float8"
    analysis = analyse(script)
    assert analysis.findings == ()
    for conforming in ("on", "off"):
        with postgres.transaction(force_rollback=True):
            postgres.execute(f"set local standard_conforming_strings = {conforming}")
            row = postgres.execute(analysis.prepared_script).fetchone()
        assert row == (text, number, decimal)


SYSTEM = {"tableoid", "xmin", "xmax", "cmin", "cmax"}
#: The server's own names are refused, or choose no row.
NAMES = st.text(
    st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=15
).filter(lambda name: not name.startswith("pg_") and name not in SYSTEM)


@given(NAMES, NAMES)
def test_names_survive(table: str, column: str) -> None:
    """Quoted names stay as they are, in the schema public."""
    quoted = ['"' + name.replace('"', '""') + '"' for name in (table, column)]
    analysis = analyse("update {} set {} = 1 where {} is null".format(*quoted, quoted[1]))
    assert analysis.findings == ()
    assert analysis.written_tables == (f"public.{table}",)
    assert analyse(analysis.prepared_script) == analysis
