"""The supervisor: what is started, what is told when it fails, and that nothing is left behind."""

import json
import os
import re
import shutil
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from pattern_engine.local.errors import (
    AlreadyRunningError,
    MigrationsChangedError,
    PortInUseError,
)
from pattern_engine.local.processes import wait_until
from pattern_engine.local.stack import Stack, read_status
from pattern_engine.local.state import State

TINY_PROJECT = Path(__file__).parents[1] / "project"


def _query(url: str, statement: str) -> Any:
    with psycopg.connect(url, autocommit=True) as connection:
        return connection.execute(statement.encode()).fetchone()


def _make_table(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("create table public.kept as select 7 as number")


def test_two_stacks_run_side_by_side(home: Path, other_home: Path, server: Any) -> None:
    """Two stacks share neither port nor data nor keys."""
    with (
        Stack(home, port=0, server=server, project=TINY_PROJECT) as one,
        Stack(other_home, port=0, server=server, project=TINY_PROJECT) as other,
    ):
        first, second = one.status(), other.status()
        _make_table(first["db_url"])
        assert _query(second["db_url"], "select to_regclass('public.kept')") == (None,)
        for name in ("api_url", "db_url", "publishable_key", "secret_key", "jwt_secret"):
            assert first[name] != second[name]


def test_a_restart_keeps_data_keys_and_address(home: Path, server: Any) -> None:
    """A restart takes no 5 seconds; what was written, the keys and the addresses are the same."""
    with Stack(home, port=0, server=server, project=TINY_PROJECT) as stack:
        before = stack.status()
        _make_table(before["db_url"])
    pushed = (home / "logs" / "migrations.log").stat().st_mtime_ns
    port = int(before["api_url"].rpartition(":")[2])
    started = time.monotonic()
    with Stack(home, port=port, project=TINY_PROJECT) as stack:
        seconds = time.monotonic() - started
        after = stack.status()
        assert _query(after["db_url"], "select number from public.kept") == (7,)
    assert after == before
    assert seconds < 5
    assert (home / "logs" / "migrations.log").stat().st_mtime_ns == pushed


def test_a_new_migration_is_applied_at_the_next_start(
    home: Path, project: Path, any_server: Any
) -> None:
    """Migrations are pushed when their files have changed."""
    with Stack(home, port=0, server=any_server, project=project):
        pass
    new = project / "supabase" / "migrations" / "20260102000000_more.sql"
    new.write_text("create table ops.more (id int primary key);")
    with Stack(home, port=0, server=any_server, project=project) as stack:
        found = _query(stack.status()["db_url"], "select to_regclass('ops.more')::text")
    assert found == ("ops.more",)


def _edit(migration: Path) -> None:
    migration.write_text(migration.read_text() + "create table ops.more (id int primary key);")


@pytest.mark.parametrize("change", [_edit, Path.unlink])
def test_a_directory_that_other_migrations_made_is_refused(
    home: Path, project: Path, any_server: Any, change: Callable[[Path], None]
) -> None:
    """`up` names the migration that has changed or is gone and what to do, and starts nothing."""
    with Stack(home, port=0, server=any_server, project=project):
        pass
    applied = project / "supabase" / "migrations" / "20260101000000_tiny.sql"
    before = applied.read_text()
    change(applied)
    refused = Stack(home, port=0, server=any_server, project=project)
    with pytest.raises(MigrationsChangedError, match=f"{applied.name}.*delete {home} .*--data-dir"):
        refused.start()
    assert State.load(home).parts == {}
    applied.write_text(before)
    with Stack(home, port=0, server=any_server, project=project) as stack:
        assert stack.status()["data_dir"] == str(home)


def test_a_directory_of_an_older_record_is_refused(
    home: Path, project: Path, any_server: Any
) -> None:
    """Where it is not recorded which migrations made the database, it counts as made by others."""
    with Stack(home, port=0, server=any_server, project=project):
        pass
    state = State.load(home)
    state.applied[any_server]["migrations"] = "0" * 64
    state.save(home)
    with pytest.raises(MigrationsChangedError, match="unknown"):
        Stack(home, port=0, server=any_server, project=project).start()


def test_a_revoked_default_privilege_stays_revoked(
    home: Path, project: Path, any_server: Any
) -> None:
    """A start never grants again what a migration has revoked."""
    new = project / "supabase" / "migrations" / "20260102000000_revoke.sql"
    new.write_text("alter default privileges in schema public revoke all on tables from anon;")
    for _ in range(2):
        with Stack(home, port=0, server=any_server, project=project) as stack:
            url = stack.status()["db_url"]
    with Stack(home, port=0, server=any_server, project=project) as stack:
        url = stack.status()["db_url"]
        _make_table(url)
        allowed = _query(url, "select has_table_privilege('anon', 'public.kept', 'select')")
    assert allowed == (False,)


def test_a_used_port_is_told(home: Path, any_server: Any) -> None:
    """A port of another program is named, before anything is started."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(PortInUseError, match=str(port)):
            Stack(home, port=port, server=any_server, project=TINY_PROJECT).start()
    assert not list(home.glob("postgres-*"))


def test_one_directory_takes_one_stack(home: Path, any_server: Any) -> None:
    """A second start in the same directory is refused and leaves the first one alone."""
    with Stack(home, port=0, server=any_server, project=TINY_PROJECT) as first:
        with pytest.raises(AlreadyRunningError, match="pattern-engine down"):
            Stack(home, port=0, server=any_server, project=TINY_PROJECT).start()
        assert first.status()["running"] is True
        assert _query(first.status()["db_url"], "select 1") == (1,)


def test_down_ends_a_detached_stack(
    command: Any, home: Path, any_server: Any, processes_of: Callable[[State], list[int]]
) -> None:
    """`up --detach` returns when all is ready; `down` leaves no process.

    The supervisor's log is ours alone, even if one with another mode was there before.
    """
    place = ["--data-dir", str(home), "--project", str(TINY_PROJECT)]
    log = home / "logs" / "supervisor.log"
    log.parent.mkdir(mode=0o755)
    log.touch(0o644)
    started = command.run("up", "--detach", "--port", "0", "--server", any_server, *place)
    assert started.returncode == 0, started.stderr
    assert [path.stat().st_mode & 0o777 for path in (log, log.parent)] == [0o600, 0o700]
    state = State.load(home)
    shown = command.run("status", "--json", *place)
    assert shown.returncode == 0
    assert httpx.get(json.loads(shown.stdout)["functions_url"] + "/echo").status_code == 200

    assert command.run("down", *place).returncode == 0
    assert processes_of(state) == []
    assert command.run("status", "--json", *place).returncode == 1
    assert "nothing was running" in command.run("down", *place).stdout


@pytest.mark.parametrize("name", ["postgres", "gateway", "functions", "worker"])
def test_a_part_that_dies_is_started_again(
    up: Any, command: Any, home: Path, name: str, processes_of: Callable[[State], list[int]]
) -> None:
    """Whichever part is killed, the stack soon works as before, and its status tells of it."""
    process = up()
    before = read_status(home)
    killed = State.load(home).parts[name].pid
    os.kill(killed, signal.SIGKILL)
    assert wait_until(lambda: _has_ended(home, name, 1) and read_status(home)["running"], 30)
    assert State.load(home).parts[name].pid != killed
    assert wait_until(lambda: _delivers(before), 30)

    after = read_status(home)
    assert {key: after[key] for key in before if key != "parts"} == {
        key: before[key] for key in before if key != "parts"
    }
    assert after["parts"][name]["reason"] == "ended with exit code -9"
    assert [part["times"] for other, part in after["parts"].items() if other != name] == [0] * 3
    shown = command.run("status", "--data-dir", str(home))
    assert shown.returncode == 0
    assert re.search(rf"^{name} +running: ended 1 times", shown.stdout, re.MULTILINE)

    state = State.load(home)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert f"{name} ended with exit code -9. The end of {home}/logs/{name}.log:" in errors
    assert processes_of(state) == []


def _has_ended(home: Path, name: str, times: int) -> bool:
    return bool(read_status(home)["parts"][name]["times"] == times)


def _delivers(status: dict[str, Any]) -> bool:
    """Return whether a request that the database queues gets the answer of a function."""
    try:
        with psycopg.connect(status["db_url"], autocommit=True) as connection:
            address = status["functions_url"] + "/echo"
            row = connection.execute("select net.http_post(%s)", (address,)).fetchone()
            query = "select status_code from net._http_response where id = %s"
            seen = wait_until(lambda: connection.execute(query, row).fetchone() == (200,), 3)
    except psycopg.OperationalError:
        return False
    headers = {"apikey": status["secret_key"], "accept-profile": "ops"}
    answer = httpx.get(status["api_url"] + "/rest/v1/notes", headers=headers, timeout=10)
    return seen and answer.status_code == 200


def test_a_part_that_cannot_be_started_is_tried_again(up: Any, command: Any, home: Path) -> None:
    """While another program has its port the stack is degraded; afterwards the part runs again."""
    up()
    status = read_status(home)
    port = int(status["api_url"].rpartition(":")[2])
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        os.kill(State.load(home).parts["gateway"].pid, signal.SIGKILL)
        assert wait_until(lambda: _binds(other, port), 5)
        assert wait_until(lambda: _has_ended(home, "gateway", 3), 30)
        shown = command.run("status", "--data-dir", str(home))
        assert shown.returncode == 1
        assert shown.stdout.startswith("degraded: gateway ended and will be started again\n")
        assert f"port {port} is used by another program" in shown.stdout
    assert wait_until(lambda: read_status(home)["running"], 30)
    assert wait_until(lambda: _delivers(status), 30)


def _binds(listener: socket.socket, port: int) -> bool:
    try:
        listener.bind(("127.0.0.1", port))
        listener.listen()
    except OSError:
        return False
    return True


def test_a_long_path_gets_a_short_socket(home: Path, any_server: Any) -> None:
    """A data directory deeper than a socket's address allows works all the same."""
    deep = home.joinpath(*["a-directory-with-a-long-name"] * 4)
    with Stack(deep, port=0, server=any_server, project=TINY_PROJECT) as stack:
        assert _query(stack.status()["db_url"], "select 1") == (1,)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as another user")
def test_a_directory_closed_to_the_servers_user_works(home: Path, server: Any) -> None:
    """Data and programs may lie where the server's user cannot go, such as below /root."""
    closed = home / "closed"
    closed.mkdir(mode=0o700)
    place = closed / "data"
    with Stack(place, port=0, server=server, project=TINY_PROJECT) as stack:
        status = stack.status()
        _make_table(status["db_url"])
        (cluster,) = _query(status["admin_db_url"], "show data_directory")
    with Stack(place, port=0, server=server, project=TINY_PROJECT) as stack:
        assert _query(stack.status()["db_url"], "select number from public.kept") == (7,)
    shutil.rmtree(Path(cluster).parent)


def test_ctrl_c_ends_everything(
    up: Any, home: Path, processes_of: Callable[[State], list[int]]
) -> None:
    """After Ctrl-C no process is left, and the exit code is 0."""
    process = up()
    state = State.load(home)
    assert len(state.parts) == 4
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 0
    assert processes_of(state) == []


def test_a_failed_start_is_told_and_leaves_nothing(
    command: Any, home: Path, project: Path, processes_of: Callable[[State], list[int]]
) -> None:
    """`up --detach` fails with the words of the migration that failed; no process is left."""
    bad = project / "supabase" / "migrations" / "20260102000000_bad.sql"
    bad.write_text("create table ops.bad (id nonsense);")
    place = ["--data-dir", str(home), "--project", str(project)]
    started = command.start("up", "--detach", "--port", "0", *place)
    assert wait_until(lambda: "gateway" in State.load(home).parts, 30)
    state = State.load(home)
    _, errors = started.communicate(timeout=60)
    assert started.returncode == 1
    assert 'type "nonsense" does not exist' in errors
    assert processes_of(state) == []


def test_a_killed_supervisor_leaves_nothing(
    up: Any, home: Path, processes_of: Callable[[State], list[int]]
) -> None:
    """The parts end with a supervisor that was killed; a start right afterwards waits for them."""
    process = up()
    state = State.load(home)
    process.kill()
    process.wait()
    assert read_status(home)["running"] is False
    assert wait_until(lambda: processes_of(state) == [], 10)
    up().kill()
    up()
    assert read_status(home)["running"] is True
