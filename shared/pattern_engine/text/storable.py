"""Text that Postgres can store: JSON can say more than that."""

from __future__ import annotations

import re

# What JSON can say and Postgres cannot store: NUL, and halves of surrogate pairs.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def storable(value: object) -> object:
    """Text with everything replaced that Postgres cannot store; anything else as it is."""
    return _UNSTORABLE.sub("\ufffd", value) if isinstance(value, str) else value


def storable_throughout(value: object) -> object:
    """The same for all text within what JSON can say."""
    if isinstance(value, dict):
        return {storable(key): storable_throughout(member) for key, member in value.items()}
    if isinstance(value, list):
        return [storable_throughout(member) for member in value]
    return storable(value)
