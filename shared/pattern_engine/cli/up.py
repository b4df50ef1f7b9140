"""`pattern-engine up`, `down` and `status`: the local stack."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from pattern_engine.cli.locations import (
    DataDirectory,
    ProjectDirectory,
    data_directory,
    project_at,
)
from pattern_engine.cli.terminal import AsJson, show
from pattern_engine.local import kept_settings, sign_in_links
from pattern_engine.local.processes import open_log, tail
from pattern_engine.local.servers import ServerChoice
from pattern_engine.local.stack import DEFAULT_PORT, Stack, read_status, take_down

_ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
#: The variables that all pages of the documentation use → the keys of the status.
_VARIABLES = {
    "API": "api_url",
    "FUNCTIONS": "functions_url",
    "KEY": "publishable_key",
    "SECRET": "secret_key",
    "DB": "db_url",
}
_SHOWN = ("api_url", "functions_url", "console_url", "db_url", "publishable_key", "secret_key")


commands = typer.Typer()


@commands.command("up")
def run_up(
    port: Annotated[
        int, typer.Option(metavar="PORT", help="port of the local Supabase; 0 takes a free one")
    ] = DEFAULT_PORT,
    server: Annotated[
        ServerChoice,
        typer.Option(
            help="which PostgreSQL to use; auto takes Debian's if it has pg_cron, else the wheel's"
        ),
    ] = "auto",
    assignments: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="a setting of the functions, as PATTERN_ENGINE_COOLDOWN_SECONDS=60; may be "
            "repeated. The data directory keeps it for later starts; without a value it is "
            "forgotten",
        ),
    ] = None,
    ready_fd: Annotated[int | None, typer.Option(hidden=True)] = None,
    data_dir: DataDirectory = None,
    project: ProjectDirectory = None,
    *,
    detach: Annotated[
        bool,
        typer.Option("--detach", help="run in the background; return when the stack is ready"),
    ] = False,
) -> int:
    """Start a local Supabase and serve the functions on it.

    In the foreground it runs until Ctrl-C.
    """
    directory, root = data_directory(data_dir, project), project_at(project).root
    kept_settings.keep(directory, kept_settings.read(assignments or ()))
    if detach:
        return _run_in_background(directory, root, port, server)
    settings = kept_settings.kept(directory)
    stack = Stack(directory, port=port, server=server, project=root, settings=settings)
    return _run_in_foreground(stack, ready_fd)


def _run_in_foreground(stack: Stack, ready_fd: int | None) -> int:
    for number in _ENDING_SIGNALS:
        signal.signal(number, _interrupt)
    started = time.monotonic()
    try:
        with stack:
            _announce(stack, time.monotonic() - started, ready_fd)
            stack.watch()
    except KeyboardInterrupt:
        show("stopped")
    return 0


def _interrupt(_number: int, _frame: object) -> NoReturn:
    """Stop the stack, even while it starts; ignore further signals while it stops."""
    for number in _ENDING_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def _announce(stack: Stack, seconds: float, ready_fd: int | None) -> None:
    status = stack.status()
    show(f"ready after {seconds:.1f} s at {status['api_url']}")
    if (stack.project.functions / "console").is_dir():
        _show_console(status)
    if ready_fd is None:
        show("Ctrl-C stops it. `pattern-engine status` shows addresses and keys.")
        return
    os.write(ready_fd, b"ready")
    os.close(ready_fd)


def _show_console(status: dict[str, Any]) -> None:
    """Show where the console is, and how to sign in to it."""
    operator = sign_in_links.DEMO_OPERATOR
    show(f"console       {status['console_url']}")
    try:
        show(f"sign in once  {sign_in_links.new(status, operator, 'ops_admin')}")
    except sign_in_links.NoSignInLinkError as error:
        # The stack works, and whoever has an account signs in with a password.
        show(f"pattern-engine: {error}", error=True)
        return
    show(f"              as {operator}, who may approve alone; within an hour")


def _run_in_background(directory: Path, root: Path, port: int, server: str) -> int:
    """Start the same command in another session and wait until it writes "ready" to a pipe."""
    log = directory / "logs" / "supervisor.log"
    read_end, write_end = os.pipe()
    with open_log(log, afresh=True) as output:
        supervisor = subprocess.Popen(
            [*_foreground_command(directory, root, port, server), "--ready-fd", str(write_end)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=[write_end],
        )
    os.close(write_end)
    try:
        with os.fdopen(read_end, "rb") as pipe:
            is_ready = pipe.read() == b"ready"
    except KeyboardInterrupt:
        supervisor.terminate()
        return supervisor.wait()
    if is_ready:
        show(tail(log))
        return 0
    show(tail(log, 60), error=True)
    return supervisor.wait() or 1


def _foreground_command(directory: Path, root: Path, port: int, server: str) -> Sequence[str]:
    command = [sys.executable, "-m", "pattern_engine.cli", "up", "--data-dir", str(directory)]
    return [*command, "--port", str(port), "--server", server, "--project", str(root)]


@commands.command("down")
def run_down(data_dir: DataDirectory = None, project: ProjectDirectory = None) -> None:
    """Stop the stack and all of its processes."""
    directory = data_directory(data_dir, project)
    was_running = take_down(directory)
    show("stopped" if was_running else f"nothing was running in {directory}")


@commands.command("status")
def run_status(
    *,
    as_json: AsJson = False,
    shell: Annotated[
        bool,
        typer.Option(
            "--shell",
            help="print API, FUNCTIONS, KEY, SECRET and DB as variables of the shell, for eval",
        ),
    ] = False,
    data_dir: DataDirectory = None,
    project: ProjectDirectory = None,
) -> int:
    """Show the addresses and keys of the stack.

    The exit code is 1 if the stack is not running.
    """
    if as_json and shell:
        raise typer.BadParameter("not allowed with --json", param_hint="--shell")
    status = read_status(data_directory(data_dir, project))
    if as_json:
        show(json.dumps(status, indent=2))
    elif shell:
        for name, key in _VARIABLES.items():
            show(f"export {name}={shlex.quote(status[key])}")
    else:
        show(_in_words(status))
        for name in _SHOWN:
            show(f"{name:16} {status[name]}")
        for name, part in status["parts"].items():
            if part["times"]:
                last = f"ended {part['times']} times, the last time at {part['at']}"
                show(f"{name:16} {part['state']}: {last}: {part['reason']}")
    return 0 if status["running"] else 1


def _in_words(status: dict[str, Any]) -> str:
    """Return whether the stack is running, and otherwise which parts are being started again."""
    if status["running"]:
        return "running"
    down = [name for name, part in status["parts"].items() if part["state"] == "restarting"]
    return f"degraded: {', '.join(down)} ended and will be started again" if down else "not running"
