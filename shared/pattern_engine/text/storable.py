"""Replacing the characters that JSON allows and Postgres cannot store."""

from __future__ import annotations

import re

# NUL, and halves of surrogate pairs.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def storable(value: object) -> object:
    """Replace the characters of a text that Postgres cannot store; keep any other value."""
    return _UNSTORABLE.sub("\ufffd", value) if isinstance(value, str) else value


def storable_throughout(value: object) -> object:
    """Do the same for all texts within a JSON value."""
    if isinstance(value, dict):
        return {storable(key): storable_throughout(member) for key, member in value.items()}
    if isinstance(value, list):
        return [storable_throughout(member) for member in value]
    return storable(value)
