"""What others logged reaches the terminal of an operator as text alone."""

from __future__ import annotations

import io
import json
import logging
from typing import TYPE_CHECKING

from rich.console import Console

from pattern_engine.cli import main
from pattern_engine.cli.terminal import VisibleFormatter
from pattern_engine.demo import report

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

HOSTILE = "column \"\x1b[2J\x1b]0;x\x07\u202e\" of relation 'a' [/dim] does not exist\ncode: 00000\rno error"


def _is_text(shown: str) -> bool:
    return all(char.isprintable() or char == "\n" for char in shown)


def test_an_explanation_is_text(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing in the message is obeyed, and no line of it looks like a line of the command."""
    main(["explain", HOSTILE])
    shown = capsys.readouterr().out
    assert _is_text(shown)
    assert r"\x1b]0;x\x07\u202e" in shown
    assert "\ncode: 00000" not in shown


def test_json_for_machines_is_text_too(capsys: pytest.CaptureFixture[str]) -> None:
    """JSON has escapes of its own, so a machine reads the message as it was logged."""
    main(["explain", "--json", HOSTILE])
    shown = capsys.readouterr().out
    assert shown.isascii()
    assert _is_text(shown)
    assert "\u202e" in json.loads(shown)["message"]


def test_a_refused_script_is_text(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A finding quotes the script that others proposed."""
    script = tmp_path / "fix.sql"
    script.write_text('delete from "\x1b[31m\u202e"')
    assert main(["check-fix", "--type", "sql", str(script)]) == 1
    shown = capsys.readouterr().out
    assert _is_text(shown)
    assert r"\x1b[31m\u202e" in shown


def test_a_failure_is_text(capsys: pytest.CaptureFixture[str]) -> None:
    """An error message quotes what was given, or the end of a log."""
    assert main(["check-fix", "--type", "sql", "no\x1b[2Jsuch.sql"]) == 2
    shown = capsys.readouterr().err
    assert _is_text(shown)
    assert r"no\x1b[2Jsuch.sql" in shown


def test_a_line_of_the_log_is_text() -> None:
    """What a library logs while a command runs is shown the same way."""
    record = logging.LogRecord("x", logging.INFO, "", 1, "got %s", (HOSTILE,), None)
    assert _is_text(VisibleFormatter("%(message)s").format(record))


def test_what_the_demo_shows_is_text() -> None:
    """Tables and paragraphs show messages without obeying their markup or control characters."""
    output = io.StringIO()
    console = Console(file=output, width=200, color_system=None)
    row = {"occurrence_count": 1, "pattern_type": "x", "metadata": {"template": HOSTILE}}
    console.print(report.patterns([row]))
    cluster = {"cluster_size": 1, "total_occurrences": 1, "cluster_name": HOSTILE}
    console.print(report.clusters([cluster]))
    console.print(report.wrapped([("psql", HOSTILE)]))
    console.print(report.summary(report.facets({"a": [{"value": HOSTILE, "occurrences": 1}]})))
    report.say(console, f"[dim]{report.quoted(HOSTILE)}[/dim]")
    assert _is_text(output.getvalue())
    assert output.getvalue().count("[/dim]") == 5
