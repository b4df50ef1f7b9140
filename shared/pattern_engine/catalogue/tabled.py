"""Reading the tables of messages that are written by hand, `tables/*.toml`."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pattern_engine.catalogue.file import Entry
from pattern_engine.catalogue.naming import numbered
from pattern_engine.catalogue.template import Template, Variable, made, parse, shown

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Tabled", "read"]

_DEFAULTS: Final = ("type", "severity", "documentation")
_KEYS: Final = frozenset({"template", "also", "code", "symptom", "identity", *_DEFAULTS})


class Tabled(NamedTuple):
    """A message of a table: its entry, and the templates of all its wordings, its own first."""

    entry: Entry
    templates: tuple[Template, ...]


def read(path: Path) -> list[Tabled]:
    """Return the messages of a table.

    Beside `[[message]]` a table may have `[codes]`: a code, or several with spaces between them,
    with the templates that need nothing but their code.
    """
    table = tomllib.loads(path.read_text())
    messages = list(table.get("message", ()))
    for codes, texts in table.get("codes", {}).items():
        messages += ({"code": codes, "template": text} for text in texts)
    return [_tabled(table, message, path.name) for message in messages]


def _tabled(table: dict[str, Any], message: dict[str, Any], file: str) -> Tabled:
    if unknown := message.keys() - _KEYS:
        raise ValueError(f"{file}: {message.get('template')!r} has unknown keys: {sorted(unknown)}")
    literals, variables = _numbered(message["template"])
    fields = {key: message.get(key, table.get(key, "")) for key in _DEFAULTS}
    entry = Entry(
        origin=table["origin"],
        template=shown(literals, variables),
        codes=tuple(message.get("code", "").split()),
        symptom=message.get("symptom", ""),
        identity=tuple(message.get("identity", ())),
        **fields,
    )
    further = (made(*_numbered(text)) for text in message.get("also", ()))
    return Tabled(entry, (made(literals, variables), *further))


def _numbered(text: str) -> tuple[tuple[str, ...], tuple[Variable, ...]]:
    """Return the parts of a template, in which a second variable of a name is `name_2`."""
    literals, variables = parse(text)
    names = numbered(tuple(each.name for each in variables))
    pairs = zip(variables, names, strict=True)
    return literals, tuple(each._replace(name=name) for each, name in pairs)
