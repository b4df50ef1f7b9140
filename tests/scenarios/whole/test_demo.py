"""`make demo` keeps what it promises, and says so when it does not."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from pattern_engine.demo import history

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import ServerName

USELESS_FIX = """
import sys
from pattern_engine.cli import main
from pattern_engine.demo import history, story
story.FIX = story.FIX.replace("WHERE", "WHERE id = 99 AND")
history.log_rows = list
sys.exit(main(sys.argv[1:]))
"""


def run_demo(
    program: list[str], server: ServerName, directory: Path
) -> subprocess.CompletedProcess[str]:
    """Run the demo on a stack of its own."""
    options = ["demo", "--data-dir", str(directory / "demo"), "--server", server]
    return subprocess.run(
        [sys.executable, *program, *options],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_the_demo_heals_its_last_error(server: ServerName, open_directory: Path) -> None:
    """The whole life: propose, decide, heal, verify; and a fix that does not help is demoted."""
    ran = run_demo(["-m", "pattern_engine.cli"], server, open_directory)
    assert ran.returncode == 0, ran.stderr
    assert f"{len(history.log_rows())} errors" in ran.stdout
    assert "The error healed itself and stayed away." in ran.stdout
    assert "verified: The error stayed away" in ran.stdout
    assert ran.stdout.count("failed: The error came back") == 2
    assert "The fix was demoted" in ran.stdout
    healed = [line for line in ran.stdout.splitlines() if "missing" in line and "EUR" in line]
    assert len(healed) == 6


def test_the_demo_fails_when_the_error_does_not_heal(
    server: ServerName, open_directory: Path
) -> None:
    """A fix that runs well and repairs nothing makes the exit code 1, and the reason is told."""
    ran = run_demo(["-c", USELESS_FIX], server, open_directory)
    assert ran.returncode == 1
    assert "still cannot be invoiced" in ran.stderr


def test_the_sample_is_large_and_real() -> None:
    """At least 2,000 errors of PostgreSQL itself, all of them in the past."""
    rows = history.log_rows()
    assert sum(row["source"] == "postgres" for row in rows) >= 2000
    assert rows == sorted(rows, key=lambda row: row["created_at"])
