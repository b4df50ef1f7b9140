"""One cause is one signature through every wrapper, and two causes are two."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from tests.core.grouping.wrapped import WRAPPERS, Raised

from pattern_engine import grouping
from pattern_engine.grouping import Group, evidence

UNIQUE = Raised(
    "23505",
    "UniqueViolation",
    'duplicate key value violates unique constraint "orders_number_key"',
    "Key (number)=(7) already exists.",
)
CHECK = Raised(
    "23514",
    "CheckViolation",
    'new row for relation "orders" violates check constraint "orders_total_check"',
    "Failing row contains (7, -1).",
)
RAISED = Raised(
    "P0001", "RaiseException", "Insufficient stock for product 7: requested 12, available 3"
)
GRANT = Raised("42501", "InsufficientPrivilege", "permission denied for table orders")
POLICY = Raised(
    "42501",
    "InsufficientPrivilege",
    'new row violates row-level security policy for table "orders"',
)
CAUSES = {
    "unique": UNIQUE,
    "check": CHECK,
    "a raise": RAISED,
    "grant": GRANT,
    "policy": POLICY,
    "null": Raised(
        "23502",
        "NotNullViolation",
        'null value in column "total" of relation "orders" violates not-null constraint',
        "Failing row contains (7, null).",
    ),
    "table": Raised("42P01", "UndefinedTable", 'relation "invoices" does not exist'),
}


def signature(text: str) -> str:
    """Return the signature of a text."""
    return grouping.group(text).signature


@pytest.mark.parametrize("cause", CAUSES.values(), ids=CAUSES)
def test_the_same_violation_through_eleven_wrappers_is_one_signature(cause: Raised) -> None:
    """Who wrote the error down plays no part."""
    assert len(WRAPPERS) == 11
    signatures = {name: signature(wrap(cause)) for name, wrap in WRAPPERS.items()}
    assert set(signatures.values()) == {signature(cause.message)}, signatures


def test_the_example_of_the_documentation_is_one_signature() -> None:
    """A server's log, SQLAlchemy, supabase-py and a server in German."""
    page = (Path(__file__).parents[3] / "docs/explanation/identity.md").read_text()
    example = page.partition("one signature:\n\n```text\n")[2].partition("\n```")[0].splitlines()
    assert len(example) == 4
    assert {signature(text) for text in example} == {signature(UNIQUE.message)}


def _type(message: str) -> Raised:
    return Raised("22P02", "InvalidTextRepresentation", message)


def _own(message: str) -> Raised:
    return Raised("P0001", "RaiseException", message)


PAIRS = {
    "grant and policy": (GRANT, POLICY),
    "two raises": (RAISED, _own("Order 17 was shipped already")),
    "two raises of one form": (
        _own("Order must be paid first"),
        _own("Order must be packed first"),
    ),
    "uuid and enum": (
        _type('invalid input syntax for type uuid: "abc"'),
        _type('invalid input value for enum order_status: "abc"'),
    ),
    "uuid and integer": (
        _type('invalid input syntax for type uuid: "abc"'),
        _type('invalid input syntax for type integer: "abc"'),
    ),
    "enum and array": (
        _type('invalid input value for enum order_status: "abc"'),
        _type('malformed array literal: "abc"'),
    ),
    "table and schema": (GRANT, GRANT._replace(message="permission denied for schema shop")),
    "time-out and request": (
        Raised("57014", "QueryCanceled", "canceling statement due to statement timeout"),
        Raised("57014", "QueryCanceled", "canceling statement due to user request"),
    ),
}


@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
def test_two_causes_with_one_state_are_apart_in_and_across_all_wrappers(
    pair: tuple[Raised, Raised],
) -> None:
    """The same code, class, wrapper and frames do not make one pattern of two causes."""
    first, second = ({signature(wrap(cause)) for wrap in WRAPPERS.values()} for cause in pair)
    assert len(first) == len(second) == 1
    assert first != second


def test_roots_do_not_meet_because_their_frames_are_the_same() -> None:
    """All errors pass through the one function that asks the database."""
    shared = [cause._replace(function="createOrder") for cause in CAUSES.values()]
    signatures = [signature(WRAPPERS["console.error"](cause)) for cause in shared]
    assert len(set(signatures)) == len(CAUSES)


def _thrown(text: str, function: str) -> Group:
    return grouping.group(
        f"{text}\n    at {function} (/srv/app/src/orders.ts:5:9)\n"
        "    at serve (/srv/app/src/main.ts:9:3)"
    )


def test_an_error_of_a_language_is_told_apart_by_its_throwing_place() -> None:
    """The same TypeError in two functions is two bugs."""
    text = "TypeError: Cannot read properties of undefined (reading 'total')"
    one, other = _thrown(text, "place"), _thrown(text, "cancel")
    assert one.signature != other.signature
    assert (one.basis, one.captured["frame"]) == ("trace", "orders.place")


def test_an_exception_of_the_application_is_told_apart_by_its_throwing_place() -> None:
    """Its class and its wording say the same in both."""
    assert _thrown("OutOfStock: nothing is left", "place") != _thrown(
        "OutOfStock: nothing is left", "pack"
    )


@pytest.mark.parametrize(
    "text",
    [
        'PostgresError: relation "invoices" does not exist',
        "Error: connect ECONNREFUSED 10.0.0.7:5432",
        "StripeInvalidRequestError: No such price: 'price_1AbC'",
    ],
)
def test_an_error_of_a_service_is_not_told_apart_by_its_place(text: str) -> None:
    """From wherever it was called, the cause is the same; the place is a facet."""
    one, other = _thrown(text, "place"), _thrown(text, "cancel")
    assert one.signature == other.signature
    assert (one.captured["frame"], other.captured["frame"]) == ("orders.place", "orders.cancel")
    assert "frame" not in one.identifiers


@pytest.mark.parametrize("cause", CAUSES.values(), ids=CAUSES)
def test_a_code_that_one_wrapper_leaves_out_splits_nothing(cause: Raised) -> None:
    """Most texts have none."""
    without = [
        f"ERROR:  {cause.message}",
        f"DatabaseError: {cause.message}",
        json_of(message=cause.message),
        f"Failed to place order 17: {cause.message}",
    ]
    assert {signature(text) for text in without} == {signature(WRAPPERS["pgx"](cause))}


def json_of(**fields: str) -> str:
    """Return an object as it is logged."""
    inner = ", ".join(f"{name}: {value!r}" for name, value in fields.items())
    return f"{{ {inner} }}"


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-29 09:19:51 [info     ] {}",
        "2026-11-29 09:20:50,420 - shop - CRITICAL - {}",
        "FATAL:  {}",
        "psycopg.OperationalError: {}",
        "django.db.utils.ProgrammingError: {}",
        "java.sql.SQLException: ERROR: {}",
        "QueryFailedError: {}",
        "Error: Error: {}",
    ],
)
def test_classes_and_levels_of_wrappers_split_nothing(text: str) -> None:
    """Those that count are the root's."""
    message = 'relation "invoices" does not exist'
    assert signature(text.format(message)) == signature(message)


TRANSLATIONS = {
    "de": "FEHLER:  doppelter Schlüsselwert verletzt Unique-Constraint »orders_number_key«",
    "fr": "ERREUR:  la valeur d'une clé dupliquée rompt la contrainte unique « orders_number_key »",
    "es": "ERROR:  llave duplicada viola restricción de unicidad «orders_number_key»",
    "ja": 'ERROR:  重複したキー値は一意性制約"orders_number_key"違反となります',
    "ru": 'ОШИБКА:  повторяющееся значение ключа нарушает ограничение уникальности "orders_number_key"',
    "it": 'ERRORE:  un valore chiave duplicato viola il vincolo univoco "orders_number_key"',
    "ko": '오류:  중복된 키 값이 "orders_number_key" 고유 제약 조건을 위반함',
    "sv": 'FEL:  duplicerat nyckelvärde bryter mot unik-villkor "orders_number_key"',
    "uk": 'ПОМИЛКА:  повторювані значення ключа порушують обмеження унікальності "orders_number_key"',
    "zh": '错误:  重复键值违反唯一约束 "orders_number_key"',
    "pt": 'ERRO:  duplicar valor da chave viola a restrição de unicidade "orders_number_key"',
}


@pytest.mark.parametrize("text", TRANSLATIONS.values(), ids=TRANSLATIONS)
def test_a_translation_is_the_pattern_of_the_english_message(text: str) -> None:
    """And what it names has the same name."""
    group = grouping.group(f"2026-11-29 09:36:59 UTC [5] {text}")
    assert group.signature == signature(UNIQUE.message)
    assert group.identifiers == {"constraint": "orders_number_key"}


def test_an_ambiguous_wording_joins_neither_origin() -> None:
    """Python and PostgreSQL both say "division by zero"; the kind or the code decides."""
    alone = grouping.group("division by zero")
    of_postgres = grouping.group("ERROR:  division by zero")
    of_python = grouping.group("ZeroDivisionError: division by zero")
    by_code = grouping.group(json_of(code="22012", message="division by zero"))
    assert alone.known is None
    assert of_postgres.known == by_code.known == "postgres: division by zero"
    assert of_python.known is not None
    assert len({alone.signature, of_postgres.signature, of_python.signature}) == 3


@pytest.mark.parametrize("quote", ['"', "'"])
def test_a_sentence_in_quotes_is_read(quote: str) -> None:
    """Two sentences in quotes are two errors, not one with a variable."""
    one = f"{quote}Order 17 was refused by the warehouse{quote}"
    other = f"{quote}Customer 5 has no billing address{quote}"
    assert signature(one) == signature("Order 18 was refused by the warehouse")
    assert signature(one) != signature(other)
    assert signature(f"policy {quote}anyone may read all rows{quote} is wrong") == signature(
        f"policy {quote}own_rows{quote} is wrong"
    )
    told = "the job says {0}{1}{0} and stops".format
    assert signature(told(quote, "the disk is full")) != signature(told(quote, "the lock is taken"))
    assert signature(told(quote, "lisbon")) == signature(told(quote, "order_17"))


@pytest.mark.parametrize(
    "text",
    [
        "The warehouse is closed on Sundays",
        "Ticket refused, because the gate is locked (ask the porter)",
        "nothing: at all",
    ],
)
def test_unknown_text_stays_whole(text: str) -> None:
    """What nobody knows is its own template."""
    group = grouping.group(text)
    assert (group.template, group.known, group.basis) == (text, None, "message")


NAMED = {
    "unique": (UNIQUE, {"constraint": "orders_number_key"}),
    "check": (CHECK, {"table": "orders", "constraint": "orders_total_check"}),
    "policy": (POLICY, {"table": "orders"}),
    "null": (CAUSES["null"], {"table": "orders", "column": "total"}),
    "role": (
        Raised(
            "28000",
            "InvalidAuthorizationSpecification",
            'role "archive" is not permitted to log in',
        ),
        {"role": "archive"},
    ),
    "function": (
        Raised("42883", "UndefinedFunction", "function calc_tax(integer) does not exist"),
        {"function": "calc_tax"},
    ),
}


@pytest.mark.parametrize(("cause", "names"), NAMED.values(), ids=NAMED)
@pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=WRAPPERS)
def test_objects_have_the_same_names_through_every_wrapper(
    wrap: object, cause: Raised, names: dict[str, str]
) -> None:
    """A guard that was made from one wrapper's error holds for the others'."""
    assert callable(wrap)
    identifiers = grouping.group(wrap(cause)).identifiers
    assert identifiers | names == identifiers


SYMPTOMS = [
    "ERROR:  current transaction is aborted, commands ignored until end of transaction block",
    "TypeError: fetch failed",
    "Database error saving new user",
]


@pytest.mark.parametrize("text", SYMPTOMS)
def test_a_symptom_says_what_to_look_for_instead(text: str) -> None:
    """In every wrapper; a cause has none."""
    assert grouping.group(text).symptom
    assert grouping.group(f'{{"level":"error","msg":"x failed","err":"{text}"}}').symptom
    assert grouping.group(UNIQUE.message).symptom is None


def test_rules_come_before_fingerprints_and_both_before_what_is_known() -> None:
    """They decide the signature; what is known of the error is known all the same."""
    text = WRAPPERS["pino"](UNIQUE)
    by_rule = grouping.group(text, rule="shop", fingerprint="other")
    by_fingerprint = grouping.group(text, fingerprint="shop")
    assert (by_rule.basis, by_fingerprint.basis) == ("rule", "fingerprint")
    assert len({by_rule.signature, by_fingerprint.signature, signature(text)}) == 3
    assert by_rule.known == by_fingerprint.known == grouping.group(text).known is not None
    assert by_rule.identifiers["constraint"] == "orders_number_key"


def test_fields_beside_a_message_are_no_other_pattern() -> None:
    """What the application sent of the code names the error, and the text is the same."""
    found = evidence.read({"code": "23505", "constraint": "orders_number_key"}, UNIQUE.message)
    assert grouping.group(UNIQUE.message, fields=found.fields).signature == signature(
        UNIQUE.message
    )


SPLIT = {
    "a run of stars": ("card **** 4242 was declined", "card ****** 1881 was declined"),
    "a currency sign": ("refund of €12.50 exceeds the charge", "refund of $7 exceeds the charge"),
    "a currency's code": (
        "refund of 12.50 EUR exceeds the charge",
        "refund of 7 USD exceeds the charge",
    ),
    "a list of any length": (
        "columns id, total, note are unknown to the importer",
        "columns id, name are unknown to the importer",
    ),
    "a list in brackets": (
        "cannot import the columns [id, total, note] of this file",
        "cannot import the columns [id, name] of this file",
    ),
    "a name without digits": (
        "customer cus_Abc was not found here",
        "customer cus_4bC1 was not found here",
    ),
    "a price": (
        "no plan for price_AbCdEf in this region",
        "no plan for price_1AbC2d in this region",
    ),
}


@pytest.mark.parametrize("pair", SPLIT.values(), ids=SPLIT)
def test_what_varies_by_itself_does_not_split(pair: tuple[str, str]) -> None:
    """Stars, currencies, lists and names of one form are values."""
    assert len(set(grouping.group_messages(list(pair)))) == 1


@pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=WRAPPERS)
def test_a_batch_is_named_as_each_of_its_errors_is(wrap: object) -> None:
    """`group_messages` looks at forms first, and finds what `group` finds."""
    assert callable(wrap)
    texts = [wrap(cause) for cause in itertools.chain(CAUSES.values(), *PAIRS.values())]
    assert grouping.group_messages(texts) == [signature(text) for text in texts]
