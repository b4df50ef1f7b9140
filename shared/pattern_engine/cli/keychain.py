"""Where a person's sessions are kept: in the keyring of the system, else in a private file."""

from __future__ import annotations

import fcntl
import json
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

import keyring
from keyring.backends import fail, null
from keyring.errors import KeyringError, PasswordDeleteError

from pattern_engine.cli.profiles import own_directory
from pattern_engine.local.keys import write_private

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SERVICE: Final = "pattern-engine"
_FILE: Final = "sessions.json"


@dataclass(frozen=True)
class Session:
    """What Supabase Auth gave a person who signed in."""

    access_token: str
    refresh_token: str
    expires_at: int
    email: str
    user_id: str

    def __repr__(self) -> str:
        """Show no token."""
        return f"Session({self.email!r})"


def read(slot: str) -> Session | None:
    """Return the session of a project, if the person is signed in there."""
    kept = _keyring_read(slot) if _has_keyring() else None
    kept = kept or _read_file().get(slot)
    return Session(**json.loads(kept)) if kept else None


def write(slot: str, session: Session) -> None:
    """Keep the session of a project, instead of the one before."""
    text = json.dumps(asdict(session))
    if _has_keyring():
        try:
            keyring.set_password(_SERVICE, slot, text)
        except KeyringError:
            pass  # it is locked, or nobody can unlock it here
        else:
            _change_file(slot, None)
            return
    _change_file(slot, text)


def forget(slot: str) -> None:
    """Remove the session of a project from wherever it is."""
    if _has_keyring():
        with suppress(PasswordDeleteError, KeyringError):  # it is not there, or locked
            keyring.delete_password(_SERVICE, slot)
    _change_file(slot, None)


@contextmanager
def alone() -> Iterator[None]:
    """Keep other commands of the person from refreshing the same session at the same time."""
    with (own_directory() / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _has_keyring() -> bool:
    return not isinstance(keyring.get_keyring(), fail.Keyring | null.Keyring)


def _keyring_read(slot: str) -> str | None:
    try:
        return keyring.get_password(_SERVICE, slot)
    except KeyringError:
        return None


def _file() -> Path:
    return own_directory() / _FILE


def _read_file() -> dict[str, str]:
    kept: dict[str, str] = json.loads(_file().read_text()) if _file().exists() else {}
    return kept


def _change_file(slot: str, text: str | None) -> None:
    kept = _read_file()
    if text is not None:
        kept[slot] = text
    elif kept.pop(slot, None) is None:
        return
    write_private(_file(), json.dumps(kept))
