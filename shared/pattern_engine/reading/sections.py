"""How PostgreSQL's server and clients label a severity and the sections of an error.

The labels of the server and of psql, in every language, are the catalogue's. Those of the JDBC
driver, which has translations of its own, stand here.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pattern_engine.catalogue.labels import labels
from pattern_engine.text.compiled import compiled

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["LABEL", "MAX_LINES", "SEVERITIES", "section_at"]

#: Label → severity in English.
SEVERITIES: Final = {
    label: english.lower()
    for label, english in labels.items()
    if english in {"ERROR", "FATAL", "PANIC"}
}
_OF_JDBC: Final = {
    "detail": "DETTAGLIO ДЕТАЛИ SZCZEGÓŁY AYRINTI 详细",
    "hint": "INDICE HINWEIS SUGERENCIAS WSKAZÓWKA İPUCU 建议 建議",
    "context": "WHERE WOBEI OÙ DÓNDE DOVE ONDE ГДЕ 在位置 GDZIE YER",
    "location": (
        "POSITION POSICIÓN POSIZIONE POSIÇÃO ПОЗИЦИЯ POZYCJA POZISYON ROUTINE FILE SEVERITY SQLSTATE"
    ),
}
_IGNORED: Final = frozenset(
    {"ERROR", "FATAL", "PANIC", "WARNING", "NOTICE", "LOG", "INFO", "DEBUG"}
)
_SECTION_OF: Final = {
    **{label: section for section, words in _OF_JDBC.items() for label in words.split()},
    **{label: english.lower() for label, english in labels.items() if english not in _IGNORED},
}


def _either(words: Iterable[str]) -> str:
    return "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))


#: A severity and its colon, before the text of an error; French writes a space before the colon.
LABEL: Final = rf"(?P<label>{_either(SEVERITIES)})[ \u00a0\u202f]?[:：]"
#: The label of a section at the start of a line, in capitals or capitalised as JDBC has it;
#: `LINE 3:` has a number.
_SECTION: Final = (
    rf"(?P<section>{_either(_SECTION_OF)}|{_either(label.capitalize() for label in _SECTION_OF)}|第)"
    r"(?: ?[0-9]{1,6} ?)?(?:行目?)?[ \u00a0\u202f]?(?::(?=\s|\Z)|：)"
)
_FIRST: Final = frozenset(label[0] for label in _SECTION_OF) | {"第"}
MAX_LINES: Final = 1000
"""Lines of a text in which sections are looked for."""


def section_at(line: str) -> tuple[str, int] | None:
    """Return the section that a line starts, and where its text starts; None where none starts.

    The label may stand behind the prefix of a log line.
    """
    if ":" not in line and "：" not in line:
        return None
    stripped = line.lstrip()
    start = len(line) - len(stripped)
    found = compiled(_SECTION).match(line, start) if stripped[:1] in _FIRST else None
    if found is None and ":  " in line[:300]:
        end = len(line[: line.index(":  ")].rstrip())
        word = max(line.rfind(mark, 0, end) for mark in " >:]\t-") + 1
        found = compiled(_SECTION).match(line, word)
    return (
        None if found is None else (_SECTION_OF.get(found["section"].upper(), "line"), found.end())
    )
