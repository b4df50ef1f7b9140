"""A known message is found by its wording, in every language, and nothing else is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.processor import fastest

from pattern_engine.catalogue import detail, find
from pattern_engine.catalogue.finding import RAISED, Known

UNIQUE = 'duplicate key value violates unique constraint "<constraint>"'


def _found(message: str, code: str | None = None) -> Known:
    known = find(message, code)
    assert known is not None, message
    return known


def test_a_known_message_has_its_entry_and_its_values() -> None:
    """The entry says what the error is, and each variable of the message has a name."""
    known = _found('insert or update on table "orders" violates foreign key constraint "orders_fk"')
    assert known.key == (
        'postgres: insert or update on table "<table>" violates foreign key constraint "<constraint>"'
    )
    assert (known.origin, known.code, known.type) == ("postgres", "23503", "database")
    assert known.values == {"table": "orders", "constraint": "orders_fk"}


@pytest.mark.parametrize(
    "message",
    [
        'duplicate key value violates unique constraint "orders_pkey"',
        "doppelter Schlüsselwert verletzt Unique-Constraint »orders_pkey«",
        "la valeur d'une clé dupliquée rompt la contrainte unique « orders_pkey »",
        "la valeur d’une clé dupliquée rompt la contrainte unique «\u202forders_pkey\u202f»",
        "llave duplicada viola restricción de unicidad «orders_pkey»",
        'повторяющееся значение ключа нарушает ограничение уникальности "orders_pkey"',
        '重複したキー値は一意性制約"orders_pkey"違反となります',
        'duplicar valor da chave viola a restrição de unicidade "orders_pkey"',
    ],
)
def test_one_cause_has_one_entry_in_all_languages(message: str) -> None:
    """A translation, whatever its quotation marks and spaces, has the entry of the English text."""
    known = _found(message)
    assert known.template == UNIQUE
    assert known.values == {"constraint": "orders_pkey"}


@pytest.mark.parametrize(
    ("message", "values"),
    [
        ('column "total" of relation "orders" already exists', {"column": "total", "table": "orders"}),
        ("column orders.total does not exist", {"table": "orders", "column": "orders.total"}),
        ('relation "shop.orders" does not exist', {"schema": "shop", "table": "orders"}),
        ("function calc_tax(integer, text) does not exist", {"function": "calc_tax"}),
        ("operator does not exist: boolean > integer", {"operator": "boolean > integer"}),
        ("operator does not exist: boolean > integer at character 8", {"operator": "boolean > integer"}),
        ("permission denied for sequence Counter_seq", {"sequence": "Counter_seq"}),
        ('value "9999999999" is out of range for type integer', {"value": "9999999999", "type": "integer"}),
        ('invalid input syntax for type integer: ""', {"type": "integer", "value": ""}),
        ('invalid input syntax for type json: "{\n"', {"type": "json", "value": "{\n"}),
        ("value too long for type character varying(3)", {"length": "3"}),
        ("Wert zu lang für Typ character varying(3)", {"length": "3"}),
        ("REINDEX DATABASE cannot run inside a transaction block", {"statement": "REINDEX DATABASE"}),
        ('unterminated quoted string at or near "\'it\'\'s"', {"value": "'it''s"}),
        ("la referencia a la columna «qty» es ambigua en carácter 8", {"column": "qty"}),
        ('could not open file "a b": No such file or directory', {"file": "a b", "reason": "No such file or directory"}),
    ],
)  # fmt: skip
def test_variables_have_the_names_of_what_they_hold(message: str, values: dict[str, str]) -> None:
    """The names are those that guards and facets use; a function is named without its arguments."""
    assert _found(message).values == values


@pytest.mark.parametrize(
    "message",
    [
        "",
        "value must be positive",
        "could not create order 17",
        "order 17 does not exist",
        "invalid card number",
        "checkout failed: relation unknown",
        "permission denied",
        "the customer must not be null",
        'relation "orders" does not exist and we do not know why',
        'Error: relation "orders" does not exist',
        "some job of ours cannot run inside a transaction block",
    ],
)
def test_a_sentence_of_an_application_is_no_known_message(message: str) -> None:
    """A message matches whole, and a template needs words of its own to match."""
    assert find(message) is None


def test_a_contradicting_code_excludes_an_entry() -> None:
    """A SQLSTATE must be one of the entry's; a code that is none says nothing against it."""
    message = 'relation "orders" does not exist'
    assert _found(message, "42P01").code == "42P01"
    assert find(message, "23505") is None
    assert _found(message, "P2010").code == "42P01"
    assert _found(message, "EPIPE").code == "42P01"


def test_an_entry_with_several_codes_has_the_one_that_was_given() -> None:
    """One wording is raised under several codes, such as 22007 for dates."""
    message = 'invalid input syntax for type date: "x"'
    assert _found(message).code == "22P02"
    assert _found(message, "22007").code == "22007"


def test_a_raised_exception_is_never_a_known_message() -> None:
    """Whoever raises an exception chooses its wording, even if it equals another message."""
    message = 'cursor "orders" has no argument named "total"'  # an entry without a code
    assert _found(message).code is None
    assert find(message, RAISED) is None


def test_a_wording_of_two_causes_is_decided_by_the_code_alone() -> None:
    """Spanish has one sentence for a wrong argument and a wrong parameter; Python divides, too."""
    assert find("el parámetro VARIADIC debe ser un array") is None
    assert find("division by zero") is None
    assert _found("division by zero", "22012").origin == "postgres"


def test_a_reason_that_is_a_cause_belongs_to_the_key() -> None:
    """A refused connection and a timeout are not one cause."""
    refused, late = (
        _found(f'connection to server at "db" (10.0.0.1), port 5432 failed: {reason}')
        for reason in ("Connection refused", "timeout expired")
    )
    assert refused.key != late.key
    assert refused.template == late.template


def test_explanations_of_libpq_do_not_matter() -> None:
    """The client library adds lines that start with a tab."""
    message = "server closed the connection unexpectedly"
    explained = (
        f"{message}\n\tThis probably means the server terminated abnormally\n\tbefore or while"
    )
    assert _found(explained).key == _found(message).key
    assert _found(message).symptom


@pytest.mark.parametrize(
    ("text", "objects"),
    [
        ('Key (id)=(1) is still referenced from table "orders".', {"column": "id", "key": "1", "referencing": "orders"}),
        ("Key (number, year)=(R-1, 2025) already exists.", {"column": "number, year", "key": "R-1, 2025"}),
        ("Schlüssel »(email)=(a@b.example)« existiert bereits.", {"column": "email", "key": "a@b.example"}),
        ("Key (note)=(a\nb) already exists.", {"column": "note", "key": "a\nb"}),
        ("Key (room, during)=(1, [1,3)) conflicts with existing key (room, during)=(1, [2,4)).", {"column": "room", "key": "1"}),
        ('while updating tuple (0,1) in relation "held_a"', {"table": "held_a"}),
        ("PL/pgSQL function average_price(integer,integer) line 1 at RETURN", {"function": "average_price"}),
        ("función PL/pgSQL reserve(integer) en la línea 1 en RAISE\nsentencia SQL: «SELECT reserve(p)»\nfunción PL/pgSQL checkout(integer) en la línea 1 en PERFORM", {"function": "reserve"}),
        ('COPY orders, line 3, column total: "x"', {"table": "orders", "column": "total"}),
        ("nothing that PostgreSQL writes", {}),
    ],
)  # fmt: skip
def test_details_and_contexts_name_objects(text: str, objects: dict[str, str]) -> None:
    """A detail is read in any language; of several functions the innermost, the first, counts."""
    assert detail(text) == objects


@given(st.text())
def test_any_text_is_answered(text: str) -> None:
    """No text makes the search fail, and what is found stands in the text."""
    known = find(text)
    assert known is None or all(value in text for value in known.values.values())
    detail(text)


@pytest.mark.parametrize(
    "unit",
    [
        '"',
        " does not exist",
        'relation "',
        '" of relation "',
        " at character 1",
        "\n\tx",
        "a.b ",
        "(1)=(",
    ],
)
def test_the_search_is_linear_in_the_length(unit: str) -> None:
    """Ten times the text takes at most ten times the time, with some allowance for a small one."""
    short, long = (
        f'column "{unit * size}" of relation "x" does not exist at all'
        for size in (20_000, 200_000)
    )
    find(short)  # loads what it needs
    ratio = fastest(lambda: find(long)) / fastest(lambda: find(short))
    assert ratio <= 10**1.2
