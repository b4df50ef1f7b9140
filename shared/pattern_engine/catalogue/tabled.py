"""Reading the tables of messages that are written by hand, `tables/*.toml`.

A table has `[[message]]`, and two shorter forms for many messages at once: `[codes]`, a code, or
several with spaces between them, and the templates that need nothing but their code; `[details]`,
a list of templates below `templates`, which details and contexts of messages have.
A table of translations has `language`, and below `[messages]` and `[details]` English templates
with their translations, one or a list; below `[labels]` those of the server's log.
"""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pattern_engine.catalogue.file import Entry
from pattern_engine.catalogue.naming import numbered
from pattern_engine.catalogue.template import Template, Variable, made, parse, shown

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["Tabled", "labels", "read", "translated"]

_DEFAULTS: Final = ("type", "severity", "documentation")
_KEYS: Final = frozenset({"template", "also", "code", "symptom", "identity", "part", *_DEFAULTS})


class Tabled(NamedTuple):
    """A message of a table: its entry, and the templates of all its wordings, its own first."""

    entry: Entry
    templates: tuple[Template, ...]


def read(path: Path) -> list[Tabled]:
    """Return the messages of a table; a table of translations has none of its own."""
    table = tomllib.loads(path.read_text())
    if "language" in table:
        return []
    messages = list(table.get("message", ()))
    for codes, texts in table.get("codes", {}).items():
        messages += ({"code": codes, "template": text} for text in texts)
    details = table.get("details", {}).get("templates", ())
    messages += ({"template": text, "part": "detail"} for text in details)
    return [_tabled(table, message, path.name) for message in messages]


def translated(path: Path) -> Iterator[tuple[str, Template, Template]]:
    """Yield a table's translations: the language, the English template, the translated one."""
    table = tomllib.loads(path.read_text())
    if "language" in table:
        for english, others in [*table["messages"].items(), *table["details"].items()]:
            for other in [others] if isinstance(others, str) else others:
                yield table["language"], template_of(english), template_of(other)


def labels(path: Path) -> dict[str, str]:
    """Return a table's labels of the server's log: translated → English."""
    found: dict[str, str] = tomllib.loads(path.read_text()).get("labels", {})
    return found


def template_of(text: str) -> Template:
    """Return the template that a text describes."""
    return made(*_numbered(text))


def _tabled(table: dict[str, Any], message: dict[str, Any], file: str) -> Tabled:
    if unknown := message.keys() - _KEYS:
        raise ValueError(f"{file}: {message.get('template')!r} has unknown keys: {sorted(unknown)}")
    literals, variables = _numbered(message["template"])
    entry = Entry(
        origin=table["origin"],
        template=shown(literals, variables),
        codes=tuple(message.get("code", "").split()),
        symptom=message.get("symptom", ""),
        identity=tuple(message.get("identity", ())),
        part=message.get("part", ""),
        **{key: message.get(key, table.get(key, "")) for key in _DEFAULTS},
    )
    further = map(template_of, message.get("also", ()))
    return Tabled(entry, (made(literals, variables), *further))


def _numbered(text: str) -> tuple[tuple[str, ...], tuple[Variable, ...]]:
    """Return the parts of a template, in which a second variable of a name is `name_2`."""
    literals, variables = parse(text)
    names = numbered(tuple(each.name for each in variables))
    pairs = zip(variables, names, strict=True)
    return literals, tuple(each._replace(name=name) for each, name in pairs)
