"""Which project a person's commands speak to: addresses by name, in a file of the person's own.

The project `local` is the stack on this machine, whose addresses are those of its data directory.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import typer

from pattern_engine.cli.locations import data_directory
from pattern_engine.local.errors import StackError
from pattern_engine.local.keys import write_private
from pattern_engine.local.stack import FUNCTIONS_PATH, read_status

LOCAL: Final = "local"
_FILE = "projects.json"
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class UnknownProjectError(StackError):
    """No project of this name was signed in to."""


@dataclass(frozen=True)
class Profile:
    """Where a project is, and its key for clients, which is no secret."""

    name: str
    api_url: str
    functions_url: str
    key: str

    @property
    def slot(self) -> str:
        """What the session is stored under: an address that changes gets no other one's token."""
        return f"{self.name} {self.api_url}"

    @property
    def sign_in_command(self) -> str:
        """The command that signs in to the project."""
        named = "" if self.name == LOCAL else f" --project {self.name}"
        return f"pattern-engine login{named}"


def own_directory() -> Path:
    """Return the directory of the person's own files, which nobody else may enter."""
    directory = Path(typer.get_app_dir("pattern-engine", force_posix=False))
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    return directory


def find(name: str, data_dir: Path | None) -> Profile:
    """Return a project by its name.

    Raises:
        UnknownProjectError: Nobody signed in to a project of this name.
        StackError: The project is the local stack, and none was ever started.
    """
    if name == LOCAL:
        status = read_status(data_directory(data_dir, None))
        url = status["api_url"]
        return Profile(name, url, f"{url}{FUNCTIONS_PATH}", status["publishable_key"])
    stored = _stored()
    if name not in stored:
        known = ", ".join([LOCAL, *sorted(stored)])
        raise UnknownProjectError(
            f"there is no project {name}, only {known}; "
            f"pattern-engine login --project {name} --url URL --key KEY adds it"
        )
    return Profile(name, **stored[name])


def make(name: str, url: str, key: str, functions_url: str | None) -> Profile:
    """Return a project by its addresses.

    Raises:
        StackError: An address would send a token in the clear, or the name is taken.
    """
    if name == LOCAL:
        raise StackError("the project local is the stack on this machine; choose another name")
    api_url = _safe(url)
    functions = functions_url or f"{api_url}{FUNCTIONS_PATH}"
    return Profile(name, api_url, _safe(functions), key)


def _safe(url: str) -> str:
    parts = urlsplit(url)
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
    if not is_safe or not parts.hostname:
        raise StackError(f"{url} is no https:// address, so a token could be read on the way")
    return url.rstrip("/")


def store(profile: Profile) -> None:
    """Keep a project for later commands."""
    values = asdict(profile)
    name = values.pop("name")
    write_private(own_directory() / _FILE, json.dumps(_stored() | {name: values}, indent=2))


def _stored() -> dict[str, dict[str, str]]:
    file = own_directory() / _FILE
    stored: dict[str, dict[str, str]] = json.loads(file.read_text()) if file.exists() else {}
    return stored
