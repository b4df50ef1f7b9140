"""Many learners at once: one pattern, the right count, and no deadlock."""

from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from tests.conftest import Sql

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Rest
    from tests.database.conftest import Patterns


@pytest.fixture
def learners(addresses: dict[str, Any]) -> Iterator[list[Sql]]:
    """Eight connections as the service role."""
    connections = [Sql(addresses["db_url"]) for _ in range(8)]
    for connection in connections:
        connection.run("set role service_role")
    yield connections
    for connection in connections:
        connection.connection.close()


def _count(engine: Rest, signature: str) -> int:
    rows = engine.select("error_patterns", pattern_signature=f"eq.{signature}")
    assert len(rows) == 1
    return int(rows[0]["occurrence_count"])


def test_64_learners_of_one_new_error_make_one_pattern(engine: Rest, patterns: Patterns) -> None:
    """Each with its own log row: one pattern, 64 occurrences; the same 64 again change nothing."""
    error = patterns.error()
    errors = [error | {"system_log_id": log_id} for log_id in patterns.log_rows(64)]
    with ThreadPoolExecutor(64) as pool:
        first = [rows[0] for rows in pool.map(patterns.learn, errors)]
        again = [rows[0] for rows in pool.map(patterns.learn, errors)]
    assert len({row["pattern_id"] for row in first + again}) == 1
    assert sorted(row["action"] for row in first) == ["created"] + ["updated"] * 63
    assert {row["action"] for row in again} == {"unchanged"}
    assert {row["occurrence_count"] for row in again} == {64}
    assert _count(engine, error["signature"]) == 64


def test_one_delivery_to_many_learners_counts_once(engine: Rest, patterns: Patterns) -> None:
    """A log row that 32 webhooks bring at once is counted by one of them."""
    error = patterns.error(system_log_id=patterns.log_row())
    with ThreadPoolExecutor(32) as pool:
        actions = [rows[0]["action"] for rows in pool.map(patterns.learn, [error] * 32)]
    assert sorted(actions) == ["created"] + ["unchanged"] * 31
    assert _count(engine, error["signature"]) == 1


@pytest.mark.parametrize("ending", ["commit", "rollback"])
def test_a_learner_waits_for_the_maker_of_its_pattern(
    patterns: Patterns, learners: list[Sql], ending: str
) -> None:
    """The second learner counts in the first one's pattern, or makes it after a rollback."""
    maker, waiter = learners[:2]
    error = patterns.error()
    maker.run("begin")
    maker.call("learn_errors_v1", [error])
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(waiter.call, "learn_errors_v1", [error])
        _until_waiting(learners[2], waiter)
        maker.run("commit" if ending == "commit" else "rollback")
        learned = waiting.result(10)[0]
    expected = {"commit": ("updated", 2), "rollback": ("created", 1)}
    assert (learned["action"], learned["occurrence_count"]) == expected[ending]


def test_a_row_counted_meanwhile_under_another_signature_makes_no_pattern(
    engine: Rest, patterns: Patterns, learners: list[Sql]
) -> None:
    """Two learners bring one log row with two new signatures: one counts, the other leaves none."""
    first, second = learners[:2]
    log_id = patterns.log_row()
    counted, left_over = (patterns.error(system_log_id=log_id) for _ in range(2))
    first.run("begin")
    first.call("learn_errors_v1", [counted])
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(second.call, "learn_errors_v1", [left_over])
        _until_waiting(learners[2], second)
        first.run("commit")
        learned = waiting.result(10)[0]
    assert (learned["action"], learned["pattern_signature"]) == ("unchanged", counted["signature"])
    left = f"eq.{left_over['signature']}"
    assert engine.select("error_patterns", pattern_signature=left) == []
    assert engine.select("roman_events", **{"metadata->>pattern_signature": left}) == []


def _until_waiting(watcher: Sql, waiter: Sql) -> None:
    """Return when the waiter's backend waits for a lock."""
    pid = waiter.connection.info.backend_pid
    for _ in range(1000):
        if watcher.value("select cardinality(pg_blocking_pids(%s)) > 0", pid):
            return
        threading.Event().wait(0.01)
    raise AssertionError("the other learner did not wait")


def test_batches_in_opposite_orders_never_deadlock(
    engine: Rest, patterns: Patterns, learners: list[Sql]
) -> None:
    """Eight learners bring batches that overlap in signatures and log rows, shuffled; all end."""
    errors = [patterns.error() for _ in range(30)]
    logs = patterns.log_rows(300)
    batches = [
        [errors[place % 30] | {"system_log_id": log_id} for place, log_id in enumerate(logs)]
        for _ in learners
    ]

    def learn(learner: Sql, batch: list[dict[str, Any]], seed: int) -> None:
        shuffled = random.Random(seed).sample(batch, len(batch))
        for start in range(0, len(batch), 60):
            learner.call("learn_errors_v1", shuffled[start : start + 60])

    with ThreadPoolExecutor(len(learners)) as pool:
        list(pool.map(learn, learners, batches, range(len(learners))))
    assert {_count(engine, error["signature"]) for error in errors} == {10}


def test_learning_and_archiving_never_deadlock(
    patterns: Patterns, database: Sql, learners: list[Sql]
) -> None:
    """Archiving passes over what is being learned at that moment, and waits for nobody."""
    ids = sorted(row["pattern_id"] for row in patterns.learn(*[patterns.error() for _ in range(2)]))
    database.run(
        "update ops.error_patterns set last_seen = now() - interval '1 year' "
        "where pattern_id = any(%s)",
        ids,
    )
    learner = learners[0]
    with learner.undone():
        # As learning does, which runs as the owner of the tables.
        learner.run("reset role")
        learner.run(
            "select from ops.error_patterns where pattern_id = %s for no key update", ids[1]
        )
        database.run("set lock_timeout = '2s'")
        assert database.value("select ops_internal.archive_patterns()") >= 1
    states = database.rows(
        "select status from ops.error_patterns where pattern_id = any(%s) order by pattern_id", ids
    )
    assert [row["status"] for row in states] == ["archived", "open"]
