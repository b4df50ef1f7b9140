"""What a hostile TypeScript script changes outside of its box: nothing.

The analysis is not asked here. Every script that it accepts is run, and those of the corpus that was
written without knowledge of it even where it refuses them.
"""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.core.fixes.typescript_blind_scripts import BLIND_CONTAINED, BLIND_ENDLESS, BLIND_HOSTILE
from tests.core.fixes.typescript_scripts import CONTAINED, ENDLESS, HOSTS

from pattern_engine.fixes.execution import Job, Limits, Outcome
from pattern_engine.fixes.typescript import deno
from pattern_engine.fixes.typescript.executor import Typescript
from pattern_engine.settings import Facilities

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(deno.find() is None, reason="Deno is not installed")

SECRET = "swordfish"
LIMITS = Limits(timeout_ms=1_500, max_memory_bytes=64 * 1024 * 1024)


class World:
    """A directory and a listener that a script could reach, were it not in a box."""

    def __init__(self, directory: Path, listener: socket.socket) -> None:
        self.directory = directory
        self.address = f"127.0.0.1:{listener.getsockname()[1]}"
        self._listener = listener

    def files(self) -> dict[str, bytes]:
        """Every file with what it holds."""
        found = (path for path in self.directory.rglob("*") if path.is_file())
        return {str(path): path.read_bytes() for path in found}

    def is_called(self) -> bool:
        """Whether somebody connected to the listener."""
        try:
            self._listener.accept()[0].close()
        except BlockingIOError:
            return False
        return True

    def processes(self) -> list[str]:
        """The command lines of living processes that name the directory."""
        lines = []
        for process in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                line = process.read_bytes()
            except OSError:
                continue
            if os.fsencode(self.directory) in line:
                lines.append(line.decode(errors="replace"))
        return lines


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A world with a secret in a file and in the environment, in which the box has its own directory."""
    (tmp_path / "secret").write_text(SECRET)
    monkeypatch.setenv("PATTERN_ENGINE_TEST", SECRET)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        yield World(tmp_path, listener)


def parameters(world: World) -> dict[str, object]:
    """Parameters that do what they can to help a script."""
    return {
        "allowed_hosts": list(HOSTS),
        "key": "constructor",
        "a": "constructor",
        "path": ["map", "constructor"],
        "code": f"return fetch('http://{world.address}/')",
        "url": f"http://{world.address}/",
        "suffix": f"@{world.address}",
        "file": str(world.directory / "secret"),
    }


def run(script: str, world: World) -> Outcome:
    """Run a script under those parameters."""
    error = {"message": "broken", "captured": {}}
    return Typescript(Facilities()).run(Job("app", script, parameters(world), error, LIMITS, {}))


@pytest.mark.parametrize(
    "script", [*CONTAINED, *ENDLESS, *BLIND_CONTAINED, *BLIND_ENDLESS, *BLIND_HOSTILE]
)
def test_a_hostile_script_changes_nothing_outside_of_its_box(script: str, world: World) -> None:
    """Files, environment, network and processes are as before, and the run ends at its limits."""
    before = world.files()
    aimed = script.replace("https://evil.test", f"http://{world.address}")
    aimed = aimed.replace("pwned", str(world.directory / "pwned"))
    started = time.monotonic()
    outcome = run(aimed, world)
    assert time.monotonic() - started < 4, outcome
    assert SECRET not in str(outcome.output)
    assert SECRET not in str(outcome.error)
    assert world.files() == before
    assert not world.is_called()
    deadline = time.monotonic() + 1
    while (left := world.processes()) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert left == []


def test_a_script_that_is_not_hostile_runs_in_that_world(world: World) -> None:
    """The box works here, and a file or a connection made outside of it is seen."""
    before = world.files()
    outcome = run("export default (params) => params.key", world)
    assert (outcome.success, outcome.output) == (True, "constructor"), outcome.error
    assert world.files() == before
    assert not world.is_called()
    (world.directory / "pwned").write_text("x")
    host, port = world.address.split(":")
    socket.create_connection((host, int(port))).close()
    assert world.files() != before
    assert world.is_called()
