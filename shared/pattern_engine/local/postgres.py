"""A private PostgreSQL cluster: created once, then started and stopped with the stack."""

import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from pattern_engine.local.accounts import can_reach, server_account
from pattern_engine.local.errors import PartFailedError, StackError
from pattern_engine.local.processes import Part
from pattern_engine.local.servers import Server

SUPERUSER = "supabase_admin"
DATABASE = "postgres"
_SHARED_DIRECTORY = Path("/var/lib/pattern-engine")
_MAX_SOCKET_DIRECTORY = 80  # sun_path holds 107 bytes on Linux and 103 on macOS
_MAX_STARTS = 5


def free_port() -> int:
    """Return a loopback port on which no program listens at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Cluster:
    """One cluster of one stack.

    Attributes:
        home: Directory of the stack. The cluster is in it, unless the server's user may not enter
            it; then the cluster is under /var/lib/pattern-engine.
        server: The installation whose programs are used.
        log: File for the server's messages.
    """

    home: Path
    server: Server
    log: Path
    account: tuple[int, int] | None = field(init=False)
    data: Path = field(init=False)
    socket_directory: Path = field(init=False)
    port: int = field(init=False, default=0)
    part: Part = field(init=False)

    def __post_init__(self) -> None:
        self.account = server_account()
        directory = self._directory()
        self.data = directory / f"postgres-{self.server.name}"
        if self.account and not can_reach(self.account, self.server.programs):
            self.server = self.server.copied_to(_shared_directory())
        self.socket_directory = self._socket_directory(directory)

    def _directory(self) -> Path:
        if self.account is None or can_reach(self.account, self.home):
            return self.home
        name = hashlib.sha256(str(self.home).encode()).hexdigest()[:16]
        return _private_directory(_shared_directory() / name, None, 0o755)

    def _socket_directory(self, directory: Path) -> Path:
        wanted = directory / "socket"
        if len(str(wanted)) > _MAX_SOCKET_DIRECTORY:
            name = hashlib.sha256(str(wanted).encode()).hexdigest()[:16]
            wanted = Path(tempfile.gettempdir()) / f"pattern-engine-{os.geteuid()}-{name}"
        return _private_directory(wanted, self.account, 0o700)

    @property
    def socket(self) -> Path:
        """The socket on which the running server listens."""
        return self.socket_directory / f".s.PGSQL.{self.port}"

    @property
    def exists(self) -> bool:
        """Whether the cluster was created."""
        return (self.data / "PG_VERSION").exists()

    def create(self) -> None:
        """Delete the cluster and create it again, with the superuser that hosted Supabase has.

        The socket needs no password: only its owner and root may enter its directory.
        """
        shutil.rmtree(self.data, ignore_errors=True)
        _private_directory(self.data, self.account, 0o700)
        command = [str(self.server.programs / "initdb"), "--pgdata", str(self.data)]
        command += ["--username", SUPERUSER, "--encoding", "UTF8", "--no-sync"]
        command += ["--auth-local", "trust", "--auth-host", "scram-sha-256"]
        command += ["--locale", "C.UTF-8"] if sys.platform == "linux" else ["--no-locale"]
        made = self._run(command)
        if made.returncode != 0:
            raise StackError(f"initdb failed: {made.stderr.strip() or made.stdout.strip()}")

    def _run(self, command: list[str]) -> "subprocess.CompletedProcess[str]":
        user, group = self.account or (None, None)
        return subprocess.run(
            command,
            user=user,
            group=group,
            extra_groups=[] if self.account else None,
            cwd="/",
            env=_environment(),
            capture_output=True,
            text=True,
            check=False,
        )

    def start(self, preferred_port: int, started: Callable[[Part], None]) -> None:
        """Start the server and wait until it answers.

        Args:
            preferred_port: Used if it is free, so that addresses survive a restart. Otherwise a
                free port is used.
            started: Called with the process as soon as it exists.

        Raises:
            PartFailedError: The server did not start; the message contains the end of its log.
        """
        for attempt in range(_MAX_STARTS):
            self.port = preferred_port if preferred_port and attempt == 0 else free_port()
            self.part = self._part()
            self.part.start()
            started(self.part)
            try:
                self.part.wait_ready(self._is_ready, 60)
            except PartFailedError as error:
                self.part.stop()
                # Another program may have taken the port after `free_port` found it.
                if "Address already in use" in str(error) and attempt + 1 < _MAX_STARTS:
                    continue
                raise
            return

    def start_again(self) -> Part:
        """Start the server again, on the same port, after it has ended by itself.

        Raises:
            PartFailedError: The server did not start; the message contains the end of its log.
        """
        self.part.start()
        try:
            self.part.wait_ready(self._is_ready, 60)
        except PartFailedError:
            self.part.stop()
            raise
        return self.part

    def _part(self) -> Part:
        program = str(self.server.programs / "postgres")
        return Part(
            name="postgres",
            command=[program, "-D", str(self.data), *self._options()],
            log=self.log,
            environment=_environment(),
            stop_signals=(signal.SIGINT, signal.SIGQUIT),  # fast, then immediate shutdown
            run_as=self.account,
        )

    def _options(self) -> list[str]:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": str(self.socket_directory),
            "timezone": "UTC",
            "log_timezone": "UTC",
            "max_connections": "100",
            "track_functions": "none",
        }
        if self.server.has_cron:
            settings |= {
                "shared_preload_libraries": "pg_cron",
                "cron.database_name": DATABASE,
                "cron.host": str(self.socket_directory),
            }
        return [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]

    def _is_ready(self) -> bool:
        """Read the status that the server writes to line 8 of postmaster.pid."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        process = self.part.process
        is_current = bool(process and lines and lines[0] == str(process.pid))
        return is_current and len(lines) > 7 and lines[7].strip() == "ready"

    def remove_socket_directory(self) -> None:
        """Remove the socket directory if it is outside the cluster's directory."""
        if self.socket_directory.parent != self.data.parent:
            shutil.rmtree(self.socket_directory, ignore_errors=True)

    def connect(self) -> "psycopg.Connection[tuple[object, ...]]":
        """Log in as the superuser, over the socket."""
        return psycopg.connect(
            host=str(self.socket_directory),
            port=self.port,
            user=SUPERUSER,
            dbname=DATABASE,
            autocommit=True,
        )

    def url(self, user: str, password: str) -> str:
        """Return the address at which a role logs in over TCP."""
        return f"postgresql://{user}:{password}@127.0.0.1:{self.port}/{DATABASE}"


def _environment() -> dict[str, str]:
    """Return the server's environment, without PG* variables and secrets of the caller."""
    return {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C.UTF-8", "TZ": "UTC"}


def _shared_directory() -> Path:
    return _private_directory(_SHARED_DIRECTORY, None, 0o755)


def _private_directory(path: Path, owner: tuple[int, int] | None, mode: int) -> Path:
    """Create a directory for one owner; refuse one that belongs to another user."""
    path.mkdir(mode=mode, parents=True, exist_ok=True)
    expected = {os.geteuid()} | ({owner[0]} if owner else set())
    if path.is_symlink() or path.stat().st_uid not in expected:
        raise StackError(f"{path} belongs to another user; delete it, or use another --data-dir")
    if owner:
        os.chown(path, *owner)
    path.chmod(mode)
    return path
