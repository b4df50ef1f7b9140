"""What an error is, from what was read of it.

- A message of a service or of a runtime's facility (database, HTTP, files, …) is identified by that
  message alone. Where it was raised is a facet.
- A language's own error (`TypeError`) or an application's exception is identified by its kind, its
  message and the place in the application that threw it.

A message that the catalogue knows is its entry, whatever its language and wording; any other one is
a template that masking makes.
"""

from __future__ import annotations

import re
from itertools import chain, islice
from typing import TYPE_CHECKING, Final, NamedTuple

from pattern_engine import catalogue
from pattern_engine.reading import sqlstates
from pattern_engine.reading.places import place_of, thrown_by_application

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from pattern_engine.catalogue import End, Known
    from pattern_engine.reading.error import ReadError

__all__ = [
    "Identity",
    "identify",
    "kind_of",
    "known_of",
    "known_part",
    "known_whole",
    "may_be_known",
    "of_known",
    "of_masked",
]

#: Kinds of exception that say nothing about the cause.
_GENERIC_KINDS: Final = sqlstates.DBAPI | frozenset(
    [
        "Error",
        "error",
        "Exception",
        "exception",
        "RuntimeError",
        "RuntimeException",
        "panic",
        "Throwable",
        "StandardError",
        "Object",
        "ErrorException",
        "HttpException",
        "Failure",
    ]
)
#: Names of the program's own: two of them in one place are two errors.
_OF_THE_PROGRAM: Final = frozenset({"property", "function", "variable", "attribute", "argument"})
#: A library's own class for what a database says.
_OF_A_DATABASE: Final = re.compile(
    r"Database|Quer(?:y|ies)|S(?:QL|ql)|Prisma|Sequelize|Postg|^PG|^Pg|JDBC|Jdbc|^Jpa|^Db|Ecto"
).search
_LAST_NAME: Final = re.compile(r".*(?:\.|::|\\|/)", re.DOTALL)
LANGUAGES: Final = frozenset(
    {"csharp", "dart", "elixir", "go", "java", "node", "php", "python", "ruby", "rust", "v8"}
)
"""Origins of the catalogue whose errors are a language's own."""
#: Kinds that languages give to errors of their own.
_OF_LANGUAGES: Final = frozenset(
    {
        *("TypeError", "ReferenceError", "RangeError", "SyntaxError", "NameError", "ArgumentError"),
        *("ZeroDivisionError", "ArithmeticError", "DivisionByZeroError", "ArithmeticException"),
        *("ValueError", "IndexError", "KeyError", "AttributeError", "NoMethodError"),
        *("DivideByZeroException", "NullPointerException"),
    }
)
MIN_NAME: Final = 3
"""Letters of a name that a minifier has not made."""
MAX_STARTS: Final = 12
"""Places in a text at which a known message is looked for."""
_STARTS: Final = re.compile(r"(?:: | - |[(\[\"'`>] ?|; |, |\] |\. |! ?|= ?)(?=[^\s\"'(\[{,;:=\-])")
MAX_ENDS: Final = 4
MAX_LINES: Final = 60
"""Lines of a text in which a known message is looked for."""
_ERROR: Final = re.compile(r"(?i)error|fatal|exception|panic|fail|denied").search
_ENDS: Final = re.compile(r"\n| \(|\"|'\)|\)| \[| \{|; |\. |<|, (?=[A-Z])")
MAX_LAYERS: Final = 4
"""Envelopes that are taken for a part of the message."""
MAX_KNOWN: Final = 2048
"""Characters of a known message."""
_SIDE: Final = 200
"""Characters that are looked at to tell whether a known message starts or ends at a place."""
_STOPS: Final = " .:"
MIN_SCANNED: Final = 12
"""Characters of a known message that is found within another text."""


class Identity(NamedTuple):
    """What an error is."""

    template: str
    """`origin: text` for a known message, else the text; a throwing place has its own line."""
    text: str
    """The message of the root error."""
    known: Known | None
    basis: str
    """trace if the throwing place is part of it, exception if the kind is, else message."""


def identify(error: ReadError, mask: Callable[[str], str]) -> Identity:
    """Return what an error is; `mask` makes the template of a message of no catalogue."""
    known, text = known_of(error)
    return of_known(error, known, text) if known else of_masked(error, text, mask(text))


def of_known(error: ReadError, known: Known, text: str) -> Identity:
    """Return what an error is whose message the catalogue knows."""
    if known.origin not in LANGUAGES:
        return Identity(known.key, text, known, "message")
    place = place_of(error)
    if place is None:
        return Identity(_of_language(known), text, known, "message")
    return Identity(_at(known.key, place), text, known, "trace")


def of_masked(error: ReadError, text: str, template: str) -> Identity:
    """Return what an error is whose message no catalogue knows, by the message's template."""
    if error.origin is not None or _OF_A_DATABASE(error.kind or ""):
        return Identity(template, text, None, "message")
    kind = kind_of(error)
    if kind and not template.startswith(f"{kind}:"):
        template = f"{kind}: {template}" if template else kind
    if thrown_by_application(error.frames):
        return Identity(_at(template, place_of(error)), text, None, "trace")
    return Identity(template, text, None, "exception" if kind else "message")


def known_of(error: ReadError) -> tuple[Known | None, str]:
    """Return the catalogue's entry for the root error and the text that it was found in."""
    known = known_whole(error)
    return (known, error.message) if known else known_part(error)


def known_whole(error: ReadError) -> Known | None:
    """Return the catalogue's entry for the message of the root error."""
    known = catalogue.find(error.message, error.code, _origins(error))
    # A service does not raise the errors of a language.
    return None if known and error.origin and known.origin in LANGUAGES else known


def known_part(error: ReadError) -> tuple[Known | None, str]:
    """Return the entry for a part of a message that is not known as a whole, and this part."""
    if error.code != catalogue.RAISED:
        origins = _origins(error)
        for part in _likely(error):
            known = catalogue.find(part, None, origins)
            if known is not None:
                return known, part
    return None, error.message


def may_be_known(error: ReadError) -> bool:
    """Return whether the message, or one that differs from it in digits alone, may be known."""
    return catalogue.may_know(error.message) or any(map(catalogue.may_know, _likely(error)))


def _likely(error: ReadError) -> Iterator[str]:
    """Yield the texts beside the message that may be known.

    What was taken for an envelope may belong to the message, and there may be unknown envelopes.
    """
    for part in chain(error.layers[: -MAX_LAYERS - 1 : -1], _parts(error.message)):
        if len(part) <= MAX_KNOWN:
            yield part


def _origins(error: ReadError) -> Collection[str]:
    """Return the origins that the error's envelope and kind leave; none if they tell nothing."""
    if error.origin is not None:
        return (error.origin,)
    kind = _LAST_NAME.sub("", error.kind or "")
    return LANGUAGES if kind in _OF_LANGUAGES else ()


def _parts(text: str) -> Iterator[str]:
    """Yield the parts of a text that could be a message by themselves, line by line."""
    if "\n" not in text:
        yield from _parts_of(text)
        return
    lines = [line.strip() for line in text.split("\n", MAX_LINES)[:MAX_LINES]]
    for line in sorted(lines, key=_says_no_error):
        if len(line) >= MIN_SCANNED:
            yield line
            yield from _parts_of(line)


def _says_no_error(line: str) -> bool:
    return _ERROR(line) is None


def _parts_of(line: str) -> Iterator[str]:
    """Yield the parts of a line that could be a known message by where they start and end."""
    known_ends: dict[int, End] = {}
    starts = [found.end() for found in islice(_STARTS.finditer(line), MAX_STARTS)]
    for start in (0, *starts):
        begun = catalogue.start_of(line[start : start + _SIDE])
        reach = start + MAX_KNOWN + _SIDE
        found = islice(_ENDS.finditer(line, start + MIN_SCANNED, reach), MAX_ENDS)
        for end in (len(line), *reversed([each.start() for each in found])):
            if (not start and end == len(line)) or end - start < MIN_SCANNED:
                continue
            if end not in known_ends:
                known_ends[end] = catalogue.end_of(line[max(0, end - _SIDE) : end].rstrip(_STOPS))
            if catalogue.may_match(begun, known_ends[end]):
                yield line[start:end].rstrip(_STOPS)


def kind_of(error: ReadError) -> str | None:
    """Return the class of the root exception without its package, if it says something."""
    kind = _LAST_NAME.sub("", error.kind or "")
    return None if not kind or kind in _GENERIC_KINDS or _OF_A_DATABASE(kind) else kind


def _of_language(known: Known) -> str:
    """Return the key of a language's error without a place, with the program's names in it."""
    key = known.key
    for each in _OF_THE_PROGRAM & known.values.keys():
        value = known.values[each]
        if len(value) >= MIN_NAME:
            key = key.replace(f"<{each}>", value)
    return key


def _at(template: str, place: str | None) -> str:
    return f"{template}\n  at {place}"
