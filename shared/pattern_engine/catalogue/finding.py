"""Finding the entry of the catalogue that a message is an instance of."""

from __future__ import annotations

import re
from operator import itemgetter
from typing import TYPE_CHECKING, Final, NamedTuple

from pattern_engine.catalogue import file
from pattern_engine.catalogue.file import may_match
from pattern_engine.catalogue.labels import without_position
from pattern_engine.catalogue.template import plain, shape

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from pattern_engine.catalogue.file import End, Entry, Start
    from pattern_engine.catalogue.template import Template

__all__ = ["Known", "detail", "end_of", "find", "may_know", "may_match", "start_of"]

RAISED: Final = "P0001"
"""The SQLSTATE of `raise exception`: the wording is the application's own."""
MOST_LINES: Final = 32
"""Lines of a context that are read."""
_END: Final = 16
"""Characters of an end that tell whether a known message may have it."""
#: A SQLSTATE has a digit, as `EPIPE` has not; Prisma's `P2002` only looks like one.
_SQLSTATE: Final = re.compile(r"(?=.*[0-9])(?!P[1-9])[0-9A-Z]{5}")


class Known(NamedTuple):
    """A message that the catalogue knows."""

    key: str
    """`origin: template`, with the values that belong to the identity after the origin."""
    origin: str
    code: str | None
    template: str
    values: dict[str, str]
    type: str | None
    severity: str | None
    symptom: str | None
    """What to look for instead, if the message is only a symptom."""
    documentation: str | None


def find(message: str, code: str | None = None, origins: Collection[str] = ()) -> Known | None:
    """Return what is known of a message in any of the languages, or None.

    The message stands alone, without the label or the detail of a server's log. The whole of it
    must match. The template with the most literal text decides; where two causes have the same
    wording, `code` or the `origins` that the envelope leaves decide, and without them neither is
    meant. A SQLSTATE that contradicts an entry excludes it.
    """
    if code == RAISED:
        return None
    for text in _texts(message):
        best = _best(text, origins, code)
        if best:
            return _known(best, text, code)
    return None


def may_know(message: str) -> bool:
    """Return whether a message is known, or may be if its digits are others.

    If it is false, no message is known that differs from this one in nothing but digits: a variable
    takes any digits, and a template with digits of its own is taken for one that matches.
    """
    return any(
        template.has_digits or template.match(text) is not None
        for text in map(plain, _texts(message))
        for _, _, template in file.templates(shape(text))
    )


def start_of(text: str) -> Start:
    """Return what known messages there may be for a text by its start; digits do not count."""
    return file.start(shape(plain(text)))


def end_of(text: str) -> End:
    """Return what known messages there may be for a text by its end; digits do not count."""
    end = file.end(shape(plain(text[-_END:])))
    return end if without_position(text) == text else end._replace(suffices=True)


def _texts(message: str) -> tuple[str, ...]:
    """Return what of a message is looked for: all of it, at last, and its shorter forms before.

    A log adds a position. libpq explains some messages in lines that start with a tab.
    """
    whole = message.strip()
    shorter = without_position(whole.partition("\n\t")[0])
    return (shorter, whole) if shorter != whole else (whole,)


def detail(text: str) -> dict[str, str]:
    """Return the objects that a detail or a context of PostgreSQL names, in any language.

    Lines are read from the first, which is the innermost call; of two values of one name the first
    counts. At most `MOST_LINES` lines are read.
    """
    lines = text.split("\n", MOST_LINES)[:MOST_LINES]
    values: dict[str, str] = {}
    for line in lines:
        values = _named(line.strip()) | values
    return values if values or len(lines) == 1 else _named(text.strip())


def _named(line: str) -> dict[str, str]:
    best = _best(line, part="detail")
    return _keyed(_values(best, line)) if best else {}


class _Match(NamedTuple):
    entry: Entry
    template: Template
    spans: list[tuple[int, int]]


def _best(
    message: str, origins: Collection[str] = (), code: str | None = None, part: str = ""
) -> _Match | None:
    """Return the match with the most literal text; None if two entries are left."""
    text = plain(message)
    best: list[_Match] = []
    least = 0
    candidates = file.templates(shape(text))
    if len(candidates) > 1:
        candidates.sort(key=_weight, reverse=True)
    for weight, number, template in candidates:
        if weight < least:
            break
        spans = template.match(text)
        if spans is not None:
            entry = file.entry(number)
            if entry.part == part and _agrees(entry, code):
                least = weight
                best.append(_Match(entry, template, spans))
    if origins and _differ(best):
        best = [match for match in best if match.entry.origin in origins]
    return best[0] if best and not _differ(best) else None


_weight: Final = itemgetter(0)


def _differ(matches: Sequence[_Match]) -> bool:
    """Return whether matches are of more than one entry."""
    return any(match.entry != matches[0].entry for match in matches[1:])


def _values(match: _Match, message: str) -> dict[str, str]:
    template, spans = match.template, match.spans
    values: dict[str, str] = {}
    before = ""
    for place, (variable, (start, end)) in enumerate(zip(template.variables, spans, strict=True)):
        name = variable.name
        if (before, template.literals[place], name) == ("table", ".", "column"):
            start = spans[place - 1][0]  # noqa: PLW2901  `orders.total`, as it was written
        if name[0] != "_":
            values[name] = _bare(name, message[start:end])
        before = name
    return values


def _agrees(entry: Entry, code: str | None) -> bool:
    """Return whether a code leaves open that a message is this entry's."""
    if code is None or not entry.codes or code in entry.codes:
        return True
    return _SQLSTATE.fullmatch(code) is None


def _known(match: _Match, message: str, code: str | None) -> Known:
    entry = match.entry
    values = _values(match, message)
    identity = "".join(f" {values[name]}" for name in entry.identity if name in values)
    return Known(
        f"{entry.origin}{identity}: {entry.template}",
        entry.origin,
        code if code in entry.codes else entry.codes[0] if entry.codes else None,
        entry.template,
        values,
        entry.type or None,
        entry.severity or None,
        entry.symptom or None,
        entry.documentation or None,
    )


def _bare(name: str, value: str) -> str:
    """Return the name of a function without the types of its arguments."""
    return value.partition("(")[0] or value if name == "function" else value


def _keyed(values: dict[str, str]) -> dict[str, str]:
    """Return values with a key as PostgreSQL writes it, `(a, b)=(1, 2)`, as column and key.

    Of two rows that an exclusion keeps apart, only the columns on which they agree are returned.
    """
    key, existing = values.get("key", ""), values.pop("key_2", None)
    columns, between, own = key[1:-1].partition(")=(")
    if not between:
        return values
    pairs = list(zip(columns.split(", "), own.split(", "), strict=False))
    if existing is not None:
        others = existing[1:-1].partition(")=(")[2].split(", ")
        equal = [pair for pair, other in zip(pairs, others, strict=False) if pair[1] == other]
        columns, own = (", ".join(texts) for texts in zip(*(equal or pairs), strict=True))
    return values | {"column": columns, "key": own}
