"""`make demo` keeps what it promises, and says so when it does not."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from pattern_engine import catalogue
from pattern_engine.demo import history
from pattern_engine.demo.programs import GERMAN

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
    for client in ("supabase-py", "supabase-js", "psycopg", "PostgreSQL log", "German server"):
        assert client in ran.stdout
    assert "currency 5" in ran.stdout
    assert "invoices 5" in ran.stdout
    assert "A column that may not be null got no value." in ran.stdout
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


SPLIT = """
import sys
from pattern_engine.cli import main
from pattern_engine.demo import history, programs
programs.Programs.by_german = lambda self, invoice: "permission denied for table invoices"
history.log_rows = list
sys.exit(main(sys.argv[1:]))
"""


def test_the_demo_fails_when_the_errors_are_not_one_pattern(
    server: ServerName, open_directory: Path
) -> None:
    """The exit code is 0 only if each client's error is in the same pattern."""
    ran = run_demo(["-c", SPLIT], server, open_directory)
    assert ran.returncode == 1
    assert "one cause became 2 patterns" in ran.stderr


def test_the_german_text_is_a_wording_of_postgresql() -> None:
    """The one text that the demo does not produce is in PostgreSQL's own translation."""
    known = catalogue.find(GERMAN.partition("  ")[2].format("currency", "invoices"), "23502")
    assert known is not None
    assert known.template.startswith("null value in column")
    assert known.values == {"column": "currency", "table": "invoices"}


def test_the_sample_is_large_and_real() -> None:
    """At least 2,000 errors of PostgreSQL itself, all of them in the past."""
    rows = history.log_rows()
    assert sum(row["source"] == "postgres" for row in rows) >= 2000
    assert rows == sorted(rows, key=lambda row: row["created_at"])
