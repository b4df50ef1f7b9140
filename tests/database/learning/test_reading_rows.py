"""What is read of a log row is bounded, and is all that grouping reads."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import pytest

from pattern_engine.grouping import evidence

if TYPE_CHECKING:
    from tests.conftest import Rest, Sql
    from tests.database.conftest import Patterns

DEEP = 1100
MEGABYTE = 1_000_000
FRAME = {"function": "load", "module": "app.page", "filename": "app/page.py", "lineno": 7}
CAUSE = {"type": "KeyError", "module": "builtins", "value": "'id'"}


def _nested(depth: int) -> str:
    return '{"a": ' * depth + "1" + "}" * depth


@pytest.mark.parametrize(
    "error_data",
    [
        None,
        [],
        "text",
        {},
        {"code": "57P03", "detail": "x" * 5000, "hint": 5, "where": {"a": 1}, "other": "y"},
        {"fingerprint": "one", "stack": "at a\nat b"},
        {"fingerprint": ["a", 1, None, {"b": 2}, "{{ default }}", *["c"] * 70]},
        {"fingerprint": {"a": "b"}, "stacktrace": {"frames": [FRAME]}},
        {"stacktrace": "Traceback"},
        {"exception": "ValueError"},
        {"exception": ["ValueError", 5, CAUSE]},
        {"exception": {"values": [CAUSE] * 12}},
        {"exception": {"values": "x", "type": "KeyError"}},
        {"exception": {"type": 5}},
        {"exception": CAUSE | {"stacktrace": {"frames": [FRAME, 5, FRAME | {"in_app": False}]}}},
        {
            "exception": [
                CAUSE | {"stacktrace": {"frames": [FRAME | {"function": f"f{n}"}]}}
                for n in range(12)
            ]
        },
        {
            "exception": CAUSE
            | {"stacktrace": {"frames": [FRAME | {"function": f"f{n}"} for n in range(80)]}}
        },
        {"exception": CAUSE | {"stacktrace": {"frames": [FRAME | {"filename": "é" * 600}]}}},
        {"exception": CAUSE | {"stacktrace": {"frames": [{"function": "f", "abs_path": "/a.py"}]}}},
    ],
    ids=lambda error_data: json.dumps(error_data)[:40],
)
def test_grouping_reads_the_same_of_the_row_as_of_what_was_sent(
    engine: Rest, patterns: Patterns, error_data: Any
) -> None:
    """Nothing that identifies an error is lost on the way from the log."""
    log_id = patterns.log_row(error_data=error_data)
    (row,) = engine.call("read_logs_v1", p_ids=[log_id])
    message = "something broke"
    assert evidence.read(row["error_data"], message) == evidence.read(error_data, message)


@pytest.mark.parametrize(
    "form",
    ["{}", '{{"code": "X1", "exception": {}}}', '{{"exception": [{}]}}', '{{"fingerprint": [{}]}}'],
)
def test_what_is_nested_deeply_is_not_sent(
    engine: Rest, database: Sql, patterns: Patterns, form: str
) -> None:
    """No depth of error_data keeps its row, or those beside it, from being read."""
    (log_id, other) = patterns.log_rows(2)
    database.run(
        "update ops.system_logs set error_data = %s::jsonb where id = %s",
        form.format(_nested(DEEP)),
        log_id,
    )
    rows = engine.call("read_logs_v1", p_ids=[log_id, other])
    assert [row["id"] for row in rows] == [log_id, other]
    assert json.dumps(rows).count("{") < 20


def test_rows_are_read_in_parts_of_bounded_size(
    engine: Rest, database: Sql, patterns: Patterns
) -> None:
    """However much rows hold, an answer holds at most 8 MB, and the caller asks for the rest."""
    ids = patterns.log_rows(10)
    database.run(
        """update ops.system_logs set message = repeat('word ', 20000),
             environment = repeat('e', 100000), release = repeat('r', 100000),
             error_data = jsonb_build_object(
               'junk', repeat('x', 300000), 'stack', repeat('y', 300000),
               'exception', (
                 select jsonb_agg(jsonb_build_object(
                   'type', 'E', 'value', repeat('v', 10000), 'stacktrace', jsonb_build_object(
                     'frames', (select jsonb_agg(jsonb_build_object(
                       'function', repeat('f', 600), 'module', repeat('m', 600),
                       'filename', repeat('n', 600))) from generate_series(1, 70)))))
                 from generate_series(1, 9)))
           where id = any(%s)""",
        ids,
    )
    read: list[int] = []
    while len(read) < len(ids):
        rows = engine.call("read_logs_v1", p_ids=ids[len(read) :])
        assert 0 < len(json.dumps(rows)) <= 8 * 1024 * 1024
        read += [row["id"] for row in rows]
    assert read == ids


def test_a_template_of_any_words_can_be_learned(patterns: Patterns) -> None:
    """Its trigrams fill no page of an index."""
    chance = random.Random(4)
    template = "".join(chr(chance.randrange(0x4E00, 0x9FFF)) for _ in range(4000))
    (learned,) = patterns.learn(patterns.error(template=template))
    assert learned["action"] == "created"


@pytest.mark.parametrize("role", ["service_role", "postgres"])
def test_columns_of_any_length_are_written(database: Sql, role: str) -> None:
    """No index refuses what an application calls its components, places and versions."""
    with database.undone():
        database.run("select set_config('role', %s, true)", role)
        database.run(
            """insert into ops.system_logs (message, source, environment, release, log_level)
               select 'x', words, words, words, 'error'
               from (
                 select string_agg(md5(n::text), '') as words from generate_series(1, 1000) as n
               ) as long"""
        )
