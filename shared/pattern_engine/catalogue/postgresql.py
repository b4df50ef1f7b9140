"""PostgreSQL's own messages and their translations, as templates of the catalogue."""

from __future__ import annotations

import re
from hashlib import sha256
from itertools import groupby, product
from operator import itemgetter
from typing import TYPE_CHECKING, Final

from pattern_engine.catalogue import naming, translations
from pattern_engine.catalogue.criteria import is_primary, is_tight, is_tight_translation
from pattern_engine.catalogue.file import Entry
from pattern_engine.catalogue.template import Template, Variable, made, plain, shown
from pattern_engine.catalogue.translations import Message

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from pattern_engine.catalogue.tabled import Tabled
    from pattern_engine.catalogue.translations import Printf

__all__ = ["LANGUAGES", "digest", "is_complete", "read", "read_messages"]

LANGUAGES: Final = ("de", "es", "fr", "it", "ja", "ka", "ko", "ru", "sv", "uk", "zh_CN", "zh_TW")
DOMAINS: Final = ("postgres-15", "plpgsql-15", "libpq5-15")
_FILES: Final = (*product(LANGUAGES, DOMAINS), ("pt_BR", "plpgsql-15"))
"""The compiled catalogues that are read, each by its language and its domain."""
Shape = tuple[str, ...]
"""The literal texts of a template; two templates with the same ones match the same messages."""
Names = dict[int, Variable]
"""The variable of each argument, by its place."""
_EXPLAINED: Final = re.compile(r"[^\s].*\n(?:[\tE].*\n)*")
"""A line of libpq, with lines that explain it: they start with a tab, or with `Either`."""
_PLACES: Final = (
    '%s at or near "%s"',
    "%s at end of input",
    '%s at or near "%s" of jsonpath input',
    "%s at end of jsonpath input",
)
_LOCATED: Final = (
    "syntax error",
    "unterminated quoted string",
    "unterminated quoted identifier",
    "unterminated dollar-quoted string",
    "unterminated /* comment",
    "unterminated bit string literal",
    "unterminated hexadecimal string literal",
    "zero-length delimited identifier",
    "trailing junk after numeric literal",
    "invalid Unicode escape",
    "invalid Unicode escape value",
    "invalid Unicode escape character",
    "invalid Unicode surrogate pair",
    "operator too long",
)
_ABOUT_PRIVILEGES: Final = ("permission denied", "must be owner", "must be superuser", "must have ")
_BY_HAND: Final = frozenset({"word", "rest", "keyword", "number"})


def is_complete(locales: Path) -> bool:
    """Return whether a folder has all of PostgreSQL's translations that are read."""
    return all(_path(locales, *file).exists() for file in _FILES)


def digest(locales: Path) -> str:
    """Return the SHA-256 of the translations, which tells releases of PostgreSQL apart."""
    found = sha256()
    for file in _FILES:
        found.update(_path(locales, *file).read_bytes())
    return found.hexdigest()


def _path(locales: Path, language: str, domain: str) -> Path:
    return locales / language / "LC_MESSAGES" / f"{domain}.mo"


def read(locales: Path, by_hand: Iterable[Tabled]) -> Iterator[tuple[str, Entry, Template]]:
    """Yield PostgreSQL's messages as templates, each with its language and its entry.

    A message that is in a table by hand, in any of its wordings, has the entry and the names from
    there.
    """
    given = {
        template.literals: (each.entry, template)
        for each in by_hand
        if each.entry.origin == "postgres"
        for template in each.templates
    }
    for language, message in _messages(locales):
        known = _known(message, given)
        if known is not None:
            entry, names = known
            yield from (("en", entry, each) for each in _templates(message.english, names))
            for template in _templates(message.translated, names):
                if is_tight_translation(template):
                    yield language, entry, template


def read_messages(locales: Path) -> Iterator[tuple[str, Message]]:
    """Yield the messages of all catalogues with their language, as they are."""
    for language, domain in _FILES:
        yield from (
            (language, each) for each in translations.messages(_path(locales, language, domain))
        )


def _messages(locales: Path) -> Iterator[tuple[str, Message]]:
    """Yield the messages by language, in the form in which a client sees them."""
    for language, found in groupby(read_messages(locales), key=itemgetter(0)):
        messages = [message for _, message in found]
        yield from ((language, _seen(message)) for message in messages)
        yield from ((language, message) for message in _located(messages))


def _seen(message: Message) -> Message:
    """Return a message with the text that follows it behind a colon.

    libpq ends its messages with a line break, and explains some in lines that are left out here.
    """
    whole = message.english[0].endswith(": ")
    is_line = _EXPLAINED.fullmatch(message.english[0]) is not None

    def seen(text: str) -> str:
        return text.partition("\n")[0] if is_line else f"{text}%s" if whole else text

    return Message(tuple(map(seen, message.english)), tuple(map(seen, message.translated)))


def _located(messages: Iterable[Message]) -> Iterator[Message]:
    """Yield what the parser says together with where: `syntax error at or near "%s"`."""
    by_text = {message.english[0]: message.translated[0] for message in messages}
    for place in _PLACES:
        for what in _LOCATED:
            if place in by_text and what in by_text:
                english = _filled(place, what)
                yield Message((english,), (_filled(by_text[place], by_text[what]),))


def _filled(form: str, first: str) -> str:
    """Return a printf form with this text as its first argument."""
    if "%1$s" in form:
        return form.replace("%1$s", first).replace("%2$s", "%s")
    return form.replace("%s", first, 1)


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
    kind = "rls" if text.startswith(_ABOUT_PRIVILEGES) else "database"
    return Entry("postgres", shown(form.literals, variables), type=kind), names


def _templates(texts: Iterable[str], names: Names) -> Iterator[Template]:
    for text in texts:
        yield _template(translations.printf(text), names)


def _template(form: Printf, names: Names) -> Template:
    """Return a template whose variables have the names and kinds of their arguments."""
    variables = []
    for number, (place, kind) in enumerate(form.arguments):
        named = names.get(place, Variable(naming.OTHER))
        leading = number == 0 and not form.literals[0]
        own = "number" if kind == "n" else "keyword" if leading and kind != "m" else ""
        variables.append(named if named.kind in _BY_HAND else Variable(named.name, own))
    return made(form.literals, variables)
