"""Which messages are one pattern for grouping/v1, by examples."""

import hashlib
import re

import pytest
from tests.processor import fastest

from pattern_engine import grouping
from pattern_engine.grouping.v1 import normalizing


def _signature(message: str) -> str:
    return grouping.signature_of(grouping.normalize(message), normalizing.NAME)


FROM_THE_SPECIFICATION = [
    (
        (
            "Database connection failed for user d290f1ee-6c54-4b01-90e6-d701748f0851"
            " at 2025-12-15T10:30:00Z"
        ),
        "database connection failed for user uuid at timestamp",
    ),
    (
        "Connection failed to database postgres://db-prod-1:5432",
        "connection failed to database postgres://string",
    ),
    (
        "new row violates row-level security policy for table 'users'",
        "new row violates row-level security policy for table string",
    ),
    ("Stripe charge ch_3abc123 failed: card declined", "stripe charge uuid failed: card declined"),
    ("42 and 3.14 and 1000", "num and num and num"),
    ("\"hello world\" or 'test'", "string or string"),
    ("  Too   many\tspaces \n", "too many spaces"),
]


@pytest.mark.parametrize(("message", "template"), FROM_THE_SPECIFICATION)
def test_the_specifications_examples_come_out(message: str, template: str) -> None:
    """The examples of the specification normalise to what it says, in its lower case."""
    assert grouping.normalize(message) == template


TEMPLATES = [
    ("", ""),
    ("2025-12-15 10:30:00.123 +00:00: deadlock", "timestamp: deadlock"),
    ("2025-12-15 is a date", "timestamp is a date"),
    ("at 10:30:00", "at num:num:num"),
    ("host 10.0.0.1", "host num.num"),
    ("timeout of 5000ms", "timeout of numms"),
    ("offset -7, +3 and 1e-5, 0x1F", "offset num, num and num, num"),
    ("db-prod-1", "db-prod-num"),
    ("int4 and utf8 and e5", "int4 and utf8 and e5"),
    ("block blk_-160 of attempt_1445_m_07", "block blk_num of attempt_num_m_num"),
    ("can't open 'file'", "can't open string"),
    ("the users' table 'x'", "the users' table string"),
    ('say "a \\"b\\" c"', "say string"),
    ('an "open end', 'an "open end'),
    ("`x` and `y`", "string and string"),
    ("https://api.example.com:443/v1/items?page=2", "https://string/v1/items?page=num"),
    ("postgres://user:pass@db:5432: refused", "postgres://string: refused"),
    ("sub_total is a column", "sub_total is a column"),
    ("NUL \0 and half \ud800", "nul \ufffd and half \ufffd"),
    ("İstanbul ſ ẞ \u212a", "İstanbul ſ ẞ \u212a"),
]


@pytest.mark.parametrize(("message", "template"), TEMPLATES)
def test_a_message_has_this_template(message: str, template: str) -> None:
    """What varies is masked, what names something stays."""
    assert grouping.normalize(message) == template


APART = [
    ("Request returned 404", "Request returned 500"),
    ("Request failed with status code 401", "Request failed with status code 403"),
    ("HTTP/1.1 502 from upstream", "HTTP/1.1 504 from upstream"),
    ("error: 404 Not Found", "error: 429 Too Many Requests"),
    ("400 Bad Request", "409 Conflict"),
    ("ERROR (SQLSTATE 42501)", "ERROR (SQLSTATE 42710)"),
    ("SQLSTATE[23000]: violation", "SQLSTATE[42000]: violation"),
    ("ERROR: 42P01: something", "ERROR: 42703: something"),
    ("failed (42P01)", "failed (42P07)"),
    ("PGRST116: none", "PGRST204: none"),
    ("{'message': 'm', 'code': 'PGRST116'}", "{'message': 'm', 'code': 'PGRST204'}"),
    ('{"code":"42501","message":"m"}', '{"code":"23505","message":"m"}'),
    ('{"statusCode":"404"}', '{"statusCode":"403"}'),
    ('{"status": 404}', '{"status": 500}'),
    ("code: '23505'", "code: '23503'"),
    ("failed with ERR_404", "failed with ERR_500"),
    ("code=card_declined", "code=expired_card"),
    ("process exited with code 1", "process exited with code 137"),
    ("exit status 1", "exit status 2"),
    ("connect ECONNREFUSED 10.0.0.1:5432", "connect ETIMEDOUT 10.0.0.1:5432"),
    ("TypeError: x", "ValueError: x"),
    ("FATAL: x", "ERROR: x"),
]


@pytest.mark.parametrize(("one", "other"), APART)
def test_codes_that_decide_the_fix_keep_messages_apart(one: str, other: str) -> None:
    """Status, SQLSTATE, PostgREST code, errno, exception class and level are never masked."""
    assert _signature(one) != _signature(other)


TOGETHER = [
    ("returned 200 rows", "returned 404 rows"),
    ("status 1000 reached", "status 1001 reached"),
    ("done 50%", "done 51%"),
    ("block blk_-160 lost", "block blk_38 lost"),
    ("failed 300 times", "failed 301 times"),
    ("No such customer: 'cus_AbC123x'", "No such customer: 'cus_9Zz888y'"),
    ("Request req_1a2b3c4d: declined", "Request req_9z8y7x6w: declined"),
    ('relation "a" does not exist', 'relation "b" does not exist'),
    ('relation "42P01" does not exist', 'relation "42P07" does not exist'),
    ("job 17 failed after 3.5 s", "Job 18  failed after 4 s"),
]


@pytest.mark.parametrize(("one", "other"), TOGETHER)
def test_values_do_not_keep_messages_apart(one: str, other: str) -> None:
    """Counts, ids and names are one pattern, a number beside a counted thing is no status."""
    assert _signature(one) == _signature(other)


def test_a_word_shares_the_template_of_its_placeholder() -> None:
    """A message that says "uuid" is grouped with one that has a UUID there, as specified."""
    by_value = grouping.normalize("function d290f1ee-6c54-4b01-90e6-d701748f0851 is missing")
    assert by_value == grouping.normalize("function uuid is missing")


def test_a_signature_is_the_digests_first_64_bits_in_base_36() -> None:
    """`pattern_` and a number that reads back as the first eight bytes of the SHA-256."""
    signature = grouping.signature_of("a template", "grouping/v1")
    assert re.fullmatch("pattern_[0-9a-z]{1,13}", signature)
    digest = hashlib.sha256(b"grouping/v1\na template").digest()
    assert int(signature.removeprefix("pattern_"), 36) == int.from_bytes(digest[:8], "big")


def test_another_algorithm_gives_another_signature() -> None:
    """The algorithm's name is part of what is hashed."""
    assert grouping.signature_of("t", "grouping/v1") != grouping.signature_of("t", "grouping/v2")


def test_released_signatures_never_change() -> None:
    """The signature of a stored pattern is the same in every release."""
    assert _signature("Request 5 returned 404") == RELEASED


RELEASED = "pattern_29jewj99hj86r"


def test_messages_over_the_bound_are_marked() -> None:
    """What is cut off plays no part, and the template says that something was."""
    long = "word " * 2000
    template = grouping.normalize(long)
    assert template.endswith(normalizing.TRUNCATED)
    assert template == grouping.normalize(long + "and more")
    assert grouping.normalize("word") != template


def test_white_space_alone_is_the_empty_message() -> None:
    """Leading white space does not use up the bound."""
    assert grouping.normalize(" " * 10_000) == ""
    assert grouping.normalize(" " * 10_000 + "x") == "x"


ADVERSARIAL = [
    '"', "'", "`", "\\", '\\"', "\\'", "\"'`\\", " 'a", "a.", "1", "1.", "1e", "-+", " ", "é", "日",
    "٣", "2025-12-", "abcdef01-abcd-", "://a", "://a:", "://a@", "code ", '"code":', "http/1.",
    "returned (", "ch_", "status code ", "0x", "{[(", "a_", "\n", "[truncated] ",
]  # fmt: skip


def _seconds(message: str) -> float:
    return fastest(lambda: grouping.normalize(message))


@pytest.mark.parametrize("unit", ADVERSARIAL)
def test_normalising_takes_linear_time(unit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even without the bound, eight times the message takes eight times as long, not 64."""
    monkeypatch.setattr(normalizing, "MAX_BYTES", 10**9)
    small, large = (unit * (size // len(unit)) for size in (4_000, 32_000))
    assert _seconds(large) < 24 * _seconds(small) + 0.002


def test_beyond_the_bound_length_costs_nothing() -> None:
    """A message of a megabyte takes hardly longer than one of 8 KiB."""
    assert _seconds("word 5 " * 150_000) < 5 * _seconds("word 5 " * 1_200) + 0.01
