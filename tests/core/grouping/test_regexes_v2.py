"""An expression of grouping/v2 matches every message of its signature, in every engine."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
import re2
from hypothesis import assume, example, given
from hypothesis import strategies as st
from tests import corpora
from tests.core.grouping.javascript import check_alike
from tests.processor import spent_by

from pattern_engine import grouping
from pattern_engine.grouping.matching import first_unique_match
from pattern_engine.grouping.v2.expression import MAX_LENGTH, NOTHING, expression
from pattern_engine.grouping.v2.marks import bound

if TYPE_CHECKING:
    import psycopg

Matches = Callable[[str, str], bool]


def _expression(message: str) -> str:
    return expression(grouping.group(grouping.clean(message)))


EXAMPLES = [
    ('relation "orders" does not exist', r'relationS+"A"S+doesS+notS+exist'),
    ("returned 404 (not found)", r"returnedS+404S+\(notS+found\)"),
    ("deleted 5 rows in 7 ms", r"deletedS+AS+rowPS+inS+A"),
]


@pytest.mark.parametrize(("message", "wanted"), EXAMPLES)
def test_an_expression_reads_as_documented(message: str, wanted: str) -> None:
    """The words stand as they are, white space of any kind between them, anything for a variable."""
    spaces = "[\\x01- \\x7F\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]"
    text = _expression(message).replace(spaces, "S").replace(r"[^\x00]*", "A")
    assert text.replace(r"(?:s|\(s\)|<s>)?", "P") == wanted


def test_a_code_is_never_a_variable() -> None:
    """What keeps two patterns apart keeps their expressions apart."""
    assert re.search(_expression("returned 404"), "returned 404")
    assert not re.search(_expression("returned 404"), "returned 500")


def test_what_was_told_has_an_expression_that_matches_nothing() -> None:
    """A rule and a fingerprint do not go by the message's words."""
    both: tuple[dict[str, Any], ...] = ({"rule": "x"}, {"fingerprint": "x"})
    for told in both:
        text = expression(grouping.group("a message", **told))
        assert text == NOTHING
        for message in ("", "x", "x^", "\nx", "a message"):
            assert not re.search(text, message)
            assert re2.search(text, message) is None


@pytest.mark.parametrize("kind", ["ValueError", "shop.errors.OutOfStock"])
def test_the_kind_of_an_exception_may_stand_before_the_message(kind: str) -> None:
    """The same error matches whether its application wrote the kind into the message or not."""
    one = grouping.group("no item 5 left in stock", exception=kind)
    other = grouping.group(f"{kind}: no item 7 left in stock", exception=kind)
    assert one.signature == other.signature
    for text in map(expression, (one, other)):
        assert re.search(text, f"{kind}: no item 6 left in stock")
    assert re.search(expression(one), "no item 6 left in stock")


TRACES = [
    "TypeError: x is not a function\n    at load (/srv/app/src/page.ts:1:2)",
    (
        'Traceback (most recent call last):\n  File "/srv/app/a.py", line 1, in f\n    g()\n'
        "KeyError: 'sku'\n\nDuring handling of the above exception, another exception occurred:\n\n"
        'Traceback (most recent call last):\n  File "/srv/app/b.py", line 2, in g\nValueError: x'
    ),
]


@pytest.mark.parametrize("trace", TRACES)
def test_a_trace_is_known_by_the_message_of_its_root(trace: str) -> None:
    """The expression matches the text of the trace, and that of no other error."""
    group = grouping.group(trace)
    assert group.basis == "trace"
    text = expression(group)
    assert re.search(text, trace)
    assert re2.search(text, trace)
    assert not re.search(text, "RangeError: y\n    at other (/srv/app/src/a.ts:1:2)")


PIECES = [
    "error", "Error:", "failed", "for", "user", "bob", "table", '"orders"', "'x y'", "`q`", "column",
    "d290f1ee-6c54-4b01-90e6-d701748f0851", "2025-12-15T10:30:00Z", "2025-12-15 10:30:00.123+00",
    "10.0.0.1:5432", "::1", "https://a.example.com/x?y=1", "a@example.com", "/srv/app/a.py", "C:\\a\\b",
    "404", "returned", "status", "code", "42P01", "PGRST116", "5", "-7", "3.14", "0x1f", "50%", "5 rows",
    "row(s)", "1 row", "files", "12 file(s)", "5000ms", "3 s", "(a, b, c)", "(1, 2)", "[1, 2, 3]", "{a,b}",
    "key=value", "key=", "rhost=", "a=1,b=2", "(id)=(5)", "type", "integer", "from", "to", "text", "and",
    "Jan 5 2025", "Mon Dec 15 10:30:00 2025", "<*>", "<s>", "<ok>", "a.b.c", "e.g.", "...", "enable....1",
    "(s)", "s", '"a": 1,', '{"code":"42501"}', "HTTP/1.1", '"GET /x HTTP/1.1"', ",", ".", ":", "|", "-",
    "$1", "^a$", "a*b", "a+", "[x]", "(", ")", "\\", "/", "\n", "\t", "\r\n", "\u00a0", "\u2028", "\u3000",
    "é", "日本", "😀", "\ufffd", "\0", "\x07", "\x7f", "for root", "cannot drop table a because view b depends on it",
    "address: 10.0.0.1 (host.example.org)", "850 bytes (0.8 KB)", "node db:5432", "tenant eu_3", "production",
]  # fmt: skip

_piece = st.sampled_from(PIECES)
_word = st.one_of(_piece, _piece, _piece, st.text(max_size=6))


def _messages(most: int = 12) -> st.SearchStrategy[str]:
    between = st.sampled_from([" ", " ", " ", "", "  ", "\n"])
    return st.lists(st.tuples(_word, between), max_size=most).map(
        lambda parts: "".join(word + space for word, space in parts)
    )


def _read(message: str) -> str:
    """Return the root message as an expression is matched: what Postgres can store of it."""
    return bound(grouping.group(grouping.clean(message)).text)


@given(_messages())
@example("deleted 5 row in 1 rows")
@example("a <s> b <*> 5 rows(s)")
@example("\x1b[31mfailed\x1b[0m for 5")
def test_an_expression_matches_its_message(matches_in_postgres: Matches, message: str) -> None:
    """Python, RE2 and Postgres find the message that a pattern was made from, raw as it came."""
    # A known message has the English wording of the catalogue.
    assume(grouping.group(grouping.clean(message)).known is None)
    text = _expression(message)
    assert len(text) <= MAX_LENGTH + 100
    read = _read(message)
    assert re.search(text, read)
    assert re2.search(text, read)
    assert matches_in_postgres(text, read)


@given(_messages(8), _messages(8))
def test_the_engines_agree_on_any_other_message(
    matches_in_postgres: Matches, one: str, other: str
) -> None:
    """Whether a message matches a pattern that is not its own, all engines answer alike."""
    text, read = _expression(one), _read(other)
    found = re2.search(text, read) is not None
    assert (re.search(text, read) is not None) == found
    assert matches_in_postgres(text, read) == found


def _by_signature(messages: list[str]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for message in dict.fromkeys(messages):
        group = grouping.group(grouping.clean(message))
        # Of a known message other wordings are told apart from English by nothing.
        if group.basis == "message" and group.known is None:
            groups.setdefault(group.signature, []).append(message)
    return groups


@pytest.mark.parametrize("corpus", corpora.params())
def test_the_expression_of_one_message_matches_all_of_its_signature(
    postgres: psycopg.Connection[Any], corpus: str
) -> None:
    """Of every signature of a corpus each message matches what was made from the first one."""
    misses: list[tuple[str, str]] = []
    for members in _by_signature(corpora.messages(corpus)).values():
        text = _expression(members[0])
        compiled, linear = re.compile(text), re2.compile(text)
        reads = [_read(message) for message in members]
        misses += [(text, read) for read in reads if not compiled.search(read)]
        misses += [(text, read) for read in reads if not linear.search(read)]
        rows = postgres.execute(
            "select read from unnest(%s::text[]) as reads (read) where not read ~ %s", (reads, text)
        ).fetchall()
        misses += [(text, row[0]) for row in rows]
    assert misses == []


def test_javascript_reads_an_expression_alike() -> None:
    """The same text is a JavaScript expression, without flags and with the flag u."""
    messages = [f"{one} {other}" for one in PIECES for other in ("failed", "5", '"x"', "rows")]
    reads = [_read(message) for message in messages]
    cases = [
        (_expression(message), read)
        for place, message in enumerate(messages)
        for read in (reads[place], reads[place - 5], reads[place - 41])
        # Without the flag u an emoji is two characters to JavaScript, and a lost one is one.
        if "\ufffd" not in message or "😀" not in read
    ]
    assert sum(check_alike(cases)) >= len(messages)


def test_of_a_long_message_the_start_is_matched() -> None:
    """What grouping does not read, the expression does not ask for."""
    long = "cannot parse the answer of " + "some more words " * 400
    text = _expression(long)
    assert re.search(text, long)
    assert re.search(text, long + "and whatever")
    assert first_unique_match(long + "and whatever", [("it", text)]) == "it"


LARGEST = [
    "abcdefghij " * 500,
    "a" * 5000,
    "1," * 3000,
    "x <*> " * 900,
    "5 rows " * 700,
    ".*+?()[]" * 600,
    "\ufffd " * 2000,
    "a b " * 1500,
]


@pytest.mark.parametrize("message", LARGEST, ids=lambda message: message[:10])
def test_the_largest_expressions_compile_quickly(
    postgres: psycopg.Connection[Any], message: str
) -> None:
    """At the bound of 4,096 characters, whatever they are, Postgres needs less than a second."""
    text = _expression(message)
    assert len(text) <= MAX_LENGTH + 100
    before = spent_by(postgres)
    row = postgres.execute("select %s::text ~ %s::text", (_read(message), text)).fetchone()
    assert row == (True,)
    assert spent_by(postgres) - before < 1
    assert re2.search(text, _read(message))
