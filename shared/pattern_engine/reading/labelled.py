"""Errors as PostgreSQL's server and its clients print them: a label, the message, sections."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pattern_engine.reading.error import MAX_SECTION
from pattern_engine.reading.sections import LABEL, MAX_LINES, SEVERITIES, section_at
from pattern_engine.reading.sqlstates import STATE

if TYPE_CHECKING:
    from pattern_engine.reading.error import ReadError

__all__ = ["labelled", "without_sections"]

#: Hibernate logs the state in a line before the message: `SQL Error: 0, SQLState: 23505`.
_STATE_BEFORE: Final = re.compile(rf"SQL ?State *: (?P<code>{STATE})")
MAX_COLONS: Final = 40
"""Colons of a line at which a label is looked for."""
_STATE_FIRST: Final = re.compile(rf"(?P<code>{STATE}): ")
#: Elixir's and Erlang's drivers: `ERROR 42P01 (undefined_table) relation …`.
_CONDITION: Final = re.compile(
    rf"(?:^|(?<=[\s:(]))(?:ERROR|FATAL|PANIC):? (?P<code>{STATE}) \([a-z_]+\):? "
)
#: Azure writes its session before the label without a space.
_START: Final = r"(?:^|(?<=[\s(>\]:\[])|(?<=[0-9a-f]-))"
_LABEL: Final = re.compile(rf"{_START}{LABEL}(?P<space>\s{{1,3}})(?=\S)")
#: What a label ends with, or the space that French writes before a colon.
_BEFORE_COLON: Final = frozenset(label[-1] for label in SEVERITIES) | {" ", "\u00a0", "\u202f"}
#: Drivers that speak to PostgreSQL, in front of a label.
_DRIVER: Final = re.compile(
    r"[Pp]ostgres|psycopg|PG::|[Nn]pgsql|PSQL|psql|asyncpg|pgx|pgconn|pg_"
).search


def labelled(text: str, error: ReadError) -> str | None:
    """Return what follows PostgreSQL's label of a severity, in any language: `FEHLER:  …`.

    The label of the first line that has one counts, in it the last one. Two spaces behind it, as
    the server and libpq write them, or a label in another language tell that it is PostgreSQL's.
    """
    if error.severity is not None:
        return None
    line = text.partition("\n")[0]
    condition = (
        _CONDITION.search(text) if ") " in line and ("RROR" in line or "AL" in line) else None
    )
    if condition:
        error.origin, error.code = "postgres", condition["code"]
        return text[condition.end() :].partition("\n\n")[0]
    found = _label_of(line) or _label_below(text, line, error)
    if found is None:
        return None
    if (
        found["space"] == "  "
        or found["label"] not in {"ERROR", "FATAL", "PANIC"}
        or _DRIVER(text, 0, found.start())
    ):
        error.origin = "postgres"
    error.severity = SEVERITIES[found["label"]]
    _note_driver(text[: found.start()], error)
    rest = text[found.end() :]
    state = _STATE_FIRST.match(rest)
    if state:
        error.code = state["code"]
    return rest[state.end() :] if state else rest


#: At the end of what stands before a label: PSQLException, PG::UniqueViolation, a state.
_KIND: Final = re.compile(
    r"(?P<kind>(?:\w+(?:\.|::|\\))*[A-Z]\w*(?:Exception|Error|Violation|(?<=::)\w+)): ?\Z"
)
_STATE_WITHIN: Final = re.compile(rf"SQLSTATE\[(?P<code>{STATE})\]")


def _note_driver(before: str, error: ReadError) -> None:
    """Note the class and the state that a driver writes before the server's label."""
    kind, state = _KIND.search(before[-200:]), _STATE_WITHIN.search(before)
    error.kind = kind["kind"] if kind else error.kind
    if state and not state["code"].startswith(_OF_CLIENTS):
        error.code = state["code"]


#: The class of a failed connection: what the server said of it has a state of its own.
_OF_CLIENTS: Final = "08"


def _label_of(line: str) -> re.Match[str] | None:
    """Return the label of a line; of several the last, up to one with two spaces behind it."""
    found = None
    colon = line.find(":")
    for _ in range(MAX_COLONS):
        if colon < 0:
            break
        if (
            line[colon - 1 : colon] in _BEFORE_COLON
            and line[colon + 1 : colon + 2].isspace()
            and (label := _label_before(line, colon))
        ):
            found = label
            if label["space"] == "  ":
                break
        colon = line.find(":", colon + 1)
    # Some clients repeat the label.
    return (found and _LABEL.match(line, found.end())) or found


def _label_before(line: str, colon: int) -> re.Match[str] | None:
    """Return the label that ends at a colon; None if the word before it is none."""
    words = line[max(0, colon - 20) : colon].rstrip().rsplit(None, 1)
    word = words[-1].lstrip("([>]:-") if words else ""
    if word not in SEVERITIES:
        word = word.rpartition("-")[2]
    if word not in SEVERITIES:
        return None
    return _LABEL.match(line, line.rindex(word, 0, colon))


def _label_below(text: str, line: str, error: ReadError) -> re.Match[str] | None:
    """Return the label of a later line, where it is PostgreSQL's beyond doubt."""
    state = _STATE_BEFORE.search(line) if "SQL" in line else None
    if state:
        error.code = state["code"]
        return _LABEL.search(text)
    if ":  " not in text:
        return None
    return next((label for label in _LABEL.finditer(text) if label["space"] == "  "), None)


def without_sections(text: str, error: ReadError) -> str | None:
    """Return a text without the sections that PostgreSQL adds to an error, and note them."""
    if "\n" not in text:
        return None
    message, *lines = text.split("\n", MAX_LINES)
    kept, name, section = [message], "", list[str]()
    for line in lines:
        found = section_at(line) or (_after_sections(line) if name else None)
        if found is not None:
            _close(error, name, section)
            name, section = found[0], [line[found[1] :]]
        elif name:
            section.append(line)
        else:
            kept.append(line)
    _close(error, name, section)
    return "\n".join(kept) if name else None


def _after_sections(line: str) -> tuple[str, int] | None:
    """Return what SQLAlchemy writes behind an error as sections of it."""
    if line.startswith("[SQL: "):
        return "statement", len("[SQL: ")
    return ("parameters", 0) if line.startswith(("[parameters: ", "(Background on ")) else None


def _close(error: ReadError, name: str, lines: list[str]) -> None:
    name = "statement" if name in {"line", "query"} else name
    if name in {"detail", "hint", "context", "statement"} and getattr(error, name) is None:
        text = _CLOSING.sub("", "\n".join(lines)).strip()
        setattr(error, name, text[:MAX_SECTION] or None)


#: What closes a wrapper behind the last section.
_CLOSING: Final = re.compile(r"\n\s*[)>\]}]+:?\s*\Z")
