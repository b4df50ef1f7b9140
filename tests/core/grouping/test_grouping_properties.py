"""What holds for the template and the expression of every message under grouping/v1."""

import re
from collections.abc import Callable

import pytest
import re2
from hypothesis import example, given
from hypothesis import strategies as st

from pattern_engine import grouping
from pattern_engine.grouping.v1 import normalizing
from pattern_engine.grouping.v1.expression import MAX_LENGTH, expression

Matches = Callable[[str, str], bool]


def _signature(message: str) -> str:
    return grouping.signature_of(grouping.normalize(message), normalizing.NAME)


UUID = "d290f1ee-6c54-4b01-90e6-d701748f0851"

# Every piece that a mask reads, begins with, or must not confuse with another.
PIECES = [
    "uuid", "UUID", "timestamp", "num", "NUM", "number", "enum", "string", "substring", "String",
    UUID, UUID.upper(), UUID[:-1], "2025-12-15T10:30:00Z", "2025-12-15 10:30:00.123 +00:00",
    "2025-12-15", "5", "42", "3.14", "-7", "+1", "1e5", "1E-5", "0x1F", "5000ms", "10.0.0.1",
    "404", "500", "42501", "42P01", "0A000", "2203G", "404.5", "50%", "1,000", ".5", ":5", "e5",
    "x404", "404x", "-", "+", "--5", "-+5", '"', "'", "`", '""', "''", '"a b"', "'x'", "`y`",
    "it's", "users'", "\\", "\\\\", '\\"', "\\'", '"\\', "''''", "code", "code: ", '"code":',
    '"code" : "42501"', "'code': 'PGRST116'", 'code: "42501"', "code='x'", '"status":404',
    '"status" : "404"', "status", "status ", "exit code ", "errno=", "SQLSTATE[", "HTTP/1.1 ",
    "returned ", "returned a ", "error: ", "failed with ", " rows", " not found", "404 Not Found",
    "ch_3abc123", "in_1BAu2Nbiok1EedAd", "sub_total1", "://", "http://",
    "https://a.example.com:5432/x", "postgres://u:p@db-1:5432", "@", ":", "/", ".", ",", "(", "[",
    "=", "%", "?", "#", "{", "}", "~", "*", "^", "$", " ", "  ", "\t", "\n", "\r\n", "\v", "\f",
    "\u00a0", "\u0085", "\x1c", "\u2028", "\u3000", "\u200b", "\0", "\ud800", "\udfff", "\ufffd",
    "é", "É", "İ", "ı", "ſ", "ẞ", "ß", "\u212a", "K", "k", "日本", "😀", "٣", "\x01", "[truncated]",
    " [truncated]", "[Truncated]", "_", "a", "Z", "db-prod-1", "PGRST116", "ECONNREFUSED",
    "ERR_404", "blk_-5", "_5", "_-", "_num",
]  # fmt: skip

_piece = st.sampled_from(PIECES)
_any = st.text(max_size=8)


def messages(max_size: int = 25) -> st.SearchStrategy[str]:
    """Messages of tricky pieces and arbitrary text."""
    return st.lists(st.one_of(_piece, _piece, _piece, _any), max_size=max_size).map("".join)


def long_messages() -> st.SearchStrategy[str]:
    """Messages around and over the bound of 4 KiB, with something tricky where they are cut."""
    unit = st.lists(_piece, min_size=1, max_size=4).map("".join)
    filler = st.builds(
        lambda text, size: (text * (size // len(text) + 1))[:size], unit, st.integers(3900, 4200)
    )
    return st.builds("".join, st.tuples(messages(6), filler, messages(12)))


def storable(message: str) -> bool:
    """Tell whether Postgres and RE2 can take a message: no NUL, no lone surrogate."""
    return "\0" not in message and not any("\ud800" <= c <= "\udfff" for c in message)


EVERY = st.one_of(messages(), long_messages(), st.text())


@given(EVERY)
@example('"code":"42501""x"')
@example('"status":404.5')
@example('"x"code 404')
@example("://host-+5")
@example("://h:5432.abc")
@example("://_+1")
@example('""://CODE:"00000"')
@example("'abc 'code': '42501'-5")
@example("'' " * 2000)
@example("1," * 4000)
@example('"code" : "42501" ' * 400)
@example("http/1.1 404 " * 400)
def test_normalising_twice_is_normalising_once(message: str) -> None:
    """A template is its own template."""
    template = grouping.normalize(message)
    assert grouping.normalize(template) == template


@given(EVERY)
def test_a_template_is_storable_bounded_and_folded(message: str) -> None:
    """A template fits in 4 KiB, Postgres can store it, and no ASCII capital is left."""
    template = grouping.normalize(message)
    assert len(template.encode()) <= normalizing.MAX_BYTES
    assert "\0" not in template
    assert not re.search("[A-Z\t-\r]|  |^ | $", template)


@given(EVERY)
def test_case_and_white_space_do_not_count(message: str) -> None:
    """Messages that differ in ASCII case and in amounts of white space have one signature."""
    if len(message.encode(errors="replace")) > normalizing.MAX_BYTES // 2:
        return
    shouted = re.sub("[a-z]+", lambda found: found[0].upper(), message)
    spaced = re.sub("[\t-\r ]+", "\n \t", shouted)
    assert _signature(f" {spaced}\v") == _signature(message)


@given(EVERY)
@example('"":CH_0""')
def test_the_expression_matches_its_message_in_python_and_re2(message: str) -> None:
    """The expression of a pattern matches each message of its signature, raw as it came."""
    pattern = expression(grouping.normalize(message))
    assert len(pattern) <= MAX_LENGTH + 100
    assert re.search(pattern, message)
    assert re.search(pattern, grouping.clean(message))
    assert re2.search(pattern, grouping.clean(message))


@given(EVERY)
def test_the_expression_matches_its_message_in_postgres(
    matches_in_postgres: Matches, message: str
) -> None:
    """Postgres agrees on the same text without flags."""
    storable_message = grouping.clean(message)
    assert matches_in_postgres(expression(grouping.normalize(message)), storable_message)


@given(EVERY, EVERY)
def test_the_engines_agree_on_any_other_message(
    matches_in_postgres: Matches, one: str, other: str
) -> None:
    """Python, RE2 and Postgres answer alike whether a message matches a pattern not its own."""
    if not storable(other) or len(one) > 500:
        return
    pattern = expression(grouping.normalize(one))
    by_re2 = re2.search(pattern, other) is not None
    assert (re.search(pattern, other) is not None) == by_re2
    assert matches_in_postgres(pattern, other) == by_re2


VALUES = {
    "uuid": st.one_of(
        st.uuids().map(str), st.just(UUID.upper()), st.just("uuid"), st.just("ch_3abc123")
    ),
    "timestamp": st.one_of(
        st.datetimes().map(lambda at: f"{at.isoformat().zfill(19)}Z"),
        st.dates().map(str),
        st.just("2025-12-15  10:30:00 UTC"),
    ),
    "number": st.one_of(
        st.integers(), st.floats(0, 1e6).map(lambda number: f"{number:.3f}"), st.just("0xFF")
    ).map(str),
    "string": st.text().map(lambda text: '"{}"'.format(re.sub(r'["\\]', "", text))),
}


def _variants() -> st.SearchStrategy[tuple[str, str]]:
    """Pairs of messages that differ in nothing but the values of their variables."""

    def pair(words: list[str]) -> st.SearchStrategy[tuple[str, str]]:
        def fill() -> st.SearchStrategy[str]:
            parts = [VALUES[word] if word in VALUES else st.just(word) for word in words]
            return st.tuples(*parts).map(" ".join)

        return st.tuples(fill(), fill())

    words = st.sampled_from(
        [*VALUES, *VALUES, "connection", "failed", "for", "user", "at", "enum", "5ms:"]
    )
    return st.lists(words, min_size=1, max_size=8).flatmap(pair)


@given(_variants())
def test_messages_that_differ_in_values_share_signature_and_expression(
    matches_in_postgres: Matches, pair: tuple[str, str]
) -> None:
    """One pattern's expression, made from one message, matches the other in all three engines."""
    one, other = (grouping.clean(message) for message in pair)
    assert _signature(one) == _signature(other)
    pattern = expression(grouping.normalize(one))
    assert re.search(pattern, other)
    assert re2.search(pattern, other)
    assert matches_in_postgres(pattern, other)


@pytest.mark.parametrize(
    "size", [normalizing.MAX_BYTES - 1, normalizing.MAX_BYTES, normalizing.MAX_BYTES + 1]
)
@pytest.mark.parametrize("character", ["a", "é", "日", "😀"])
def test_no_code_point_is_split(character: str, size: int) -> None:
    """The bound counts bytes and cuts between code points."""
    message = "x" * (size % len(character.encode())) + character * (size // len(character.encode()))
    template = grouping.normalize(message)
    assert "\ufffd" not in template
    assert template.endswith("[truncated]") == (size > normalizing.MAX_BYTES)


REPEATED = [
    "http/1.1 404 ",
    '"code" : "42501" ',
    ",1",
    "''",
    "://a.b ",
    "returned 404 ",
    "2025-12-15 ",
]


@pytest.mark.parametrize("unit", REPEATED)
def test_wherever_a_message_is_cut_it_has_a_fixed_template(unit: str) -> None:
    """A cut never splits a placeholder, nor a code from the word that tells what it is."""
    for offset in range(len(unit) + 20):
        message = "a" * (4_030 + offset) + "," + unit * 60
        template = grouping.normalize(message)
        assert grouping.normalize(template) == template
        assert len(template) > 4_000
        assert re2.search(expression(template), message)
