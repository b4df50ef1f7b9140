"""`pattern-engine up`, `down` and `status`: the local stack."""

import argparse
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from pattern_engine.cli.locations import add_location_options, data_directory, project
from pattern_engine.cli.terminal import show
from pattern_engine.local import kept_settings
from pattern_engine.local.processes import open_log, tail
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
_SHOWN = ("api_url", "functions_url", "db_url", "publishable_key", "secret_key")


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `up`, `down` and `status`."""
    up = commands.add_parser("up", help="start a local Supabase and serve the functions on it")
    up.add_argument(
        "--port",
        type=int,
        default=DEFAULT_PORT,
        help="port of the local Supabase; 0 takes a free one",
    )
    up.add_argument(
        "--detach",
        action="store_true",
        help="run in the background; return when the stack is ready",
    )
    up.add_argument(
        "--server",
        choices=("wheel", "debian", "auto"),
        default="auto",
        help="which PostgreSQL to use; auto takes Debian's if it has pg_cron, else the wheel's",
    )
    up.add_argument(
        "--set",
        action="append",
        default=[],
        dest="assignments",
        metavar="NAME=VALUE",
        help="a setting of the functions, as PATTERN_ENGINE_COOLDOWN_SECONDS=60; may be repeated. "
        "The data directory keeps it for later starts; without a value it is forgotten",
    )
    up.add_argument("--ready-fd", type=int, help=argparse.SUPPRESS)
    up.set_defaults(run=run_up)
    down = commands.add_parser("down", help="stop the stack and all of its processes")
    down.set_defaults(run=run_down)
    status = commands.add_parser("status", help="show the addresses and keys of the stack")
    form = status.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON")
    form.add_argument(
        "--shell",
        action="store_true",
        help="print API, FUNCTIONS, KEY, SECRET and DB as variables of the shell, for eval",
    )
    status.set_defaults(run=run_status)
    for command in (up, down, status):
        add_location_options(command)


def run_up(options: argparse.Namespace) -> int:
    """Start the stack; in the foreground it runs until Ctrl-C."""
    kept_settings.keep(data_directory(options), kept_settings.read(options.assignments))
    return _run_in_background(options) if options.detach else _run_in_foreground(options)


def _run_in_foreground(options: argparse.Namespace) -> int:
    stack = Stack(
        data_directory(options),
        port=options.port,
        server=options.server,
        project=project(options).root,
        settings=kept_settings.kept(data_directory(options)),
    )
    for number in _ENDING_SIGNALS:
        signal.signal(number, _interrupt)
    started = time.monotonic()
    try:
        with stack:
            _announce(stack, time.monotonic() - started, options.ready_fd)
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
    show(f"ready after {seconds:.1f} s at {stack.status()['api_url']}")
    if ready_fd is None:
        show("Ctrl-C stops it. `pattern-engine status` shows addresses and keys.")
        return
    os.write(ready_fd, b"ready")
    os.close(ready_fd)


def _run_in_background(options: argparse.Namespace) -> int:
    """Start the same command in another session and wait until it writes "ready" to a pipe."""
    directory = data_directory(options)
    log = directory / "logs" / "supervisor.log"
    read_end, write_end = os.pipe()
    with open_log(log, afresh=True) as output:
        supervisor = subprocess.Popen(
            [*_foreground_command(options, directory), "--ready-fd", str(write_end)],
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


def _foreground_command(options: argparse.Namespace, directory: Path) -> Sequence[str]:
    command = [sys.executable, "-m", "pattern_engine.cli", "up", "--data-dir", str(directory)]
    command += ["--port", str(options.port), "--server", options.server]
    return [*command, "--project", str(project(options).root)]


def run_down(options: argparse.Namespace) -> int:
    """Stop the stack."""
    directory = data_directory(options)
    was_running = take_down(directory)
    show("stopped" if was_running else f"nothing was running in {directory}")
    return 0


def run_status(options: argparse.Namespace) -> int:
    """Show addresses and keys; the exit code is 1 if the stack is not running."""
    status = read_status(data_directory(options))
    if options.json:
        show(json.dumps(status, indent=2))
    elif options.shell:
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
