"""Signing in and out: a session lasts, is kept privately, and belongs to one project."""

from __future__ import annotations

import io
import json
import re
import stat
import time
from typing import TYPE_CHECKING, Any

import keyring
import pytest
from keyring.backend import KeyringBackend
from tests.conftest import PASSWORD
from tests.scenarios.commands.conftest import sit
from tests.waiting import eventually

from pattern_engine.cli import main
from pattern_engine.local.stack import mail_directory

if TYPE_CHECKING:
    from tests.conftest import People, Person
    from tests.scenarios.commands.conftest import Terminal


def kept(terminal: Terminal) -> dict[str, dict[str, Any]]:
    """The sessions in the file, by project."""
    text = json.loads(terminal.sessions.read_text()) if terminal.sessions.exists() else {}
    return {slot: json.loads(session) for slot, session in text.items()}


def change(terminal: Terminal, **values: object) -> None:
    """Change the one session in the file."""
    ((slot, session),) = kept(terminal).items()
    terminal.sessions.write_text(json.dumps({slot: json.dumps(session | values)}))


def test_a_password_signs_in_and_is_kept_nowhere(terminal: Terminal, viewer: Person) -> None:
    """The session is in a file that nobody else may read, and signing out ends and removes it."""
    terminal.run("patterns", code=3)
    assert "pattern-engine login" in terminal.err
    terminal.sign_in(viewer)
    terminal.run("patterns")
    assert stat.S_IMODE(terminal.sessions.stat().st_mode) == 0o600
    assert stat.S_IMODE(terminal.sessions.parent.stat().st_mode) == 0o700
    assert "correct horse" not in terminal.sessions.read_text()
    ((_, session),) = kept(terminal).items()
    terminal.run("logout")
    assert kept(terminal) == {}
    terminal.run("patterns", code=3)
    # The session has ended, so that a stolen copy of the file refreshes nothing.
    terminal.sign_in(viewer)
    change(terminal, refresh_token=session["refresh_token"], expires_at=0)
    terminal.run("patterns", code=3)


def test_a_password_is_not_shown(terminal: Terminal, viewer: Person) -> None:
    """Whoever looks over the shoulder reads the address alone."""
    asked = (("E-mail address", viewer.email), ("Password", PASSWORD))
    sat = sit(terminal, "login", answers=asked)
    assert sat.code == 0, sat
    assert "ops_viewer" in sat.out
    assert viewer.email in sat.echoed
    assert PASSWORD not in sat.out + sat.err + sat.echoed


def test_a_wrong_password_signs_nobody_in(terminal: Terminal, viewer: Person) -> None:
    """The exit code says that nobody is signed in, and nothing is kept."""
    terminal.run("login", "--email", viewer.email, "--password-stdin", stdin="wrong\n", code=3)
    assert "Invalid login credentials" in terminal.err
    terminal.run("login", "--email", viewer.email, code=2)
    assert kept(terminal) == {}


def test_a_code_of_a_mail_signs_in(terminal: Terminal, viewer: Person) -> None:
    """The mails of a local stack are files of its data directory."""
    mails = mail_directory(terminal.stack.data_dir)
    before = set(mails.iterdir())

    class Mail(io.TextIOBase):
        """What somebody types who reads the mail first."""

        def readline(self, _most: int | None = -1, /) -> str:  # type: ignore[override]
            """Return the code of the mail."""
            (mail,) = eventually(lambda: set(mails.iterdir()) - before)
            found = re.search(r"Your login code is: (\d+)", json.loads(mail.read_text())["text"])
            assert found
            return f"{found[1]}\n"

    terminal.monkeypatch.setattr("sys.stdin", Mail())
    words = ("login", "--magic-link", "--password-stdin", "--email", viewer.email)
    assert main([*words, "--data-dir", str(terminal.stack.data_dir)]) == 0
    assert "ops_viewer" in terminal.capsys.readouterr().out
    terminal.run("patterns")


def test_an_expired_token_is_refreshed(terminal: Terminal, viewer: Person) -> None:
    """Before it is sent, if its time is over; afterwards, if the project does not take it."""
    terminal.sign_in(viewer)
    ((_, first),) = kept(terminal).items()
    change(terminal, expires_at=int(time.time()) - 10)
    terminal.run("patterns")
    ((_, second),) = kept(terminal).items()
    assert second["refresh_token"] != first["refresh_token"]
    assert second["expires_at"] > time.time()
    change(terminal, access_token=second["access_token"][:-4] + "AAAA")
    terminal.run("patterns")
    terminal.run("stats")
    change(terminal, expires_at=0, refresh_token="gone")
    terminal.run("patterns", code=3)
    assert "pattern-engine login" in terminal.err


def test_the_projects_of_a_person_do_not_mix(
    terminal: Terminal, viewer: Person, administrator: Person
) -> None:
    """Each has its own session, and its address alone gets it."""
    status = terminal.stack.status()
    address = ("--url", status["api_url"], "--key", status["publishable_key"])
    terminal.run("patterns", "--project", "shop", code=1)
    assert "there is no project shop" in terminal.err
    terminal.sign_in(administrator, "--project", "shop", *address)
    terminal.sign_in(viewer)
    assert len(kept(terminal)) == 2
    terminal.run("pause", "--reason", "tests", "--for", "1s", code=4)
    terminal.run("pause", "--reason", "tests", "--for", "1s", "--project", "shop")
    terminal.run("resume", "--project", "shop")
    terminal.monkeypatch.setenv("PATTERN_ENGINE_PROJECT", "shop")
    terminal.run("pause", "--reason", "tests", "--for", "1s")
    terminal.run("resume")
    terminal.run("logout")
    terminal.run("patterns", code=3)
    assert "--project shop" in terminal.err
    terminal.run("patterns", "--project", "local")


@pytest.mark.parametrize("url", ["http://example.com", "ftp://localhost", "example.com"])
def test_a_token_is_never_sent_in_the_clear(terminal: Terminal, url: str) -> None:
    """Off this machine only https will do."""
    words = ("--project", "far", "--url", url, "--key", "k", "--email", "x@example.com")
    terminal.run("login", *words, "--password-stdin", stdin="x\n", code=1)
    assert "https" in terminal.err


def test_a_person_without_a_role_is_told(terminal: Terminal, people: People) -> None:
    """The database shows such a person no row, which is not the same as an empty inbox."""
    nobody = people.new()
    terminal.sign_in(nobody)
    terminal.run("patterns", code=4)
    assert "operators add" in terminal.err


class InMemory(KeyringBackend):
    """A keyring of the system."""

    priority = 1

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.kept: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        """Return a secret."""
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        """Keep a secret."""
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        """Remove a secret."""
        del self.kept[service, username]


def test_a_keyring_is_used_where_there_is_one(terminal: Terminal, viewer: Person) -> None:
    """Then no file holds the session, and signing out empties the keyring."""
    system = InMemory()
    keyring.set_keyring(system)
    terminal.sign_in(viewer)
    terminal.run("patterns")
    assert len(system.kept) == 1
    assert kept(terminal) == {}
    terminal.run("logout")
    assert system.kept == {}
