"""PostgreSQL's own messages and their translations, as templates of the catalogue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pattern_engine.catalogue import naming, translations
from pattern_engine.catalogue.criteria import is_primary, is_tight, is_tight_translation
from pattern_engine.catalogue.file import Entry
from pattern_engine.catalogue.template import Template, Variable, made, plain, shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from pattern_engine.catalogue.tabled import Tabled
    from pattern_engine.catalogue.translations import Message, Printf

__all__ = ["LANGUAGES", "is_complete", "read"]

LANGUAGES: Final = ("de", "es", "fr", "it", "ja", "ka", "ko", "ru", "sv", "uk", "zh_CN", "zh_TW")
DOMAINS: Final = ("postgres-15", "plpgsql-15", "libpq5-15")
Shape = tuple[str, ...]
"""The literal texts of a template; two templates with the same ones match the same messages."""
Names = dict[int, Variable]
"""The variable of each argument, by its place."""
_BY_HAND: Final = frozenset({"word", "rest", "keyword", "n"})


def is_complete(locales: Path) -> bool:
    """Return whether a folder has all of PostgreSQL's translations that are read."""
    return all(_path(locales, each, domain).exists() for each in LANGUAGES for domain in DOMAINS)


def _path(locales: Path, language: str, domain: str) -> Path:
    return locales / language / "LC_MESSAGES" / f"{domain}.mo"


def read(locales: Path, by_hand: Iterable[Tabled]) -> dict[Entry, list[Template]]:
    """Return the entries of PostgreSQL's messages with their templates in all languages.

    A message that is in a table by hand, in any of its wordings, has the entry and the names from
    there.
    """
    given = {
        template.literals: (each.entry, template)
        for each in by_hand
        if each.entry.origin == "postgres"
        for template in each.templates
    }
    found: dict[Entry, list[Template]] = {}
    for message in _messages(locales):
        known = _known(message, given)
        if known is not None:
            found.setdefault(known[0], []).extend(_templates(message, known[1]))
    return found


def _messages(locales: Path) -> Iterator[Message]:
    for domain in DOMAINS:
        for language in LANGUAGES:
            yield from translations.messages(_path(locales, language, domain))


def _known(
    message: Message, given: Mapping[Shape, tuple[Entry, Template]]
) -> tuple[Entry, Names] | None:
    """Return the entry of a message and the names of its arguments; None if it is left out."""
    for text in message.english:
        form = translations.printf(text)
        named = given.get(tuple(map(plain, form.literals)))
        if named is not None:
            places = (place for place, _ in form.arguments)
            return named[0], dict(zip(places, named[1].variables, strict=True))
    text = message.english[-1]
    form = translations.printf(text)
    kinds = tuple(kind for _, kind in form.arguments)
    variables = tuple(map(Variable, naming.names(form.literals, kinds)))
    if not (is_primary(text) and is_tight(made(form.literals, variables))):
        return None
    names = {place: each for (place, _), each in zip(form.arguments, variables, strict=True)}
    return Entry("postgres", shown(form.literals, variables), type="database"), names


def _templates(message: Message, names: Names) -> Iterator[Template]:
    """Yield the templates of a message in English and in a translation, each plural form one."""
    for text in message.english:
        yield _template(translations.printf(text), names)
    for text in message.translated:
        template = _template(translations.printf(text), names)
        if is_tight_translation(template):
            yield template


def _template(form: Printf, names: Names) -> Template:
    """Return a template whose variables have the names and kinds of their arguments."""
    variables = []
    for number, (place, kind) in enumerate(form.arguments):
        named = names.get(place, Variable(naming.OTHER))
        leading = number == 0 and not form.literals[0]
        own = "n" if kind == "n" else "keyword" if leading and kind != "m" else ""
        variables.append(named if named.kind in _BY_HAND else Variable(named.name, own))
    return made(form.literals, variables)
