"""Names of the variables in PostgreSQL's messages: the noun before a value names it."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["names", "numbered"]

_NOUNS: Final = frozenset(
    {
        *("address", "channel", "collation", "column", "constraint", "conversion", "cursor"),
        *("database", "directory", "encoding", "extension", "field", "file", "function", "host"),
        *("index", "key", "language", "library", "method", "operator", "option", "parameter"),
        *("policy", "port", "program", "publication", "role", "rule", "savepoint", "schema"),
        *("sequence", "server", "slot", "statement", "subscription", "table", "tablespace"),
        *("token", "trigger", "type"),
    }
)
_SYNONYMS: Final = {
    "relation": "table",
    "view": "table",
    "partition": "table",
    "rel": "table",
    "attribute": "column",
    "procedure": "function",
    "aggregate": "function",
    "routine": "function",
    "user": "role",
    "group": "role",
    "domain": "type",
    "enum": "type",
}
_LAST_WORD: Final = re.compile(r"([A-Za-z]+)[ :\"'(]*\Z")
OTHER: Final = "value"
REASON: Final = "reason"


def names(literals: tuple[str, ...], kinds: tuple[str, ...]) -> tuple[str, ...]:
    """Return a name for each variable between these literals; a second one of a name is `name_2`.

    The kind `m` is the text of the operating system's error, and so is what ends a message after a
    colon.
    """
    found = [
        REASON if kind == "m" else _noun(literal)
        for literal, kind in zip(literals, kinds, strict=False)
    ]
    if literals[-2:-1] and literals[-2].endswith(": ") and literals[-1] == "" and not kinds[-1]:
        found[-1] = REASON
    return numbered(tuple(found))


def _noun(literal: str) -> str:
    found = _LAST_WORD.search(literal)
    word = found[1].lower() if found else ""
    return word if word in _NOUNS else _SYNONYMS.get(word, OTHER)


def numbered(given: tuple[str, ...]) -> tuple[str, ...]:
    """Return names of which each stands once: a second `table` is `table_2`."""
    seen: dict[str, int] = {}
    found = []
    for name in given:
        seen[name] = seen.get(name, 0) + 1
        found.append(name if seen[name] == 1 or name == "_" else f"{name}_{seen[name]}")
    return tuple(found)
