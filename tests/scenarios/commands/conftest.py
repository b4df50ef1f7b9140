"""A person at a terminal: own files, no keyring, and the commands on the shared stack."""

from __future__ import annotations

import io
import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import keyring
import pytest
from keyring.backends import fail
from tests.conftest import PASSWORD

from pattern_engine.cli import main

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import Person

    from pattern_engine.local.stack import Stack


@dataclass
class Terminal:
    """Runs commands as one user of one machine; nobody sits there to be asked."""

    home: Path
    stack: Stack
    capsys: pytest.CaptureFixture[str]
    monkeypatch: pytest.MonkeyPatch
    err: str = ""

    def run(self, *words: str, code: int = 0, stdin: str = "") -> str:
        """Run a command, which has to end with this code; return what it printed."""
        given = io.TextIOWrapper(io.BytesIO(stdin.encode()))
        self.monkeypatch.setattr(sys, "stdin", given)
        self.capsys.readouterr()
        ended = main([*words, "--data-dir", str(self.stack.data_dir)])
        printed = self.capsys.readouterr()
        self.err = printed.err
        assert ended == code, printed
        return printed.out

    def json(self, *words: str, code: int = 0, stdin: str = "") -> Any:
        """Run a command for machines; return what it answered."""
        return json.loads(self.run(*words, "--json", code=code, stdin=stdin))

    def sign_in(self, person: Person, *words: str) -> None:
        """Sign a person in, by the password."""
        self.run(
            "login", "--email", person.email, "--password-stdin", *words, stdin=f"{PASSWORD}\n"
        )

    @property
    def sessions(self) -> Path:
        """The file of the sessions."""
        return self.home / "pattern-engine" / "sessions.json"


@pytest.fixture
def terminal(
    tmp_path: Path,
    stack: Stack,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Terminal]:
    """A terminal on a machine without a keyring."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("PATTERN_ENGINE_PROJECT", raising=False)
    before = keyring.get_keyring()
    keyring.set_keyring(fail.Keyring())  # type: ignore[no-untyped-call]
    yield Terminal(tmp_path, stack, capsys, monkeypatch)
    keyring.set_keyring(before)
