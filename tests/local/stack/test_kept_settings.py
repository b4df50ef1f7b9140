"""Settings that `up --set` passes to the functions and keeps for later starts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pattern_engine.local.errors import StackError
from pattern_engine.local.kept_settings import keep, kept, read
from pattern_engine.local.state import State

COOLDOWN = "PATTERN_ENGINE_COOLDOWN_SECONDS"


def environment(directory: Path) -> dict[str, str]:
    """Return the environment of a stack's functions."""
    process = State.load(directory).parts["functions"]
    content = Path(f"/proc/{process.pid}/environ").read_text().rstrip("\0")
    return dict(each.split("=", 1) for each in content.split("\0"))


def test_a_setting_is_passed_on_and_kept(command: Any, home: Path, any_server: Any) -> None:
    """The next start has it without being told again."""
    place = ("--data-dir", str(home))
    up = ("up", "--detach", "--port", "0", "--server", any_server, *place)
    for options in (("--set", f"{COOLDOWN}=61"), ()):
        started = command.run(*up, *options)
        assert started.returncode == 0, started.stderr
        assert environment(home)[COOLDOWN] == "61"
        assert command.run("down", *place).returncode == 0
    assert json.loads((home / "settings.json").read_text()) == {COOLDOWN: "61"}


def test_a_setting_without_a_value_is_forgotten(tmp_path: Path) -> None:
    """Others stay."""
    keep(tmp_path, {COOLDOWN: "61", "PATTERN_ENGINE_LOG_LEVEL": "DEBUG"})
    assert keep(tmp_path, read([f"{COOLDOWN}="])) == {"PATTERN_ENGINE_LOG_LEVEL": "DEBUG"}
    assert kept(tmp_path) == {"PATTERN_ENGINE_LOG_LEVEL": "DEBUG"}


@pytest.mark.parametrize(
    ("text", "reason"),
    [(COOLDOWN, "has no value"), ("PATTERN_ENGINE_COOLDOWN=1", "no setting"), ("=1", "no setting")],
)
def test_what_is_no_setting_is_refused(text: str, reason: str) -> None:
    """A typing error would otherwise be kept and do nothing."""
    with pytest.raises(StackError, match=reason):
        read([text])


def test_the_version_is_told(command: Any) -> None:
    """As reports of errors need it."""
    told = command.run("--version")
    assert (told.returncode, told.stdout.split()[0]) == (0, "pattern-engine")
