"""Apply the project's migrations with the official Supabase CLI."""

import os
import subprocess
from pathlib import Path

from pattern_engine.local.errors import MigrationsChangedError, MigrationsFailedError
from pattern_engine.local.node import find_node, require_packages
from pattern_engine.local.processes import open_log
from pattern_engine.local.project import Project

_MAX_PUSH_SECONDS = 300


def require_unchanged(applied: str, wanted: str, data_dir: Path) -> None:
    """Refuse a data directory if a migration that was applied to it has changed since.

    The CLI identifies a migration by the number in its name and never reads its content again. New
    migrations are allowed, since they can be applied.

    Args:
        applied: The digests of the migrations that the database has, one on each line.
        wanted: The digests of the project's migrations.
        data_dir: The data directory of the stack.

    Raises:
        MigrationsChangedError: A migration that was applied has changed or is gone.
    """
    lines = set(wanted.splitlines())
    changed = [line.partition("  ")[2] for line in applied.splitlines() if line not in lines]
    if changed:
        raise MigrationsChangedError(
            f"migrations that were applied to the database in {data_dir} have been changed or "
            f"removed ({', '.join(filter(None, changed[:3])) or 'unknown'}"
            f"{', …' if changed[3:] else ''}): delete {data_dir} and start again, which loses "
            "its data, or name another directory with --data-dir"
        )


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
    with open_log(log, afresh=True) as output:
        output.write(pushed.stdout.encode())
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
