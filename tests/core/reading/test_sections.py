"""PostgreSQL's labels and sections, in the languages of its servers and its clients."""

from __future__ import annotations

import pytest
from tests.core.reading.cases import Case, found, wanted

LANGUAGES = {
    "en": ("ERROR", "DETAIL", "HINT", "CONTEXT", "STATEMENT"),
    "de": ("FEHLER", "DETAIL", "TIPP", "ZUSAMMENHANG", "ANWEISUNG"),
    "fr": ("ERREUR", "DÉTAIL", "ASTUCE", "CONTEXTE", "INSTRUCTION"),
    "es": ("ERROR", "DETALLE", "HINT", "CONTEXTO", "SENTENCIA"),
    "ru": ("ОШИБКА", "ПОДРОБНОСТИ", "ПОДСКАЗКА", "КОНТЕКСТ", "ОПЕРАТОР"),
    "it": ("ERRORE", "DETTAGLI", "SUGGERIMENTO", "CONTESTO", "ISTRUZIONE"),
    "ja": ("ERROR", "DETAIL", "HINT", "CONTEXT", "STATEMENT"),
    "ko": ("오류", "상세정보", "힌트", "내용", "명령 구문"),
    "sv": ("FEL", "DETALJ", "TIPS", "KONTEXT", "SATS"),
    "uk": ("ПОМИЛКА", "ДЕТАЛІ", "ПІДКАЗКА", "КОНТЕКСТ", "ОПЕРАТОР"),
    "zh": ("错误", "详情", "提示", "上下文", "语句"),
    "pt": ("ERRO", "DETALHE", "DICA", "CONTEXTO", "COMANDO"),
}


@pytest.mark.parametrize("labels", LANGUAGES.values(), ids=LANGUAGES)
def test_sections_belong_to_their_error_in_every_language(labels: tuple[str, ...]) -> None:
    """A label and what stands behind it, over several lines, is no part of the message."""
    error, detail, hint, context, statement = labels
    text = (
        f"{error}:  nothing is left\n{detail}:  Failing row contains (1, a).\n{hint}:  Look again.\n"
        f'{context}:  PL/pgSQL function f() line 1 at RAISE\nSQL statement "select 1"\n'
        f"{statement}:  insert into t\n\tvalues (1)"
    )
    case = Case(
        text,
        "nothing is left",
        origin="postgres",
        detail="Failing row contains (1, a).",
        hint="Look again.",
        context='PL/pgSQL function f() line 1 at RAISE\nSQL statement "select 1"',
        statement="insert into t\n\tvalues (1)",
    )
    assert found(case) == wanted(case)


FATAL = ["FATAL", "PANIC", "FATALE", "FATALT", "ВАЖНО", "ФАТАЛЬНО", "致命错误", "치명적오류"]


@pytest.mark.parametrize("label", FATAL)
def test_every_severity_is_a_label(label: str) -> None:
    """Whatever ended, the message stands behind the label."""
    case = Case(
        f"{label}:  the database system is starting up", "the database system is starting up"
    )
    assert found(case) == wanted(case)


LINES = {
    "psql": Case(
        'psql:seed.sql:17: ERROR:  column "totl" does not exist\nLINE 1: select totl from orders\n'
        "               ^\nHINT:  Perhaps you meant to reference the column.",
        'column "totl" does not exist',
        hint="Perhaps you meant to reference the column.",
    ),
    "libpq": Case(
        'connection to server at "10.0.0.7", port 5432 failed: FATAL:  role "archive" is not '
        "permitted to log in",
        'role "archive" is not permitted to log in',
        origin="postgres",
    ),
    "a server's lines": Case(
        "2026-11-29 09:36:59.899 UTC [10005] ERROR:  nothing is left\n"
        "2026-11-29 09:36:59.899 UTC [10005] HINT:  Look again.\n"
        "2026-11-29 09:36:59.899 UTC [10005] STATEMENT:  select 1",
        "nothing is left",
        hint="Look again.",
        statement="select 1",
    ),
    "a server's lines in a container": Case(
        "db-1  | 2026-11-29 09:36:59.899 UTC [10005] ERROR:  nothing is left\n"
        "db-1  | 2026-11-29 09:36:59.899 UTC [10005] CONTEXT:  PL/pgSQL function f() line 1 at RAISE",
        "nothing is left",
        context="PL/pgSQL function f() line 1 at RAISE",
    ),
    "with the state": Case("ERROR:  23505: nothing is left", "nothing is left", code="23505"),
    "French, a space before the colon": Case(
        "ERREUR :  rien ne reste\nDÉTAIL : La ligne (1).", "rien ne reste", detail="La ligne (1)."
    ),
    "JDBC in German": Case(
        "org.postgresql.util.PSQLException: FEHLER: nichts ist übrig\n  Detail: Zeile (1).\n"
        "  Position: 15",
        "nichts ist übrig",
        detail="Zeile (1).",
    ),
    "a position in Russian": Case(
        'ОШИБКА:  отношение "orders" не существует (символ 15)', 'отношение "orders" не существует'
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", LINES.values(), ids=LINES)
def test_labels_are_read_as_each_client_prints_them(case: Case) -> None:
    """psql, libpq, JDBC and the server's log."""
    assert found(case) == wanted(case)


@pytest.mark.parametrize(
    "text",
    [
        "The label DETAIL: stands in a sentence",
        "Hint: buy earlier next time",
        "see CONTEXT: and STATEMENT: in the manual",
    ],
)
def test_a_label_within_a_sentence_is_a_word(text: str) -> None:
    """Only at the start of a line, behind an error, does a label begin a section."""
    assert found(Case(text, text)) == {"message": text}
