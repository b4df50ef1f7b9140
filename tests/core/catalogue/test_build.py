"""The data file holds the tables and PostgreSQL's messages, and is built the same each time."""

from __future__ import annotations

import functools
import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests import corpora

from pattern_engine.catalogue import build, file, find, labelling, labels, postgresql, tabled
from pattern_engine.catalogue.finding import detail
from pattern_engine.catalogue.template import Template, plain
from pattern_engine.catalogue.translations import printf
from pattern_engine.local.servers import find_wheel

if TYPE_CHECKING:
    from pattern_engine.catalogue.file import Entry

LOCALES = Path("/usr/share/locale")
TABLES = sorted(build.TABLES.glob("*.toml"))
#: Something that each kind of variable may hold.
SAMPLES = {
    "number": "7",
    "type": "timestamp with time zone",
    "keyword": "CREATE",
    "word": "abc",
    "quoted": "abc",
    "rest": "abc",
    "": "abc",
}
translated = pytest.mark.skipif(
    not postgresql.is_complete(LOCALES), reason="PostgreSQL 15's translations are not installed"
)
same_release = pytest.mark.skipif(
    not postgresql.is_complete(LOCALES) or postgresql.digest(LOCALES) != labels.SOURCE,
    reason="the translations that are installed are not those of the data file",
)


@functools.cache
def _read() -> tuple[tuple[str, Entry, Template], ...]:
    by_hand = [each for path in TABLES for each in tabled.read(path)]
    return tuple(dict.fromkeys(postgresql.read(LOCALES, by_hand)))


def _instance(template: Template) -> str:
    texts = [f"{SAMPLES[variable.kind]}" for variable in template.variables]
    pairs = zip(texts, template.literals[1:], strict=True)
    return template.literals[0] + "".join(value + literal for value, literal in pairs)


@same_release
def test_a_second_build_makes_the_same_file_and_the_file_that_is_shipped() -> None:
    """The build depends on nothing but the packages and the tables: run `make catalogue`."""
    content = build.built(LOCALES)
    assert content == build.built(LOCALES)
    assert content == file.PATH.read_bytes()
    assert labelling.written(LOCALES, map(tabled.labels, TABLES)) == labels.PATH.read_text()


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.stem)
def test_each_message_of_a_table_is_found(path: Path) -> None:
    """Every wording of a table leads to its own entry, whichever other entries there are."""
    for each in tabled.read(path):
        for template in each.templates:
            text = _instance(template)
            if each.entry.part:
                assert detail(text) or not [v for v in template.variables if v.name[0] != "_"]
                continue
            code = each.entry.codes[0] if each.entry.codes else None
            known = find(text, code, each.entry.origin)
            assert known is not None, text
            assert known.template == each.entry.template, text


def test_the_codes_of_the_tables_are_those_of_postgresql() -> None:
    """Each SQLSTATE stands in PostgreSQL's list of them."""
    server = find_wheel()
    assert server is not None
    listed = server.programs.parent / "share" / "errcodes.txt"
    known = {line[:5] for line in listed.read_text().splitlines() if line[:1].strip("# ")}
    used = {
        code
        for path in TABLES
        for each in tabled.read(path)
        if each.entry.origin == "postgres"
        for code in each.entry.codes
    }
    assert used <= known


@translated
def test_a_translation_leads_to_the_entry_of_its_english_text() -> None:
    """No translation leads to another entry; few share a wording, or say too little to be found."""
    answers: Counter[tuple[str, str]] = Counter()
    for language, entry, template in _read():
        if entry.part:
            continue
        known = find(_instance(template))
        answers[language, "found" if known else "not"] += 1
        assert known is None or known.template == entry.template, _instance(template)
    rates = {
        language: answers[language, "found"]
        / (answers[language, "found"] + answers[language, "not"])
        for language, _ in answers
    }
    assert set(rates) == {"en", "pt_BR", *postgresql.LANGUAGES}
    assert all(rate >= 0.96 for rate in rates.values()), rates


@translated
@pytest.mark.parametrize("name", corpora.params("pg_errors.dev"))
def test_a_real_error_is_found_under_the_template_of_its_source(name: str) -> None:
    """Each message whose template is in the catalogue has that very entry."""
    entries = {
        template.literals: entry for language, entry, template in _read() if language == "en"
    }
    seen = 0
    for row in corpora.rows(name):
        entry = entries.get(tuple(map(plain, printf(row["group"]).literals)))
        if entry is None:
            continue
        seen += 1
        known = find(row["message"])
        assert known is not None, row
        assert known.template == entry.template, row
    assert seen > 4000


def test_labels_are_read_in_every_language() -> None:
    """The labels of the log and of the clients lead to the English ones, without their colon."""
    wanted = {
        "ERROR": ("ERROR", "FEHLER", "ERREUR", "ОШИБКА", "오류", "错误", "錯誤", "ERRO", "ERRORE"),
        "DETAIL": ("DETAIL", "DÉTAIL", "DETALLE", "詳細", "ПОДРОБНОСТИ", "DETALHE"),
        "HINT": ("TIPP", "ASTUCE", "ヒント", "DICA"),
        "CONTEXT": ("ZUSAMMENHANG", "CONTEXTE", "文脈", "CONTEXTO"),
        "STATEMENT": ("ANWEISUNG", "INSTRUCTION", "SENTENCIA", "COMANDO"),
        "LINE": ("LINE", "ZEILE", "LIGNE", "LÍNEA", "СТРОКА"),
    }
    for english, others in wanted.items():
        assert {labels.labels[other] for other in others} == {english}
    assert json.loads(labels.PATH.read_text())["labels"] == labels.labels


@pytest.mark.parametrize(
    ("message", "bare"),
    [
        ("syntax error at end of input at character 8", "syntax error at end of input"),
        ("Syntaxfehler am Ende der Eingabe bei Zeichen 21", "Syntaxfehler am Ende der Eingabe"),
        ("入力の最後で 構文エラー(14文字目)", "入力の最後で 構文エラー"),
        ("order 17", "order 17"),
        ("at character x", "at character x"),
    ],
)
def test_the_position_in_the_statement_is_taken_off(message: str, bare: str) -> None:
    """The server's log adds it to the message; a client has it in a field of its own."""
    assert labels.without_position(message) == bare
