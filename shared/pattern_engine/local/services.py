"""How each process of the stack except PostgreSQL is started, and checked for readiness."""

import http.client
import json
import os
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pattern_engine.local.keys import Keys
from pattern_engine.local.node import find_node, require_packages
from pattern_engine.local.postgres import DATABASE, Cluster
from pattern_engine.local.processes import Part
from pattern_engine.local.project import Project
from pattern_engine.serving.bodies import MAX_BODY_BYTES

_HERE = Path(__file__).resolve().parent
_SOURCE_ROOT = _HERE.parents[1]
_GUNICORN_SETTINGS = "pattern_engine.serving.gunicorn_settings"
# Variables of the caller's environment that are passed on to parts that run no code of the project.
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV")


def _plain_environment() -> dict[str, str]:
    """Return the variables of the present environment that any program needs."""
    return {name: os.environ[name] for name in _INHERITED if name in os.environ}


@dataclass(frozen=True)
class PartMaker:
    """Creates the parts of one stack, without starting them.

    Attributes:
        log: Returns the log file of the part with this name.
        mail_directory: Where Auth leaves its mails.
        settings: Environment variables for the functions.
    """

    project: Project
    cluster: Cluster
    keys: Keys
    log: Callable[[str], Path]
    mail_directory: Path
    settings: Mapping[str, str] = field(default_factory=dict)

    def gateway(self, listener: socket.socket, functions_url: str, console_url: str) -> Part:
        """Return the gateway, which inherits its listening socket."""
        require_packages(self.project)
        keys, cluster = self.keys, self.cluster
        settings = {
            "POSTGRES_SOCKET": str(cluster.socket),
            "POSTGRES_DATABASE": DATABASE,
            "JWT_SECRET": keys.jwt_secret,
            "PUBLISHABLE_KEY": keys.publishable_key,
            "SECRET_KEY": keys.secret_key,
            "API_SCHEMAS": ",".join(self.project.api_schemas),
            "FUNCTIONS_URL": functions_url,
            "CONSOLE_URL": console_url,
            "MAIL_DIRECTORY": str(self.mail_directory),
            "MAX_BODY_BYTES": str(MAX_BODY_BYTES),
            "LISTEN_FD": str(listener.fileno()),
            "DO_NOT_TRACK": "1",
        }
        return Part(
            name="gateway",
            command=[str(find_node()), str(_HERE / "gateway.mjs")],
            log=self.log("gateway"),
            environment=_plain_environment() | settings,
            pass_fds=[listener.fileno()],
        )

    def functions(self, listener: socket.socket, api_url: str) -> Part:
        """Return the server of the functions; its environment is that of a deployed function."""
        settings = {
            "SUPABASE_URL": api_url,
            "SUPABASE_PUBLISHABLE_KEY": self.keys.publishable_key,
            "SUPABASE_SECRET_KEY": self.keys.secret_key,
            "SUPABASE_JWT_SECRET": self.keys.jwt_secret,
            "PATTERN_ENGINE_WEBHOOK_SECRET": self.keys.webhook_secret,
        }
        kept = {name: value for name, value in os.environ.items() if name[:9] != "SUPABASE_"}
        # A page on another port of this machine is of another origin.
        origins = {"PATTERN_ENGINE_ALLOWED_ORIGINS": "*"}
        log = self.log("functions")
        command = [sys.executable, "-m", "gunicorn", "--config", f"python:{_GUNICORN_SETTINGS}"]
        # Fixes that run when the stack ends are not waited for.
        command += ["--bind", f"fd://{listener.fileno()}", "--graceful-timeout", "1"]
        application = f"create_application({str(self.project.functions)!r})"
        return Part(
            name="functions",
            command=[*command, f"pattern_engine.local.functions:{application}"],
            log=log,
            environment=origins | kept | _python_environment() | dict(self.settings) | settings,
            pass_fds=[listener.fileno()],
            working_directory=self.project.root,
        )

    def worker(self) -> Part:
        """Return the worker; it also runs the schedules if the server has no real pg_cron."""
        command = [sys.executable, "-m", "pattern_engine.local.worker"]
        command += [str(self.cluster.socket_directory), str(self.cluster.port)]
        return Part(
            name="worker",
            command=command if self.cluster.server.has_cron else [*command, "--schedules"],
            log=self.log("worker"),
            environment=_plain_environment() | _python_environment(),
        )


def _python_environment() -> dict[str, str]:
    """Return the variables with which a child process finds this package."""
    known = os.environ.get("PYTHONPATH", "")
    paths = [str(_SOURCE_ROOT), *filter(None, known.split(os.pathsep))]
    return {"PYTHONPATH": os.pathsep.join(paths), "PYTHONUNBUFFERED": "1"}


def answers(port: int, path: str) -> bool:
    """Return whether the port answers a GET request without a server error."""
    return (fetch(port, path) or (500, None))[0] < 500


def fetch(port: int, path: str) -> tuple[int, Any] | None:
    """Return status and JSON of a GET request; None if nothing answers within a second."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read() or "null")
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()
