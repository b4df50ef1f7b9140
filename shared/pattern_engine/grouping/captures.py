"""Names for the values of a message: the noun that stands before each value.

`Insufficient stock for product 100: requested 5` has a product and a requested value, and
`column "total" of relation "orders"` a column and a table. Where no noun stands before a value, its
kind is its name, and `value` if the kind says nothing. A second value of a name is `table_2`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from pattern_engine import catalogue
from pattern_engine.catalogue.naming import numbered
from pattern_engine.grouping.v2 import masking
from pattern_engine.grouping.v2.marks import PLURAL, WILDCARD
from pattern_engine.identifiers import IDENTIFIERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pattern_engine.grouping.v2.masking import Value
    from pattern_engine.reading import ReadError

__all__ = ["identifiers", "named", "of_outer", "of_sections", "parts"]

#: Characters of an identifier that are kept.
MAX_IDENTIFIER: Final = 200
#: Characters of a text around a message that are looked at.
MAX_OUTER: Final = 300
#: Characters of a statement that are looked at.
MAX_STATEMENT: Final = 2000
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
_MIN_NOUN: Final = 2
_VAGUE_KINDS: Final = frozenset({"word", "identifier", "text", "list", ""})
_LAST_WORD: Final = re.compile(r"([A-Za-z][A-Za-z0-9_]*)(?:\[\])?[\s\"'`(:=#\[{<]*\Z")
_HOLES: Final = re.compile(f"({re.escape(WILDCARD)}|{re.escape(PLURAL)})")
_NAMED_HOLES: Final = re.compile(r"(<(?:\*|[a-z][a-z0-9_]*)>)")


def named(text: str) -> dict[str, str]:
    """Return the values of a text of no catalogue by name, in order."""
    found = list(_values(text))
    nouns = (noun or _name_of(value.kind) for noun, value in found)
    return {
        name: value.text for name, (_, value) in zip(numbered(tuple(nouns)), found, strict=True)
    }


class Part(NamedTuple):
    """A piece of a template: literal text, or a variable by its name."""

    text: str
    is_variable: bool


def parts(template: str, *, is_known: bool, captured: Iterable[str] = ()) -> list[Part]:
    """Return the pieces of a template, with the names that its values get when they are captured.

    A template of the catalogue (`is_known`) has them already. Elsewhere `captured` are the names of
    the values of an error with this template; without one it is the noun before the variable. There
    `<table>` is text that an application logged.
    """
    pieces = (_NAMED_HOLES if is_known else _HOLES).split(template)
    befores, holes = pieces[::2], pieces[1::2]
    nouns = [
        hole[1:-1] if hole not in (WILDCARD, PLURAL) else _noun(before, "") or _name_of("")
        for before, hole in zip(befores, holes, strict=False)
    ]
    names = numbered(tuple(nouns))
    given = iter(() if is_known else captured)
    names = tuple(
        name if hole == PLURAL else next(given, name)
        for name, hole in zip(names, holes, strict=True)
    )
    found = [Part(befores[0], is_variable=False)]
    for name, hole, after in zip(names, holes, befores[1:], strict=True):
        is_plural = hole == PLURAL
        found.append(Part("s" if is_plural else name, is_variable=not is_plural))
        found.append(Part(after, is_variable=False))
    return [part for part in found if part.text]


def of_outer(texts: Iterable[str]) -> dict[str, str]:
    """Return the values that a noun names in texts that stand around an error's message.

    An application writes there which of its cases failed: `worker 12: deadlock detected`. What
    guards a fix comes from the error itself alone.
    """
    found = (each for text in texts for each in _values(text[:MAX_OUTER]))
    return {noun: value.text for noun, value in found if noun and noun not in IDENTIFIERS}


def _values(text: str) -> Iterator[tuple[str, Value]]:
    """Yield the values of a text, each with the noun before it; empty where there is none."""
    template, values = masking.mask(text)
    parts = _HOLES.split(template)
    before = (text for text, hole in zip(parts[::2], parts[1::2], strict=False) if hole == WILDCARD)
    for words, value in zip(before, values, strict=False):
        yield _noun(words, value.kind), value


def _noun(before: str, kind: str) -> str:
    word = _LAST_WORD.search(before)
    noun = word[1].lower() if word else ""
    if noun in _NO_NAMES or len(noun) < _MIN_NOUN:
        return ""
    # `user 77` is no role of the database.
    return _SAME_THING.get(noun, noun) if kind in _VAGUE_KINDS else noun


def _name_of(kind: str) -> str:
    return "value" if kind in _VAGUE_KINDS else kind.replace(" ", "_")


_NAME: Final = r"((?:\"?[\w$]++\"?\.)?+\"?[\w$]++\"?)"
#: The tables of a statement stand behind these words; what `from` calls is a function.
_TABLES: Final = re.compile(
    rf"(?i)\b(?:insert\s+into|update|delete\s+from|truncate(?:\s+table)?|alter\s+table)\s+(?:only\s+)?{_NAME}"
    rf"|\b(?:from|join)\s+(?:only\s+)?{_NAME}(?!\s*\()"
)
_PREPARED: Final = re.compile(r"(?i)\s*execute\s+(\w+)").match
#: PostgREST's path names the table.
_PATH: Final = re.compile(r"/rest/v1/(?!rpc/)(\w+)").search
_NOT_TABLES: Final = frozenset({"select", "only", "lateral", "set", "values", "unnest"})


def of_sections(error: ReadError) -> dict[str, str]:
    """Return what DETAIL, CONTEXT and STATEMENT of an error of PostgreSQL name, in any language.

    A statement names its table where it has one alone.
    """
    found = catalogue.detail(error.detail) if error.detail else {}
    if error.context:
        found = catalogue.detail(error.context) | found
    if "column" in found:
        found["column"] = found["column"].replace('"', "")
    statement = (error.statement or "")[:MAX_STATEMENT]
    found = _only_table(statement or error.context or "") | found
    path = next((path for text in error.layers if (path := _PATH(text[:MAX_STATEMENT]))), None)
    if path:
        found.setdefault("table", path[1])
    prepared = _PREPARED(statement)
    if prepared:
        found.setdefault("statement", prepared[1])
    return found


def _only_table(statement: str) -> dict[str, str]:
    names = {"".join(pair).replace('"', "") for pair in _TABLES.findall(statement[:MAX_STATEMENT])}
    names -= _NOT_TABLES
    if len(names) != 1:
        return {}
    schema, _, table = names.pop().rpartition(".")
    return {"table": table, "schema": schema} if schema else {"table": table}


def identifiers(captured: Mapping[str, str]) -> dict[str, str]:
    """Return what of the captured values names an object."""
    return {
        name: value[:MAX_IDENTIFIER]
        for name, value in captured.items()
        if name in IDENTIFIERS and not value.isdigit()  # `table 3` of a program is no table
    }
