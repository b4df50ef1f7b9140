"""The pgTAP tests in supabase/tests pass where the server carries pgTAP."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pattern_engine.local.project import Project
from pattern_engine.local.servers import find_server

if TYPE_CHECKING:
    from tests.conftest import ServerName, Sql

FILES = sorted((Project.find(Path(__file__).parent).root / "supabase" / "tests").glob("*.sql"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_pgtap_tests_pass(
    server: ServerName, admin: Sql, addresses: dict[str, Any], file: Path
) -> None:
    """Each file runs as many tests as it planned, and none fails."""
    if not admin.rows("select from pg_available_extensions where name = 'pgtap'"):
        pytest.skip("this server does not carry pgTAP")
    finished = subprocess.run(
        [
            find_server(server).programs / "psql",
            *("--no-psqlrc", "--quiet", "--tuples-only", "--no-align"),
            *("--set", "ON_ERROR_STOP=1", "--file", file, addresses["admin_db_url"]),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    lines = finished.stdout.splitlines()
    planned = next(int(line.removeprefix("1..")) for line in lines if line.startswith("1.."))
    assert [line for line in lines if line.startswith(("not ok", "#"))] == []
    assert sum(line.startswith("ok ") for line in lines) == planned
