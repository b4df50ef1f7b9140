"""A person at a terminal: own files, no keyring, and the commands on the shared stack."""

from __future__ import annotations

import io
import json
import os
import pty
import subprocess
import sys
import termios
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import keyring
import pytest
from keyring.backends import fail
from tests.conftest import PASSWORD
from tests.waiting import eventually

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


@dataclass
class Sat:
    """What somebody saw who sat at a terminal."""

    code: int
    out: str
    err: str
    echoed: str


def sit(terminal: Terminal, *words: str, answers: tuple[tuple[str, str], ...]) -> Sat:
    """Run a command at a real terminal, and answer each question when it is asked."""
    keyboard, its_end = pty.openpty()
    place = ["--data-dir", str(terminal.stack.data_dir)]
    with subprocess.Popen(
        [sys.executable, "-m", "pattern_engine.cli", *words, *place],
        stdin=its_end,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
        env=environment(terminal),
        start_new_session=True,
    ) as asking:
        os.close(its_end)
        try:
            err = _answer(asking, keyboard, answers)
            out, rest = asking.communicate(timeout=60)
            echoed = os.read(keyboard, 10_000)
        finally:
            asking.kill()
            os.close(keyboard)
    return Sat(asking.returncode, *(each.decode() for each in (out, err + rest, echoed)))


def _answer(
    asking: subprocess.Popen[bytes], keyboard: int, answers: tuple[tuple[str, str], ...]
) -> bytes:
    """Type each answer once its question is there; return what was asked."""
    assert asking.stderr
    err = b""
    for question, answer in answers:
        while question.encode() not in err:
            read = asking.stderr.read(1)
            assert read, err
            err += read
        if question == "Password":
            # What is typed before the terminal stops to show it is thrown away.
            assert eventually(lambda: not termios.tcgetattr(keyboard)[3] & termios.ECHO)
        os.write(keyboard, f"{answer}\n".encode())
    return err


def environment(terminal: Terminal) -> dict[str, str]:
    """Return the environment of the person's processes."""
    return {
        "PATH": "/usr/bin:/bin",
        "XDG_CONFIG_HOME": str(terminal.home),
        "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring",
    }
