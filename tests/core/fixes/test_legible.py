"""What a reviewer cannot see, or what programs read differently, is refused or told."""

from __future__ import annotations

import json

import pytest

from pattern_engine import fixes
from pattern_engine.limits import FIX_TYPES
from pattern_engine.text import strict_json

SCRIPTS = {
    "sql": "update public.orders set status = 'x' where id = 1{}",
    "typescript": "export default () => 1;{}",
    "bash": "echo ok{}",
    "api_call": '{{"method": "GET", "url": "https://api.example.com/"}}{}',
}
HIDDEN = {
    "bidi": "\u202e",
    "isolate": "\u2066",
    "zero width space": "\u200b",
    "zero width joiner": "\u200d",
    "byte order mark": "\ufeff",
    "soft hyphen": "\u00ad",
    "tag": "\U000e0041",
    "line separator": "\u2028",
    "paragraph separator": "\u2029",
    "escape": "\x1b",
    "carriage return": "\r",
    "NUL": "\0",
    "backspace": "\b",
    "C1": "\x9b",
    "variation selector": "\ufe0f",
    "hangul filler": "\u3164",
    "braille blank": "\u2800",
}
PARAMETERS = {"allowed_hosts": ["api.example.com"]}


def _rules(fix_type: str, script: str, parameters: object = None) -> set[str]:
    given = PARAMETERS | (parameters if isinstance(parameters, dict) else {})
    analysis = fixes.analyse(fix_type, script, given)
    assert analysis.accepted or not analysis.prepared_script
    return {finding.rule for finding in analysis.findings}


@pytest.mark.parametrize("fix_type", FIX_TYPES)
def test_what_is_plain_is_accepted(fix_type: str) -> None:
    """Line ends, tabs and letters of any language are seen."""
    assert (
        _rules(fix_type, SCRIPTS[fix_type].format("\n\n\t\n"), {"name": "Zoë\n\t東京 Москва"})
        == set()
    )


@pytest.mark.parametrize("character", HIDDEN.values(), ids=HIDDEN)
@pytest.mark.parametrize("fix_type", FIX_TYPES)
def test_a_hidden_character_is_refused_in_scripts_and_parameters(
    fix_type: str, character: str
) -> None:
    """In a comment too, in keys and values, and at any depth."""
    script = SCRIPTS[fix_type]
    assert "character" in _rules(fix_type, script.format(character))
    for parameters in (
        {"name": f"a{character}b"},
        {f"a{character}b": 1},
        {"deep": [{"er": [{f"{character}": None}]}]},
    ):
        assert "character" in _rules(fix_type, script.format(""), parameters), parameters


@pytest.mark.parametrize("fix_type", FIX_TYPES)
def test_a_line_that_leaves_the_screen_is_refused(fix_type: str) -> None:
    """What stands behind a thousand spaces is not read."""
    script = SCRIPTS[fix_type]
    assert "line" in _rules(fix_type, script.format(" " * 1_000 + "\n"))
    assert "line" in _rules(fix_type, script.format(""), {"text": "x" * 1_001})
    assert "line" not in _rules(fix_type, script.format(""), {"text": ("x" * 1_000 + "\n") * 3})


NUMBERS = {
    "9007199254740992": False,
    "-9007199254740993": False,
    "12345678901234567890": False,
    "0.1234567890123456789": False,
    "100000000000000000000.5": False,
    "1e300": False,
    "9007199254740991": True,
    "0.1": True,
    "-12.50": True,
    "123456789012.345": True,
    "1.5e3": True,
}


@pytest.mark.parametrize("fix_type", FIX_TYPES)
@pytest.mark.parametrize(("number", "is_exact"), NUMBERS.items())
def test_a_number_that_not_every_program_reads_exactly_is_refused(
    fix_type: str, number: str, *, is_exact: bool
) -> None:
    """A gateway and a script in JavaScript would work with another number than was reviewed."""
    parameters = strict_json.parse(f'{{"deep": [{number}]}}')
    assert ("number" in _rules(fix_type, SCRIPTS[fix_type].format(""), parameters)) is not is_exact


@pytest.mark.parametrize(("number", "is_exact"), NUMBERS.items())
def test_the_numbers_of_a_request_are_exact_too(number: str, *, is_exact: bool) -> None:
    """The body of an api_call is JSON, which the engine reads and writes again."""
    script = f'{{"method": "POST", "url": "https://api.example.com/", "body": {{"id": {number}}}}}'
    assert ("number" in _rules("api_call", script)) is not is_exact


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("update public.\u043erders set a = 1 where id = 1", "mixes CYRILLIC and LATIN"),
        ("update public.\u0440\u0430\u0443 set a = 1 where id = 1", "looks like a Latin word"),
        ("update public.orders set note = 'Москва 東京 Zoë ПИД' where id = 1", None),
    ],
)
def test_words_of_mixed_alphabets_are_told(script: str, told: str | None) -> None:
    """They are no error, because a text may be in any language; a reviewer has to know."""
    warnings = fixes.analyse("sql", script, {}).warnings
    assert any(told in each for each in warnings) if told else warnings == ()


READING = {
    "sql": "update public.orders set a = 1 where id = ($2 #>> '{captured,order}')::int",
    "typescript": "export default () => error.captured.order;",
    "bash": 'order="$(jq -r .captured.order error.json)"; echo "$order"',
    "api_call": '{"method": "POST", "url": "https://api.example.com/",'
    ' "body": {"id": {"error": "order"}}}',
}


@pytest.mark.parametrize("fix_type", READING)
def test_a_script_for_one_case_that_names_no_target_is_told(fix_type: str) -> None:
    """Without a target the next error, about another case, is a recurrence of this one."""
    script = READING[fix_type]
    assert fixes.WITHOUT_TARGET in fixes.analyse(fix_type, script, PARAMETERS).warnings
    named = PARAMETERS | {"target": ["order"]}
    assert fixes.analyse(fix_type, script, named).warnings == ()
    plain = fixes.analyse(fix_type, SCRIPTS[fix_type].format(""), PARAMETERS)
    assert plain.warnings == ()


@pytest.mark.parametrize(
    ("call", "is_accepted"),
    [
        ("pg_sleep(1)", True),
        ("pg_catalog.pg_sleep(0.25)", True),
        ("pg_sleep(1.01)", False),
        ("pg_sleep(-1)", False),
        ("pg_sleep(($1 ->> 'x')::float)", False),
        ("pg_sleep(1) from public.orders", False),
        ("1 from public.orders where pg_sleep(1) is null", False),
        ("pg_sleep(1), pg_sleep(1)", False),
        ("pg_sleep_for('1 second')", False),
        ("pg_sleep_until(now())", False),
        ("public.pg_sleep(1)", False),
    ],
)
def test_sql_may_wait_up_to_a_second(call: str, *, is_accepted: bool) -> None:
    """So that what a fix started elsewhere can settle; the time limit counts it."""
    assert fixes.analyse("sql", f"select {call}", {}).accepted is is_accepted


@pytest.mark.parametrize(
    ("fix_type", "script"),
    [
        ("typescript", "export default () => new Promise((done) => setTimeout(done, 1000));"),
        ("bash", "sleep 1"),
    ],
)
def test_other_types_may_wait_up_to_a_second_too(fix_type: str, script: str) -> None:
    """One rule for all types."""
    assert fixes.analyse(fix_type, script, {}).findings == ()


def test_an_analysis_is_made_once_for_equal_parameters() -> None:
    """It is repeated before each run, and a TypeScript one starts a process."""
    script = SCRIPTS["sql"].format(" -- once")
    before = fixes.analysed_once.cache_info()
    for parameters in ({"a": 1, "b": 2}, {"b": 2, "a": 1}, json.loads('{"a": 1, "b": 2}')):
        fixes.analyse("sql", script, parameters)
    after = fixes.analysed_once.cache_info()
    assert (after.misses - before.misses, after.hits - before.hits) == (1, 2)
    fixes.analyse("sql", script, {"a": 2})
    assert fixes.analysed_once.cache_info().misses - before.misses == 2


@pytest.mark.parametrize(
    ("parameters", "is_accepted"),
    [
        ({}, False),
        ({"when": {"constraint": "*"}}, False),
        ({"when": {"constraint": ["a", "b"]}}, False),
        ({"when": {"constraint": ["a"], "table": "*"}}, False),
        ({"when": {"constraint": ["a"]}}, True),
        ({"target": ["order"]}, True),
    ],
)
def test_an_idempotency_key_may_be_written_where_the_approval_is_for_one_case(
    parameters: dict[str, object], *, is_accepted: bool
) -> None:
    """Elsewhere the server would take each run but the first for a repetition."""
    script = (
        '{"method": "POST", "url": "https://api.example.com/",'
        ' "headers": {"Idempotency-Key": "restart-42"}}'
    )
    assert (_rules("api_call", script, parameters) == set()) is is_accepted
