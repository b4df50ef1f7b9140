"""The settings of a stack's functions that `pattern-engine up --set` stores in its directory."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path

from pattern_engine.local.errors import StackError
from pattern_engine.local.keys import write_private
from pattern_engine.settings import Settings, variable
from pattern_engine.thresholds import Thresholds

__all__ = ["keep", "kept", "read"]

_FILE = "settings.json"
_NAMES = frozenset(variable(each.name) for kind in (Settings, Thresholds) for each in fields(kind))


def read(assignments: Sequence[str]) -> dict[str, str]:
    """Return the settings in texts such as PATTERN_ENGINE_COOLDOWN_SECONDS=60, by name.

    Raises:
        StackError: for a text without an equals sign, or a name that is no setting.
    """
    found: dict[str, str] = {}
    for text in assignments:
        name, equals, value = text.partition("=")
        if not equals:
            raise StackError(f"--set {text} has no value; write --set NAME=VALUE.")
        if name not in _NAMES:
            raise StackError(
                f"There is no setting {name}; docs/reference/settings.md lists them, each as a "
                "variable that begins with PATTERN_ENGINE_."
            )
        found[name] = value
    return found


def kept(directory: Path) -> dict[str, str]:
    """Return the settings that a directory keeps."""
    file = directory / _FILE
    found: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}
    return found


def keep(directory: Path, changes: Mapping[str, str]) -> dict[str, str]:
    """Store settings in a directory and return all that it keeps; an empty value removes one."""
    settings = {name: value for name, value in {**kept(directory), **changes}.items() if value}
    if changes:
        directory.mkdir(parents=True, exist_ok=True)
        write_private(directory / _FILE, json.dumps(settings, indent=2))
    return settings
