"""Names for the values of a message: the noun that stands before each value.

`Insufficient stock for product 100: requested 5` has a product and a requested value, and
`column "total" of relation "orders"` a column and a table. Where no noun stands before a value, its
kind is its name, and `value` if the kind says nothing. A second value of a name is `table_2`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pattern_engine.grouping.v2.marks import PLURAL, WILDCARD

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pattern_engine.grouping.v2.masking import Value
    from pattern_engine.reading import ReadError

__all__ = ["IDENTIFIERS", "identifiers", "named", "numbered"]

#: Names of what an error happened to: a fix is guarded by them, and a pattern keeps them as facets.
IDENTIFIERS: Final = frozenset(
    {
        "constraint",
        "table",
        "column",
        "schema",
        "function",
        "role",
        "database",
        "type",
        "sequence",
        "trigger",
        "index",
        "policy",
        "extension",
        "operator",
        "statement",
    }
)
#: Characters of an identifier that are kept.
MAX_IDENTIFIER: Final = 200
_SAME_THING: Final = {"relation": "table", "user": "role", "tables": "table", "columns": "column"}
_NO_NAMES: Final = frozenset(
    [
        "a",
        "an",
        "the",
        "is",
        "are",
        "was",
        "were",
        "be",
        "been",
        "has",
        "have",
        "had",
        "of",
        "to",
        "from",
        "and",
        "or",
        "not",
        "no",
        "by",
        "at",
        "in",
        "on",
        "for",
        "with",
        "as",
        "it",
        "its",
        "this",
        "that",
        "than",
        "then",
        "got",
        "get",
        "but",
        "if",
        "when",
        "while",
        "so",
        "per",
        "via",
        "because",
        "due",
        "must",
        "can",
        "cannot",
        "could",
        "would",
        "should",
        "may",
        "might",
        "will",
        "do",
        "does",
        "did",
        "error",
        "errors",
        "failed",
        "invalid",
        "unknown",
        "unexpected",
        "missing",
        "into",
        "after",
        "before",
        "between",
        "within",
        "without",
        "over",
        "under",
        "about",
    ]
)
_VAGUE_KINDS: Final = frozenset({"word", "identifier", "text", "list", ""})
_LAST_WORD: Final = re.compile(r"([A-Za-z][A-Za-z0-9_]*)(?:\[\])?[\s\"'`(:=#\[{<]*\Z")
_HOLES: Final = re.compile(f"({re.escape(WILDCARD)}|{re.escape(PLURAL)})")


def named(template: str, values: Sequence[Value]) -> dict[str, str]:
    """Return the values at a template's wildcards by name, in order."""
    parts = _HOLES.split(template)
    before = [text for text, hole in zip(parts[::2], parts[1::2], strict=False) if hole == WILDCARD]
    return numbered(
        (_name(text, value.kind), value.text) for text, value in zip(before, values, strict=False)
    )


def numbered(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return pairs of name and value, with a number after a name that occurred before."""
    found: dict[str, str] = {}
    counts: dict[str, int] = {}
    for name, value in pairs:
        counts[name] = counts.get(name, 0) + 1
        found[name if counts[name] == 1 else f"{name}_{counts[name]}"] = value
    return found


def _name(before: str, kind: str) -> str:
    word = _LAST_WORD.search(before)
    noun = word[1].lower() if word else ""
    if noun and noun not in _NO_NAMES and len(noun) > 1:
        return _SAME_THING.get(noun, noun)
    return "value" if kind in _VAGUE_KINDS else kind.replace(" ", "_")


#: In sections: the columns and values of a key, and the routine or relation of a context.
_KEY: Final = re.compile(r"\((?P<column>[^()=]{1,200})\)\s?=\s?\((?P<key>[^)]{0,400})\)")
_ROUTINE: Final = re.compile(
    r"(?:PL/pgSQL|PL/\w+|SQL)[^\n:]{0,40}?\s[\"«»„“「]?\s?(?P<function>[\w.$]+)\s?\("
    r"|(?P<function_2>[\w.$]+)\([^()\n]{0,200}\)[^\n]{0,60}PL/pgSQL"
)


def of_sections(error: ReadError) -> dict[str, str]:
    """Return what DETAIL and CONTEXT of an error of PostgreSQL name, in any language."""
    found: dict[str, str] = {}
    key = _KEY.search(error.detail) if error.detail else None
    if key:
        found |= {"column": key["column"].strip('"'), "key": key["key"]}
    routine = _ROUTINE.search(error.context) if error.context else None
    if routine:
        found["function"] = routine["function"] or routine["function_2"]
    return found


def identifiers(captured: Mapping[str, str]) -> dict[str, str]:
    """Return what of the captured values names an object."""
    return {name: value[:MAX_IDENTIFIER] for name, value in captured.items() if name in IDENTIFIERS}
