"""Stacks of a tiny project, on every PostgreSQL server that is installed here."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import httpx
import psycopg
import pytest

from pattern_engine.local.servers import find_server
from pattern_engine.local.stack import Stack, take_down
from pattern_engine.local.state import State

if TYPE_CHECKING:
    from psycopg.rows import TupleRow

TINY_PROJECT = Path(__file__).parent / "project"
ServerName = Literal["wheel", "debian"]


@pytest.fixture(scope="session")
def any_server() -> ServerName:
    """One installed server, for what does not depend on it."""
    return find_server("auto").name


def _new_directory() -> Path:
    """Make a directory that the server's user may enter, unlike pytest's own."""
    directory = Path(tempfile.mkdtemp(prefix="ple-"))
    directory.chmod(0o755)
    return directory


@pytest.fixture
def home() -> Iterator[Path]:
    """A data directory for one test; what a failed test left running there is ended."""
    directory = _new_directory()
    yield directory
    take_down(directory)
    shutil.rmtree(directory)


@pytest.fixture
def other_home() -> Iterator[Path]:
    """A second data directory."""
    directory = _new_directory()
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def project(home: Path) -> Path:
    """A copy of the tiny project that a test may change."""
    return Path(shutil.copytree(TINY_PROJECT, home / "project"))


@pytest.fixture(scope="session")
def tiny_stack(server: ServerName) -> Iterator[Stack]:
    """A running stack of the tiny project, shared by the tests of one session."""
    directory = _new_directory()
    with Stack(directory, port=0, server=server, project=TINY_PROJECT) as stack:
        yield stack
    shutil.rmtree(directory)


@pytest.fixture
def status(tiny_stack: Stack) -> dict[str, Any]:
    """Addresses and keys of the shared stack."""
    return tiny_stack.status()


@pytest.fixture
def as_postgres(status: dict[str, Any]) -> Iterator["psycopg.Connection[TupleRow]"]:
    """A login as postgres, the owner of what migrations make."""
    with psycopg.connect(status["db_url"], autocommit=True) as connection:
        yield connection


@pytest.fixture
def as_superuser(status: dict[str, Any]) -> Iterator["psycopg.Connection[TupleRow]"]:
    """A login as the superuser."""
    with psycopg.connect(status["admin_db_url"], autocommit=True) as connection:
        yield connection


@pytest.fixture
def http(status: dict[str, Any]) -> Iterator[httpx.Client]:
    """A client of the shared stack, with no key."""
    with httpx.Client(base_url=status["api_url"], timeout=30) as client:
        yield client


@pytest.fixture
def engine_headers(status: dict[str, Any]) -> dict[str, str]:
    """What the engine sends: the secret key, for the schema ops."""
    key = status["secret_key"]
    profile = {"content-profile": "ops", "accept-profile": "ops"}
    return {"apikey": key, "authorization": f"Bearer {key}", **profile}


class Command:
    """The command line, as a user starts it."""

    def __init__(self) -> None:
        self.started: list[subprocess.Popen[str]] = []

    def arguments(self, *words: str) -> list[str]:
        """Return the whole command line."""
        return [sys.executable, "-m", "pattern_engine.cli", *words]

    def run(self, *words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        """Run a command to its end."""
        return subprocess.run(
            self.arguments(*words),
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
            env=os.environ | environment,
        )

    def start(self, *words: str) -> "subprocess.Popen[str]":
        """Start a command that stays."""
        process = subprocess.Popen(
            self.arguments(*words),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )
        self.started.append(process)
        return process


@pytest.fixture
def command() -> Iterator[Command]:
    """Run commands; what a test leaves running is ended."""
    command = Command()
    yield command
    for process in command.started:
        process.kill()
        process.communicate()


@pytest.fixture
def up(command: Command, home: Path, any_server: ServerName) -> Callable[..., Any]:
    """Start a stack in the foreground, in `home`, and wait until it says that it is ready."""

    def start(project: Path = TINY_PROJECT, server: str = any_server) -> "subprocess.Popen[str]":
        words = ["--port", "0", "--server", server, "--project", str(project)]
        process = command.start("up", "--data-dir", str(home), *words)
        assert process.stdout
        line = process.stdout.readline()
        assert "ready" in line, process.stderr.read() if process.stderr else ""
        return process

    return start


@pytest.fixture
def processes_of() -> Callable[[State], list[int]]:
    """Find every process that belongs to a stack, be it of a part's group or in its cluster."""

    def find(state: State) -> list[int]:
        groups = {part.pid for part in state.parts.values()}
        if state.supervisor:
            groups.add(state.supervisor.pid)
        return [pid for pid in _all_processes() if _parent_or_group(pid) & groups]

    return find


def _all_processes() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _parent_or_group(pid: int) -> set[int]:
    """Return the process itself, its parent and its group; nothing for a zombie."""
    try:
        state, parent, group, *_ = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return set()
    return set() if state == "Z" else {pid, int(parent), int(group)}
