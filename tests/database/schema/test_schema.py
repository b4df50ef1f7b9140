"""The schema is the one that is kept in supabase/schema.sql, and keeps rules that no dump states."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from docs import migrated
from psycopg.errors import CheckViolation

if TYPE_CHECKING:
    from tests.conftest import ServerName, Sql
    from tests.database.conftest import Patterns


def test_the_schema_is_the_one_that_is_kept(server: ServerName, addresses: dict[str, Any]) -> None:
    """What the migrations make is supabase/schema.sql, to the letter, as PostgreSQL 18 shows it."""
    if server != "wheel":
        pytest.skip("the schema is kept as PostgreSQL 18 shows it")
    kept = migrated.SCHEMA.read_text(encoding="utf-8")
    assert kept == migrated.schema(addresses["db_url"]), "run: make schema"


def test_every_foreign_key_has_an_index(database: Sql) -> None:
    """Some index begins with a foreign key's columns, so that deleting does not read the table."""
    rows = database.rows("""
        select c.conrelid::regclass::text || ' ' || c.conname as bare
        from pg_constraint as c
        where c.contype = 'f' and c.connamespace = 'ops'::regnamespace
          and not exists (
            select from pg_index as i
            where i.indrelid = c.conrelid and i.indpred is null
              and (i.indkey::smallint[])[0:cardinality(c.conkey) - 1] = c.conkey)
    """)
    assert rows == []


def test_every_object_is_described(database: Sql) -> None:
    """Each schema, table, view, column and function carries a comment.

    But not a function of ops_internal that does the work of one of ops, and has its name.
    """
    rows = database.rows("""
        with ours as (
          select oid, nspname from pg_namespace where nspname in ('ops', 'ops_internal', 'fix'))
        select nspname::text as name from ours where obj_description(oid, 'pg_namespace') is null
        union all
        select format('%I.%I', nspname, relname)
        from pg_class join ours on ours.oid = relnamespace
        where relkind in ('r', 'm', 'v') and obj_description(pg_class.oid, 'pg_class') is null
        union all
        select format('%I.%I.%I', nspname, relname, attname)
        from pg_attribute join pg_class on pg_class.oid = attrelid
        join ours on ours.oid = relnamespace
        where relkind in ('r', 'm', 'v') and attnum > 0 and not attisdropped
          and col_description(attrelid, attnum) is null
        union all
        select pg_proc.oid::regprocedure::text
        from pg_proc join ours on ours.oid = pronamespace
        where obj_description(pg_proc.oid, 'pg_proc') is null
          and not (nspname = 'ops_internal'
            and exists (select from pg_proc as exposed
              where exposed.pronamespace = 'ops'::regnamespace
                and exposed.proname = pg_proc.proname || '_v1'))
    """)
    assert [row["name"] for row in rows] == []


def test_every_table_has_row_level_security(database: Sql) -> None:
    """No table of schema ops is without row-level security."""
    rows = database.rows("""
        select relname from pg_class
        where relnamespace = 'ops'::regnamespace and relkind in ('r', 'p') and not relrowsecurity
    """)
    assert rows == []


def test_every_function_has_a_fixed_search_path(database: Sql) -> None:
    """No function looks a name up in a schema that its caller chose."""
    rows = database.rows("""
        select oid::regprocedure::text as name from pg_proc
        where pronamespace in ('ops'::regnamespace, 'ops_internal'::regnamespace,
            'fix'::regnamespace)
          and coalesce(not 'search_path=""' = any (proconfig), true)
    """)
    assert rows == []


def test_a_pattern_is_enabled_only_with_an_approved_fix(database: Sql, patterns: Patterns) -> None:
    """Nobody, not the owner either, enables a pattern that has no approved fix."""
    with pytest.raises(CheckViolation, match="enabled_means_approved"):
        database.run(
            "update ops.error_patterns set auto_fix_enabled = true where pattern_id = %s",
            patterns.new(),
        )
