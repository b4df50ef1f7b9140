"""How PostgreSQL names its severities and the sections of an error, in the languages it speaks.

Source: `postgres-15.mo`, `psql-15.mo` and `libpq5-15.mo` of PostgreSQL 15; Portuguese by hand.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["LABEL", "MAX_LINES", "SEVERITIES", "section_at"]

_SEVERITIES: Final = {
    "error": ("ERROR FEHLER ERREUR ERRORE ERRO FEL ОШИБКА ПОМИЛКА 오류 错误 錯誤 エラー შეცდომა"),
    "fatal": "FATAL FATALE FATALT ВАЖНО ФАТАЛЬНО 치명적오류 致命错误 致命錯誤 ფატალური",
    "panic": "PANIC PANIK PANICO PÂNICO ПАНИКА ПАНІКА 손상 灾难性错误 嚴重錯誤 პანიკა",
}
#: Label → severity in English.
SEVERITIES: Final = {
    label: severity for severity, labels in _SEVERITIES.items() for label in labels.split()
}
_SECTIONS: Final = {
    "detail": (
        "DETAIL", "DÉTAIL", "DETALLE", "DETTAGLI", "DETALJ", "DETALHE", "ПОДРОБНОСТИ", "ВІДОМОСТІ",
        "ДЕТАЛИ", "ДЕТАЛІ", "DETTAGLIO", "详细", "詳細", "SZCZEGÓŁY", "AYRINTI", "상세정보", "详情", "詳情", "詳細", "描述", "დეტალები",
    ),
    "hint": (
        "HINT", "TIPP", "ASTUCE", "SUGGERIMENTO", "TIPS", "DICA", "ПОДСКАЗКА", "УКАЗІВКА",
        "ПІДКАЗКА", "힌트", "INDICE", "HINWEIS", "SUGERENCIAS", "建议", "建議", "WSKAZÓWKA", "İPUCU", "提示", "ヒント", "მინიშნება",
    ),
    "context": (
        "CONTEXT", "ZUSAMMENHANG", "KONTEXT", "CONTEXTE", "CONTEXTO", "CONTESTO", "КОНТЕКСТ",
        "내용", "上下文", "背景", "文脈", "コンテキスト", "კონტექსტი", "WHERE", "WOBEI", "OÙ", "DÓNDE", "DOVE", "ONDE", "ГДЕ", "在位置", "GDZIE", "YER",
    ),
    "statement": (
        "STATEMENT", "ANWEISUNG", "INSTRUCTION", "SENTENCIA", "ISTRUZIONE", "SATS", "COMANDO",
        "ОПЕРАТОР", "ІНСТРУКЦІЯ", "명령 구문", "语句", "陳述式", "文", "ステートメント", "ოპერატორი",
    ),
    "query": (
        "QUERY", "ANFRAGE", "REQUÊTE", "CONSULTA", "FRÅGA", "ЗАПРОС", "ЗАПИТ", "쿼리", "查询",
        "查詢", "問い合わせ", "მოთხოვნა", "INTERNAL QUERY",
    ),
    "location": (
        "LOCATION", "ORT", "EMPLACEMENT", "UBICACIÓN", "POSIZIONE", "PLATS", "LOCAL", "ПОЛОЖЕНИЕ",
        "РОЗТАШУВАННЯ", "위치", "位置", "場所", "BACKTRACE", "POSITION", "POSICIÓN", "POSIZIONE", "POSIÇÃO", "ПОЗИЦИЯ", "POZYCJA", "POZISYON", "ROUTINE", "FILE",
        "SEVERITY", "SCHEMA NAME", "TABLE NAME", "CONSTRAINT NAME", "COLUMN NAME", "SQLSTATE",
    ),
    "line": (
        "LINE", "ZEILE", "LIGNE", "LÍNEA", "LINEA", "RIGA", "LINHA", "RAD", "СТРОКА", "РЯДОК",
        "줄", "行", "第",
    ),
}  # fmt: skip
_SECTION_OF: Final = {label: section for section, labels in _SECTIONS.items() for label in labels}


def _either(labels: object) -> str:
    words = sorted(map(str, labels), key=len, reverse=True)  # type: ignore[call-overload]
    return "|".join(re.escape(word) for word in words)


#: A severity and its colon, before the text of an error; French writes a space before the colon.
LABEL: Final = rf"(?P<label>{_either(SEVERITIES)})[ \u00a0\u202f]?[:：]"
#: The label of a section at the start of a line, in capitals or capitalised as JDBC has it;
#: `LINE 3:` has a number.
_SECTION: Final = re.compile(
    rf"(?P<section>{_either(_SECTION_OF)}|{_either(label.capitalize() for label in _SECTION_OF)})"
    r"(?: ?[0-9]{1,6} ?)?(?:行目)?[ \u00a0\u202f]?[:：](?=\s|\Z)"
)
_FIRST: Final = frozenset(label[0] for label in _SECTION_OF)
MAX_LINES: Final = 1000
"""Lines of a text in which sections are looked for."""


def section_at(line: str) -> tuple[str, int] | None:
    """Return the section that a line starts, behind the prefix of a log line, and where its text starts."""
    stripped = line.lstrip()
    start = len(line) - len(stripped)
    found = _SECTION.match(line, start) if stripped[:1] in _FIRST else None
    if found is None and ":  " in line[:300]:
        end = len(line[: line.index(":  ")].rstrip())
        word = max(line.rfind(mark, 0, end) for mark in " >:]\t") + 1
        found = _SECTION.match(line, word)
    return None if found is None else (_SECTION_OF[found["section"].upper()], found.end())
