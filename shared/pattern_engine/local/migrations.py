"""Apply the project's migrations with the official Supabase CLI."""

import os
import subprocess
from pathlib import Path

from pattern_engine.local.errors import MigrationsChangedError, MigrationsFailedError
from pattern_engine.local.node import find_node, require_packages
from pattern_engine.local.project import Project

_LONGEST_PUSH_SECONDS = 300


def require_unchanged(applied: str, wanted: str, data_dir: Path) -> None:
    """Refuse a data directory that other migrations have made.

    The CLI knows a migration by the number in its name and never looks at its content again. New
    migrations are welcome: they are applied.

    Args:
        applied: The digests of the migrations that the database has, a line for each.
        wanted: The digests of the project's migrations.
        data_dir: Where the database lies.

    Raises:
        MigrationsChangedError: A migration that was applied has changed or is gone.
    """
    lines = set(wanted.splitlines())
    changed = [line.partition("  ")[2] for line in applied.splitlines() if line not in lines]
    if changed:
        raise MigrationsChangedError(
            f"the database in {data_dir} was made by other migrations than this project has now "
            f"(changed or removed: {', '.join(filter(None, changed[:3])) or 'unknown'}"
            f"{', …' if changed[3:] else ''}): delete {data_dir} and start again, which loses "
            "its data, or name another directory with --data-dir"
        )


def push(project: Project, url: str, password: str, *, log: Path) -> None:
    """Apply the migrations that the database does not have yet.

    The command line is visible to every user of the machine, so the password goes by the
    environment.

    Args:
        project: Where `supabase/migrations` lies.
        url: Address of the database with the user and without the password.
        password: The user's password.
        log: File that takes what the CLI prints; its directory serves the CLI as home.

    Raises:
        MigrationsFailedError: A migration failed; with what the CLI printed.
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
            timeout=_LONGEST_PUSH_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise MigrationsFailedError(
            f"`supabase db push` did not end within {_LONGEST_PUSH_SECONDS} seconds"
        ) from error
    log.write_text(pushed.stdout)
    if pushed.returncode != 0:
        raise MigrationsFailedError(f"`supabase db push` failed:\n{pushed.stdout.strip()}")


def _environment(home: Path, password: str) -> dict[str, str]:
    """Return an environment with no telemetry, no colours and no account of the user's."""
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
