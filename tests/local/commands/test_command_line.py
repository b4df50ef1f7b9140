"""The command line as a whole: its list of commands, wrong words, completion, and what it loads."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from pattern_engine.cli import command_line, main

if TYPE_CHECKING:
    from pathlib import Path

LINE = command_line()


@pytest.mark.parametrize("name", LINE.commands)
def test_the_list_says_what_each_command_says_itself(name: str) -> None:
    """The list is made without importing the commands, and has the first sentence of their help."""
    loaded = LINE.load(name)
    assert loaded.name == name
    assert LINE.commands[name].help == (loaded.help or "").partition("\n")[0]


def test_the_list_of_commands_has_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    """`--help` ends with 0 and prints on standard output."""
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert [name for name in LINE.commands if f" {name} " not in shown] == []


@pytest.mark.parametrize("words", [[], ["operators"], ["oprators"], ["--port"], ["status", "x"]])
def test_wrong_words_end_with_2(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    """Nothing is done, and standard error says what is wrong and where the help is."""
    assert main(words) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "Usage: pattern-engine" in printed.err
    assert "--help` explains it" in printed.err
    assert "\npattern-engine: " in printed.err


def test_a_misspelt_command_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """The most similar command is suggested."""
    assert main(["oprators"]) == 2
    assert "Did you mean 'operators'" in capsys.readouterr().err


def test_two_forms_at_once_are_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    """`status` prints for machines or for a shell."""
    assert main(["status", "--json", "--shell"]) == 2
    assert "not allowed with --json" in capsys.readouterr().err


def loaded_by(*words: str) -> set[str]:
    """Run a command in a process of its own; return the packages that it imported."""
    script = (
        "import sys; from pattern_engine.cli import main; code = main(sys.argv[1:]); "
        "print(code, *sys.modules, file=sys.stderr)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script, *words], capture_output=True, text=True, check=True
    )
    code, *modules = ran.stderr.splitlines()[-1].split()
    assert code == "0", ran
    return set(modules)


def test_a_command_loads_only_what_it_needs(tmp_path: Path) -> None:
    """The version needs no library but Typer, and checking a script no network or database."""
    heavy = {"psycopg", "httpx", "postgrest", "rich", "pydantic", "numpy", "keyring"}
    assert not loaded_by("--version") & heavy
    assert not loaded_by("--help") & (heavy - {"rich"})
    script = tmp_path / "fix.sql"
    script.write_text("update orders set status = 'mended' where status = 'broken'")
    checked = loaded_by("check-fix", "--type", "sql", str(script))
    assert not checked & (heavy - {"pydantic"})


def test_a_shell_completes_commands_and_options() -> None:
    """As Typer's completion scripts ask for it."""

    def completed(line: str) -> set[str]:
        words = {
            "_PATTERN_ENGINE_COMPLETE": "complete_bash",
            "COMP_WORDS": line,
            "COMP_CWORD": str(len(line.split(" ")) - 1),
        }
        ran = subprocess.run(
            [sys.executable, "-m", "pattern_engine.cli"],
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | words,
        )
        return set(ran.stdout.split())

    assert completed("pattern-engine op") == {"operators"}
    assert "--privileges" in completed("pattern-engine fixer grant --p")
    assert completed("pattern-engine up --server w") == {"wheel"}
