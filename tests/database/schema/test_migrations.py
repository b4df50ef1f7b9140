"""Supabase's own command line applies the migrations from empty, and its linter finds nothing."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from pattern_engine.local.node import find_node, require_packages
from pattern_engine.local.project import Project
from pattern_engine.local.servers import find_server

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import ServerName, Sql, StartStack

SCHEMAS = ("ops", "ops_internal", "fix")


def _supabase(project: Path, url: str, *command: str) -> str:
    """Run Supabase's command line on a database; return what it prints to standard output."""
    program = require_packages(Project(project)) / "supabase" / "dist" / "supabase.js"
    finished = subprocess.run(
        [find_node(), program, *command, f"--remote={url}", "--workdir", project],
        env=os.environ | {"SUPABASE_TELEMETRY_DISABLED": "1", "DO_NOT_TRACK": "1", "CI": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout + finished.stderr if command[1] == "push" else finished.stdout


def _dump(server: ServerName, url: str) -> str:
    """Return the schemas of the engine as pg_dump writes them, without its random key."""
    program = find_server(server).programs / "pg_dump"
    finished = subprocess.run(
        [program, "--schema-only", *(f"--schema={schema}" for schema in SCHEMAS), url],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    lines = finished.stdout.splitlines()
    return "\n".join(line for line in lines if not line.startswith(("\\restrict", "\\unrestrict")))


def test_migrations_from_empty_twice_are_equal(
    server: ServerName,
    start_stack: StartStack,
    bare_project: Path,
    addresses: dict[str, Any],
) -> None:
    """Two databases that began empty have the same objects, owners, privileges and comments."""
    with start_stack(server, bare_project) as second:
        once = _dump(server, addresses["db_url"])
        twice = _dump(server, second.status()["db_url"])
    assert "CREATE TABLE ops.error_patterns" in once
    assert once == twice


def test_a_projects_own_default_privileges_change_nothing(
    server: ServerName,
    start_stack: StartStack,
    bare_project: Path,
    addresses: dict[str, Any],
    tmp_path: Path,
) -> None:
    """Where a project gives all that is new to everybody, the engine's objects are not for everybody."""
    generous = shutil.copytree(bare_project, tmp_path / "generous")
    (generous / "supabase" / "migrations" / "20250101000000_generous.sql").write_text("""
        alter default privileges grant all on tables to anon, authenticated;
        alter default privileges grant all on sequences to anon, authenticated;
        alter default privileges grant all on functions to anon, authenticated;
        alter default privileges grant all on schemas to anon, authenticated;
    """)
    with start_stack(server, generous) as second:
        found = _dump(server, second.status()["db_url"])
    assert sorted(found.splitlines()) == sorted(_dump(server, addresses["db_url"]).splitlines())


def test_pushing_again_does_nothing(
    server: ServerName, bare_project: Path, addresses: dict[str, Any]
) -> None:
    """What was applied is recorded, so that a second push finds nothing to do."""
    before = _dump(server, addresses["db_url"])
    told = _supabase(bare_project, addresses["db_url"], "db", "push", "--yes")
    assert "up to date" in told
    assert _dump(server, addresses["db_url"]) == before


def test_every_migration_is_recorded(database: Sql, bare_project: Path) -> None:
    """The history has the version of each file, in order."""
    files = sorted((bare_project / "supabase" / "migrations").glob("*.sql"))
    rows = database.rows(
        "select version from supabase_migrations.schema_migrations order by version"
    )
    assert [row["version"] for row in rows] == [file.name.partition("_")[0] for file in files]


def test_supabases_linter_finds_nothing(bare_project: Path, addresses: dict[str, Any]) -> None:
    """No security or performance finding, but that a fresh database has used few indexes."""
    told = _supabase(
        bare_project,
        addresses["db_url"],
        *("db", "advisors", "--level", "info", "--output-format", "json"),
    )
    results = json.loads(told)["results"]
    found = [(row["level"], row["name"], row["detail"]) for row in results]
    assert [row for row in found if row[1] != "unused_index"] == []


_CHECK = """
select p.oid::regprocedure::text || ': ' || c as finding
from pg_proc as p
join pg_language as l on l.oid = p.prolang and l.lanname = 'plpgsql'
cross join lateral plpgsql_check_function(
  p.oid,
  case when p.prorettype = 'trigger'::regtype
    then (select tgrelid from pg_trigger where tgfoid = p.oid limit 1) else 0 end,
  oldtable := (select max(tgoldtable::text)::name from pg_trigger where tgfoid = p.oid),
  newtable := (select max(tgnewtable::text)::name from pg_trigger where tgfoid = p.oid),
  extra_warnings := true, performance_warnings := true,
  security_warnings := true, compatibility_warnings := true) as c
where p.pronamespace in ('ops'::regnamespace, 'ops_internal'::regnamespace, 'fix'::regnamespace)
"""


def test_plpgsql_check_finds_nothing(admin: Sql) -> None:
    """No function has a wrong name, a wrong type, an unused variable or an unsafe statement."""
    known = "select from pg_available_extensions where name = 'plpgsql_check'"
    if not admin.rows(known):
        pytest.skip("this server does not carry plpgsql_check")
    with admin.undone():
        admin.run("create extension if not exists plpgsql_check with schema extensions")
        admin.run("set local search_path = extensions")
        assert [row["finding"] for row in admin.rows(_CHECK)] == []
