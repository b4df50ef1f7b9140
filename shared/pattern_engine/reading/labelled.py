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
_STATE_FIRST: Final = re.compile(rf"(?P<code>{STATE}): ")
#: Elixir's and Erlang's drivers: `ERROR 42P01 (undefined_table) relation …`.
_CONDITION: Final = re.compile(
    rf"(?:^|(?<=[\s:(]))(?:ERROR|FATAL|PANIC):? (?P<code>{STATE}) \([a-z_]+\):? "
)
#: Azure writes its session before the label without a space.
_START: Final = r"(?:^|(?<=[\s(>\]:\[])|(?<=[0-9a-f]-))"
_LABEL: Final = re.compile(rf"{_START}{LABEL}(?P<space>\s{{1,3}})(?=\S)")
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
    condition = _CONDITION.search(text) if ") " in line else None
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
    rest = text[found.end() :]
    state = _STATE_FIRST.match(rest)
    if state:
        error.code = state["code"]
    return rest[state.end() :] if state else rest


def _label_of(line: str) -> re.Match[str] | None:
    found = None
    for found in _LABEL.finditer(line):
        if found["space"] == "  ":
            break
    # Some clients repeat the label.
    return (found and _LABEL.match(line, found.end())) or found


def _label_below(text: str, line: str, error: ReadError) -> re.Match[str] | None:
    """Return the label of a later line, where it is PostgreSQL's beyond doubt."""
    state = _STATE_BEFORE.search(line)
    if state:
        error.code = state["code"]
        return _LABEL.search(text)
    return next((label for label in _LABEL.finditer(text) if label["space"] == "  "), None)


def without_sections(text: str, error: ReadError) -> str | None:
    """Return a text without the sections that PostgreSQL adds to an error, and note them."""
    if "\n" not in text:
        return None
    message, *lines = text.split("\n", MAX_LINES)
    kept, name, section = [message], "", list[str]()
    for line in lines:
        found = section_at(line)
        if found is not None:
            _close(error, name, section)
            name, section = found[0], [line[found[1] :]]
        elif name:
            section.append(line)
        else:
            kept.append(line)
    _close(error, name, section)
    return "\n".join(kept) if name else None


def _close(error: ReadError, name: str, lines: list[str]) -> None:
    if name in {"detail", "hint", "context", "statement"} and getattr(error, name) is None:
        setattr(error, name, "\n".join(lines).strip()[:MAX_SECTION] or None)
