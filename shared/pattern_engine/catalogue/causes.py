"""Pages about the causes of common errors: what one means, how it is seen, what mends it.

Each file of `causes/` is a page, read when it is first asked for. A page holds SQL with places in
the notation of psql: `:'table'` is a literal and `:"table"` an identifier. The names that an error
captured fill them, and the page's own `names` where the error has none. Nothing of a page runs or
is approved by itself: a draft is proposed by a person, like any other fix.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from pattern_engine.catalogue.template import made, parse, plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pattern_engine.catalogue.template import Template

DIRECTORY: Final = Path(__file__).with_name("causes")
MAX_NAME_LENGTH: Final = 200
"""A captured value that is longer fills no place."""
_PLACE: Final = re.compile(r"(?<!:):(['\"])([a-z][a-z0-9_]*)\1")
_NAME: Final = re.compile(r"<([a-z][a-z0-9_]*)>")
_QUALIFIED: Final = frozenset({"table", "function", "sequence", "type"})
_VARIABLE: Final = re.compile(r"<[^<>]*>")


@dataclass(frozen=True, slots=True)
class Error:
    """What is known of an error."""

    message: str
    origin: str | None = None
    code: str | None = None
    template: str | None = None
    """That of the catalogue's entry; None if the catalogue has none."""
    captured: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Match:
    """Errors that a page is about: by wording or, where no page has the wording, by code."""

    origin: str
    template: str = ""
    code: str = ""
    when: Mapping[str, str | list[str]] = field(default_factory=dict)
    """Captured name → patterns as of a shell, of which one must fit."""

    def names(self, error: Error) -> dict[str, str] | None:
        """The names that an error captured, if this is about it, else None."""
        found = self._by_template(error) if self.template else self._by_code(error)
        if found is None:
            return None
        names = {**found, **error.captured}
        return names if self._conditions_hold(names) else None

    def _by_template(self, error: Error) -> dict[str, str] | None:
        """The values in the message; none if only a translation has this template."""
        if error.template is not None and shape(self.template) == shape(error.template):
            return {}
        return _values(self.template, error.message)

    def _by_code(self, error: Error) -> dict[str, str] | None:
        return {} if self.code == error.code and error.origin in {None, self.origin} else None

    def _conditions_hold(self, names: Mapping[str, str]) -> bool:
        return all(
            name in names and any(fnmatchcase(names[name], each) for each in _list(globs))
            for name, globs in self.when.items()
        )

    @property
    def weight(self) -> tuple[bool, int, int]:
        """Of several matches the one that says most counts."""
        return bool(self.template), len(self.when), len(shape(self.template))


@dataclass(frozen=True, slots=True)
class Statements:
    """Statements, and what they show or change."""

    about: str
    sql: str

    def filled(self, names: Mapping[str, str]) -> Self:
        """Return them with names in their places."""
        return replace(self, sql=fill(self.sql, names))


@dataclass(frozen=True, slots=True)
class Draft:
    """A fix that somebody may propose."""

    type: str
    about: str
    script: str
    probe: str
    """A read-only statement whose one column `mended` is true once the cause is gone."""
    parameters: Mapping[str, object]
    undo: str = ""
    irreversible: str = ""
    """Why there is no undo script, where there is none."""
    needs: list[str] = field(default_factory=list)
    """Statements by which the owner of the database lets fixes do this."""

    def filled(self, names: Mapping[str, str]) -> Self:
        """Return it with names in its places."""
        return replace(
            self,
            script=fill(self.script, names),
            probe=fill(self.probe, names),
            undo=fill(self.undo, names),
            needs=[fill(each, names) for each in self.needs],
            parameters={key: _put(value, names) for key, value in self.parameters.items()},
        )


@dataclass(frozen=True, slots=True)
class Cause:
    """A page."""

    name: str
    title: str
    meaning: str
    cure: str
    documentation: str
    matches: list[Match]
    examples: list[str]
    """Messages as they occur; all lead to this page."""
    names: Mapping[str, str]
    """Values for the places that the error does not name."""
    seeing: list[Statements]
    """Read-only statements that show the cause."""
    migration: Statements | None = None
    """For the owner of the database to review and run."""
    draft: Draft | None = None

    def filled(self, captured: Mapping[str, str]) -> Self:
        """Return the page with the names of an error in its statements."""
        names = {**self.names, **dict(_named(captured))}
        return replace(
            self,
            names=names,
            seeing=[query.filled(names) for query in self.seeing],
            migration=self.migration and self.migration.filled(names),
            draft=self.draft and self.draft.filled(names),
        )


@cache
def pages() -> Mapping[str, Cause]:
    """All pages by name."""
    return {path.stem: _read(path) for path in sorted(DIRECTORY.glob("*.toml"))}


def explaining(error: Error) -> Cause | None:
    """Return the page about an error, with its names; None if there is no page."""
    fitting = [
        (match.weight, page, names)
        for page in pages().values()
        for match in page.matches
        if (names := match.names(error)) is not None
    ]
    best = max(fitting, key=lambda each: each[0], default=None)
    return best[1].filled(best[2]) if best else None


@cache
def shape(template: str) -> str:
    """Return a template without the names of its variables and with one kind of quotes."""
    return plain(_VARIABLE.sub("<>", template))


@cache
def _compiled(wording: str) -> Template:
    return made(*parse(wording))


def _values(wording: str, message: str) -> dict[str, str] | None:
    """The variables of a wording in a message that is an instance of it, else None."""
    template = _compiled(wording)
    spans = template.match(plain(message))
    if spans is None:
        return None
    names = (variable.name for variable in template.variables)
    return {name: message[start:end] for name, (start, end) in zip(names, spans, strict=True)}


def fill(sql: str, names: Mapping[str, str]) -> str:
    """Put names into the places of a statement, quoted.

    Raises:
        KeyError: if a place has no name.
    """

    def quoted(place: re.Match[str]) -> str:
        quote, name = place.groups()
        return f"{quote}{names[name].replace(quote, quote * 2)}{quote}"

    return _PLACE.sub(quoted, sql)


def places(sql: str) -> set[str]:
    """The names that a statement has places for."""
    return {name for _, name in _PLACE.findall(sql)}


def _named(captured: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The captured values that can fill places; a qualified name is parted from its schema."""
    for name, value in captured.items():
        if len(value) > MAX_NAME_LENGTH:
            continue
        schema, dot, own = value.partition("(")[0].partition(".")
        if name in _QUALIFIED and dot:
            yield name, own
            if "schema" not in captured:
                yield "schema", schema
        else:
            yield name, schema if name == "function" else value


def _put(value: object, names: Mapping[str, str]) -> object:
    """Put names into parameters, whose places are written as in "<constraint>"."""
    if isinstance(value, dict):
        return {key: _put(each, names) for key, each in value.items()}
    if isinstance(value, list):
        return [_put(each, names) for each in value]
    return _NAME.sub(lambda place: names[place[1]], value) if isinstance(value, str) else value


def _list(given: str | list[str]) -> list[str]:
    return [given] if isinstance(given, str) else given


def _read(path: Path) -> Cause:
    page = tomllib.loads(path.read_text(encoding="utf-8"))
    parts: dict[str, Any] = {
        "matches": [Match(**each) for each in page.pop("matches")],
        "seeing": [Statements(**each) for each in page.pop("seeing")],
        "migration": Statements(**page.pop("migration")) if "migration" in page else None,
        "draft": Draft(**page.pop("draft")) if "draft" in page else None,
    }
    texts: dict[str, Any] = {
        key: value.strip() if isinstance(value, str) else value for key, value in page.items()
    }
    return Cause(name=path.stem, **texts, **parts)
