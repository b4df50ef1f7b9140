"""Finding the entry of the catalogue that a message is an instance of."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from pattern_engine.catalogue import file
from pattern_engine.catalogue.anchors import anchors
from pattern_engine.catalogue.template import plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pattern_engine.catalogue.file import Entry
    from pattern_engine.catalogue.template import Template

__all__ = ["Known", "find"]

RAISED: Final = "P0001"
"""The SQLSTATE of `raise exception`: the wording is the application's own."""
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


def find(message: str, code: str | None = None, origin: str | None = None) -> Known | None:
    """Return what is known of a message in any of the languages, or None.

    The message stands alone, without the label or the detail of a server's log. The whole of it
    must match. The template with the most literal text decides; where two causes have the same
    wording, `code` or the `origin` that the envelope tells decides, and without them neither is
    meant. A SQLSTATE that contradicts an entry excludes it.
    """
    stripped = message.strip()
    if code == RAISED:
        return None
    matches = list(_matches(stripped, code))
    most = max((weight for weight, *_ in matches), default=0)
    best = {
        number: (template, spans) for weight, number, template, spans in matches if weight == most
    }
    if len(best) > 1:
        best = {number: of for number, of in best.items() if file.entry(number).origin == origin}
    if len(best) != 1:
        return None
    ((number, (template, spans)),) = best.items()
    names = (variable.name for variable in template.variables)
    values = {name: stripped[start:end] for name, (start, end) in zip(names, spans, strict=True)}
    return _known(file.entry(number), values, code)


def _matches(
    message: str, code: str | None
) -> Iterator[tuple[int, int, Template, list[tuple[int, int]]]]:
    text = plain(message)
    for key in anchors(text):
        for weight, number, template in file.templates(key):
            spans = template.match(text)
            if spans is not None and _agrees(file.entry(number), code):
                yield weight, number, template, spans


def _agrees(entry: Entry, code: str | None) -> bool:
    """Return whether a code leaves open that a message is this entry's."""
    if code is None or not entry.codes or code in entry.codes:
        return True
    return _SQLSTATE.fullmatch(code) is None


def _known(entry: Entry, values: dict[str, str], code: str | None) -> Known:
    identity = "".join(f" {values[name]}" for name in entry.identity if name in values)
    first = entry.codes[0] if entry.codes else None
    return Known(
        f"{entry.origin}{identity}: {entry.template}",
        entry.origin,
        code if code in entry.codes else first,
        entry.template,
        {name: _bare(name, value) for name, value in values.items()},
        entry.type or None,
        entry.severity or None,
        entry.symptom or None,
        entry.documentation or None,
    )


def _bare(name: str, value: str) -> str:
    """Return the name of a function without the types of its arguments."""
    return value.partition("(")[0] or value if name == "function" else value
