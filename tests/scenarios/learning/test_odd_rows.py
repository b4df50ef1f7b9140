"""Rows that are hard to read are learned, and keep no other row from being learned."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from tests.waiting import eventually

if TYPE_CHECKING:
    from tests.conftest import Rest, Sql
    from tests.scenarios.conftest import Fault

MANY = 300


def _unlearned(database: Sql, word: str) -> int:
    unlearned: int = database.value(
        """select count(*) from ops.system_logs as logs
           where position(%s in logs.message) > 0 and not exists (
             select from ops.pattern_incidents as incidents
             where incidents.system_log_id = logs.id)""",
        word,
    )
    return unlearned


def test_odd_rows_are_learned_with_all_others(database: Sql, fault: Fault) -> None:
    """Deep nesting, megabytes that compress well and words without end are learned at once."""
    nested = '{"a": ' * 1100 + "1" + "}" * 1100
    chance = random.Random(8)
    words = "".join(chr(chance.randrange(0x4E00, 0x9FFF)) for _ in range(4000))
    with database.connection.transaction():
        database.run(
            """insert into ops.system_logs (message, error_data, source, release)
               values (%s, %s::jsonb, 'shop', null), (%s, null, 'shop', null),
                 (%s, null, repeat(md5('a'), 500), repeat(md5('b'), 500))""",
            fault.message(1),
            f'{{"exception": {nested}}}',
            f"{words} {fault.word}",
            fault.message(2),
        )
        database.run(
            """insert into ops.system_logs (message, error_data)
               select %s, jsonb_build_object('stack', repeat('at page.load ', 300000))
               from generate_series(1, 5)""",
            fault.message(3),
        )
        database.run(
            "insert into ops.system_logs (message) select %s from generate_series(1, 100)",
            fault.message(4),
        )
    eventually(lambda: _unlearned(database, fault.word) == 0, seconds=25)


def test_single_errors_share_calls_and_each_counts_once(
    engine: Rest, database: Sql, fault: Fault
) -> None:
    """Errors that come together are learned together; none is left, none counts twice."""
    before = database.value("select last_value from net.http_request_queue_id_seq")
    with ThreadPoolExecutor(8) as pool:
        row = {"source": "shop", "log_level": "error"}
        list(
            pool.map(
                lambda number: engine.insert_unseen(
                    "system_logs", row | {"message": fault.message(number)}
                ),
                range(MANY),
            )
        )
    eventually(lambda: _unlearned(database, fault.word) == 0, seconds=25)
    calls = database.value("select last_value from net.http_request_queue_id_seq") - before
    assert calls < MANY / 2
    (pattern,) = database.rows(
        """select occurrence_count from ops.error_patterns
           where metadata ->> 'sample' like %s""",
        f"%{fault.word}%",
    )
    assert pattern["occurrence_count"] == MANY
