"""Apply the project's migrations with the official Supabase CLI."""

import os
import subprocess
from pathlib import Path

from pattern_engine.local.errors import MigrationsFailedError
from pattern_engine.local.node import find_node, require_packages
from pattern_engine.local.project import Project

_MAX_PUSH_SECONDS = 300


def push(project: Project, url: str, password: str, *, log: Path) -> None:
    """Apply the migrations that the database does not have yet.

    Every user of the machine can see the command line, so the password is passed in the
    environment.

    Args:
        project: The project with `supabase/migrations`.
        url: Address of the database with the user and without the password.
        password: The user's password.
        log: File for the output of the CLI; its directory is the home directory of the CLI.

    Raises:
        MigrationsFailedError: A migration failed; the message contains the output of the CLI.
    """
    cli = require_packages(project) / "supabase" / "dist" / "supabase.js"
    command = [str(find_node()), str(cli), "db", "push", f"--remote={url}", "--yes"]
    try:
        pushed = subprocess.run(
            [*command, "--workdir", str(project.root), "--agent", "no"],
            env=_environment(log.parent, password),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_MAX_PUSH_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise MigrationsFailedError(
            f"`supabase db push` did not finish within {_MAX_PUSH_SECONDS} seconds; see {log}"
        ) from error
    log.write_text(pushed.stdout)
    if pushed.returncode != 0:
        raise MigrationsFailedError(f"`supabase db push` failed:\n{pushed.stdout.strip()}")


def _environment(home: Path, password: str) -> dict[str, str]:
    """Return an environment without telemetry, colours, and the user's Supabase account."""
    return {
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
        "HOME": str(home),
        "PGPASSWORD": password,
        "PGSSLMODE": "disable",
        "DO_NOT_TRACK": "1",
        "SUPABASE_TELEMETRY_DISABLED": "1",
        "SUPABASE_NO_KEYRING": "1",
        "SUPABASE_NO_UPDATE_NOTIFIER": "1",
        "NO_COLOR": "1",
        "CI": "1",
    }
