"""Making the file of labels from PostgreSQL's compiled catalogues and the tables by hand."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from pattern_engine.catalogue import postgresql, translations

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["written"]

_SEVERITIES: Final = frozenset(
    {"DEBUG", "INFO", "LOG", "NOTICE", "WARNING", "ERROR", "FATAL", "PANIC"}
)
_SECTIONS: Final = frozenset(
    {
        *("BACKTRACE", "COLUMN NAME", "CONSTRAINT NAME", "CONTEXT", "DATATYPE NAME", "DETAIL"),
        *("HINT", "LOCATION", "QUERY", "SCHEMA NAME", "STATEMENT", "TABLE NAME"),
    }
)
_LINE: Final = "LINE %d: "
_POSITION: Final = " at character %d"
_PORTUGUESE: Final = " em caracter %d"


def written(locales: Path, by_hand: Iterable[dict[str, str]]) -> str:
    """Return the content of the file."""
    labels = {name: name for name in sorted(_SEVERITIES | _SECTIONS | {"LINE"})}
    positions = {_around(_POSITION), _around(_PORTUGUESE)}
    for _, message in postgresql.read_messages(locales):
        english, translated = message.english[0], message.translated[0]
        name = english.partition(":")[0]
        if english in _SEVERITIES or (name in _SECTIONS and english != name):
            _add(labels, translated, name)
        elif english == _POSITION:
            positions.add(_around(translated))
        elif english == _LINE and not _around(translated)[1].strip(" :"):
            _add(labels, translated.partition("%")[0], "LINE")
    for further in by_hand:
        for label, name in further.items():
            _add(labels, label, name)
    content = {
        "source": postgresql.digest(locales),
        "labels": dict(sorted(labels.items())),
        "positions": sorted(positions),
    }
    return json.dumps(content, ensure_ascii=False, indent=1) + "\n"


def _add(labels: dict[str, str], text: str, name: str) -> None:
    """Add a label; one that means two things keeps the first, as `NOTICE` in Georgian."""
    labels.setdefault(text.partition(":")[0].strip("\u00a0\u202f "), name)


def _around(form: str) -> tuple[str, str]:
    before, after = translations.printf(form).literals
    return before, after
