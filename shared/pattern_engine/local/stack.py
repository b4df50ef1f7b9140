"""The local stack: start its parts in order, watch them, and end all of its processes."""

import logging
import os
import signal
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, Self
from urllib.parse import urlsplit

from pattern_engine.local.bootstrap import (
    VaultSecret,
    bootstrap,
    grant_auth,
    install_standins,
    set_passwords,
    standins_hash,
    store_secrets,
)
from pattern_engine.local.errors import NotRunningError, PortInUseError
from pattern_engine.local.keys import Keys
from pattern_engine.local.migrations import push, require_unchanged
from pattern_engine.local.postgres import SUPERUSER, Cluster
from pattern_engine.local.processes import Identity, Part, end
from pattern_engine.local.project import Project
from pattern_engine.local.servers import Server, ServerChoice, find_server
from pattern_engine.local.services import PartMaker, answers, fetch
from pattern_engine.local.state import Lock, State
from pattern_engine.local.supervision import Watched

logger = logging.getLogger(__name__)

DEFAULT_PORT = 54321
FUNCTIONS_PATH = "/functions/v1/pattern-analyzer"
CONSOLE_PATH = "/functions/v1/console"
_READY_SECONDS = 60.0
_WATCH_SECONDS = 0.2
_SHUTDOWN_SECONDS = 40.0
_BACKLOG = 512


class Stack:
    """One local Supabase in one data directory.

    `with Stack(directory, port=0) as stack:` starts it and ends it; `stack.status()` returns the
    addresses and keys. The processes end with the thread that called `start`.
    """

    def __init__(
        self,
        data_dir: Path | str,
        *,
        port: int = DEFAULT_PORT,
        server: ServerChoice = "auto",
        project: Path | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        """Describe a stack, without starting it.

        Args:
            data_dir: Directory for its data, keys and logs; created if it does not exist.
            port: Port of the gateway; 0 takes a free one.
            server: Which PostgreSQL to use. Each kind has its own cluster in the directory.
            project: Directory that contains supabase/ and functions/; by default it is searched
                from the current directory upwards; else it is this package's project.
            settings: Environment variables for the functions, beside the present environment.
        """
        self.data_dir = Path(data_dir).resolve()
        self.port = port
        self.project = Project(project.resolve()) if project else Project.find()
        self._choice = server
        self._settings = dict(settings or {})
        self._parts: dict[str, Part] = {}
        self._watched: list[Watched] = []
        self._state = State()
        self._lock = Lock(self.data_dir)
        self.warnings: list[str] = []

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def status(self) -> dict[str, Any]:
        """Return addresses and keys, as `pattern-engine status --json` shows them."""
        return read_status(self.data_dir)

    def start(self) -> None:
        """Start all parts and return when all of them answer.

        Raises:
            StackError: Something is missing, the port is taken, or a part did not start. All
                processes of the stack have been ended then.
        """
        self.data_dir.mkdir(parents=True, exist_ok=True)
        self._lock.take()
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def log(self, name: str) -> Path:
        """Return the log file of a part."""
        return self.data_dir / "logs" / f"{name}.log"

    def _start(self) -> None:
        self._state = State.load(self.data_dir)
        end_recorded(self._state)
        self._state.supervisor = Identity.of(os.getpid())
        self._state.ended = {}
        with _listen(self.port) as public, _listen(0) as inner:
            self.port = public.getsockname()[1]
            self._keys = Keys.load_or_create(self.data_dir)
            self._start_postgres()
            self._start_other_parts(public, inner)

    def _start_postgres(self) -> None:
        cluster = self._cluster = Cluster(self.data_dir, self._server(), self.log("postgres"))
        applied = self._state.applied.setdefault(cluster.server.name, {})
        if not (cluster.exists and applied.get("bootstrap")):
            logger.info("creating a PostgreSQL cluster (%s)", cluster.server.name)
            applied.clear()
            cluster.create()
        wanted = self.project.migrations_digests()
        require_unchanged(applied.get("migrations", ""), wanted, self.data_dir)
        cluster.start(_port_of(self._state.status.get("db_url", "")), self._record)
        self._prepare_database(applied)
        self._state.status = self._describe()
        self._save()

    def _server(self) -> Server:
        """Return the server to use; "auto" keeps the kind that the directory was used with last."""
        last: ServerChoice = self._state.status.get("server", "auto")
        return find_server(last if self._choice == "auto" else self._choice)

    def _prepare_database(self, applied: dict[str, str]) -> None:
        has_cron = self._cluster.server.has_cron
        standins = standins_hash(has_cron=has_cron)
        with self._cluster.connect() as connection:
            if not applied.get("bootstrap"):
                bootstrap(connection)
            if applied.get("standins") != standins:
                install_standins(connection, has_cron=has_cron)
            set_passwords(connection, self._keys)
            store_secrets(connection, self._vault_secrets())
        applied |= {"bootstrap": "done", "standins": standins}

    def _vault_secrets(self) -> list[VaultSecret]:
        address = f"{self._api_url}{FUNCTIONS_PATH}"
        return [
            VaultSecret("pattern_engine_functions_url", address, "Base URL of the functions"),
            VaultSecret(
                "pattern_engine_webhook_secret",
                self._keys.webhook_secret,
                "Header x-webhook-secret of calls from the database",
            ),
        ]

    @property
    def _api_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _describe(self) -> dict[str, Any]:
        keys, cluster = self._keys, self._cluster
        return {
            "api_url": self._api_url,
            "functions_url": f"{self._api_url}/functions/v1",
            "console_url": f"{self._api_url}{CONSOLE_PATH}",
            "db_url": cluster.url("postgres", keys.postgres_password),
            "admin_db_url": cluster.url(SUPERUSER, keys.admin_password),
            "publishable_key": keys.publishable_key,
            "secret_key": keys.secret_key,
            "jwt_secret": keys.jwt_secret,
            "webhook_secret": keys.webhook_secret,
            "server": cluster.server.name,
            "data_dir": str(self.data_dir),
        }

    def _start_other_parts(self, public: socket.socket, inner: socket.socket) -> None:
        """Start the gateway, the functions and the worker."""
        inner_port = inner.getsockname()[1]
        mails = mail_directory(self.data_dir)
        mails.mkdir(mode=0o700, exist_ok=True)
        make = PartMaker(self.project, self._cluster, self._keys, self.log, mails, self._settings)

        def gateway(listener: socket.socket) -> Part:
            return make.gateway(
                listener, f"http://127.0.0.1:{inner_port}", f"{self._api_url}{CONSOLE_PATH}"
            )

        def functions(listener: socket.socket) -> Part:
            return make.functions(listener, self._api_url)

        self._watch(self._cluster.part, self._cluster.start_again)
        self._watch(_started(gateway(public)), lambda: _started_on(self.port, gateway))
        self._watch(_started(functions(inner)), lambda: _started_on(inner_port, functions))
        # From now on only the parts listen: a connection to one that has ended is refused at once.
        public.close()
        inner.close()
        self._wait_ready("gateway", self.port, "/auth/v1/health")
        self._migrate()
        self._watch(_started(make.worker()), lambda: _started(make.worker()))
        self._wait_ready("functions", inner_port, "/")
        self._note_failed_functions(inner_port)

    def _watch(self, part: Part, start_again: Callable[[], Part]) -> None:
        self._record(part)
        self._watched.append(Watched(part, start_again))

    def _wait_ready(self, name: str, port: int, path: str) -> None:
        self._parts[name].wait_ready(lambda: answers(port, path), _READY_SECONDS)

    def _migrate(self) -> None:
        applied = self._state.applied[self._cluster.server.name]
        wanted = self.project.migrations_digests()
        with self._cluster.connect() as connection:
            grant_auth(connection)
            if applied.get("migrations") == wanted:
                return
            logger.info("applying migrations")
            address = self._cluster.url("postgres", "").replace(":@", "@")
            push(self.project, address, self._keys.postgres_password, log=self.log("migrations"))
            connection.execute("notify pgrst, 'reload schema'")
        applied["migrations"] = wanted
        self._save()

    def _note_failed_functions(self, port: int) -> None:
        _, shown = fetch(port, "/") or (0, {})
        self.warnings = [
            f"function {name} could not be loaded: {reason} (see {self.log('functions')})"
            for name, reason in shown.get("failed", {}).items()
        ]
        for warning in self.warnings:
            logger.warning(warning)

    def _record(self, part: Part) -> None:
        """Store the process of a part at once, so that `down` can end it after a crash."""
        self._parts[part.name] = part
        if part.identity:
            self._state.parts[part.name] = part.identity
        self._save()

    def _save(self) -> None:
        self._state.save(self.data_dir)

    def watch(self) -> NoReturn:
        """Start each part again that ends, until a signal arrives.

        While the database is down no other part is started, since none can work.
        """
        while True:
            for watched in self._watched:
                if watched.tend():
                    self._note(watched)
                if watched.is_down and watched.part is self._cluster.part:
                    break
            time.sleep(_WATCH_SECONDS)

    def _note(self, watched: Watched) -> None:
        """Store for `status` that a part has ended or was started again."""
        if watched.ended:
            self._state.ended[watched.part.name] = watched.ended
        self._record(watched.part)

    def stop(self) -> None:
        """End all parts, the database last."""
        for part in reversed(self._parts.values()):
            part.stop()
        if self._parts:
            self._cluster.remove_socket_directory()
        self._parts.clear()
        self._watched.clear()
        if self._state.supervisor:
            self._state.parts, self._state.supervisor = {}, None
            self._save()
        self._lock.release()


def mail_directory(data_dir: Path) -> Path:
    """Return where Auth leaves its mails, a file each."""
    return data_dir / "mail"


def _listen(port: int) -> socket.socket:
    """Listen on a port before any part starts; the part that serves it inherits the socket."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError as error:
        listener.close()
        raise PortInUseError(
            f"port {port} is used by another program; choose another one with --port"
        ) from error
    listener.listen(_BACKLOG)
    return listener


def _started(part: Part) -> Part:
    part.start()
    return part


def _started_on(port: int, make: Callable[[socket.socket], Part]) -> Part:
    """Start a part that listens on a port, on which nothing listens now."""
    with _listen(port) as listener:
        return _started(make(listener))


def _port_of(url: str) -> int:
    return urlsplit(url).port or 0


def read_status(data_dir: Path) -> dict[str, Any]:
    """Return the addresses and keys of a stack, whether it is running, and the state of its parts.

    Raises:
        NotRunningError: No stack was ever started there.
    """
    state = State.load(data_dir)
    if not state.status:
        raise NotRunningError(
            f"no stack was ever started in {data_dir}; start one with `pattern-engine up`"
        )
    return state.status | {"running": state.running, "parts": _describe_parts(state)}


def _describe_parts(state: State) -> dict[str, dict[str, Any]]:
    """Return for each part whether it runs, and how often it has ended by itself, and why."""
    return {
        name: {
            "state": _state_of(part, state),
            **(asdict(state.ended[name]) if name in state.ended else {"times": 0}),
        }
        for name, part in state.parts.items()
    }


def _state_of(part: Identity, state: State) -> str:
    if part.is_alive():
        return "running"
    return "restarting" if state.supervised else "ended"


def take_down(data_dir: Path) -> bool:
    """End a stack that another process has started; return whether one was running."""
    state = State.load(data_dir)
    supervisor = state.supervisor
    was_running = bool(state.parts)
    if supervisor and supervisor.is_alive() and supervisor.pid != os.getpid():
        end(supervisor, [signal.SIGTERM], seconds=_SHUTDOWN_SECONDS)
    end_recorded(State.load(data_dir))
    return was_running


def end_recorded(state: State) -> None:
    """End the parts that still run after their supervisor was killed."""
    for name, identity in reversed(state.parts.items()):
        end(identity, [signal.SIGINT, signal.SIGQUIT] if name == "postgres" else [signal.SIGTERM])
    state.parts = {}
