"""The kinds of objects that errors name, as captured values, facets and guards call them."""

from __future__ import annotations

from typing import Final, Literal, get_args

__all__ = ["IDENTIFIERS", "GuardingName", "IdentifierName"]

#: Those that guard a fix unless `when` says otherwise.
GuardingName = Literal["constraint", "table", "column", "function", "role"]
IdentifierName = Literal[
    GuardingName,
    "schema",
    "database",
    "type",
    "sequence",
    "trigger",
    "index",
    "policy",
    "extension",
    "operator",
    "statement",
]
IDENTIFIERS: Final[frozenset[str]] = frozenset(get_args(IdentifierName))
