"""Errors that the webhook lost are found, and tried until they are learned or given up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.conftest import Sql

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Person, Rest
    from tests.database.conftest import Patterns


@pytest.fixture
def settled(database: Sql) -> Sql:
    """A database in which every error is learned and the sweep has come to its end."""
    database.run("delete from ops_internal.learning_tries")
    database.run("""
        with made as (
          insert into ops.error_patterns
            (pattern_signature, pattern_type, error_message_pattern, severity)
          values (gen_random_uuid()::text, 'api', 'x', 'error') returning pattern_id)
        insert into ops.pattern_incidents (pattern_id, signature, system_log_id)
        select made.pattern_id, 'x', ids
        from made, ops_internal.unlearned_ids(0, 9223372036854775807, 1000000) as ids
    """)
    last = database.value("select coalesce(max(id), 0) from ops.system_logs")
    for _ in range(200):
        _sweep(database)
        if _settled_id(database) >= last:
            return database
        database.run("select pg_sleep(0.02)")
    raise AssertionError("some transaction is open, so that the sweep does not come on")


@pytest.fixture
def other(addresses: dict[str, Any]) -> Iterator[Sql]:
    """Another session of the application."""
    with Sql(addresses["db_url"]) as sql:
        yield sql


def _settled_id(sql: Sql) -> int:
    return int(sql.value("select settled_id from ops_internal.sweep"))


def _sweep(sql: Sql, grace: str = "0 seconds") -> list[int]:
    """Sweep once; return the ids that its worker would take, and leave them."""
    calls = _called(sql, grace)
    with sql.undone():
        taken = _take(sql, grace)
    assert calls == bool(taken)
    return taken


def _called(sql: Sql, grace: str = "0 seconds") -> int:
    """Look for errors that were never learned; return how many calls were made, which get lost."""
    with sql.connection.transaction():
        before = sql.value("select coalesce(max(id), 0) from net.http_request_queue")
        calls: int = sql.value("select ops_internal.send_unlearned(%s)", grace)
        # Nobody answers here, and the worker need not ask.
        lost = sql.run("delete from net.http_request_queue where id > %s", before)
    assert calls == lost
    return calls


def _take(sql: Sql, grace: str = "0 seconds") -> list[int]:
    """Take errors as the worker of a sweep does."""
    sql.run("update ops_internal.sweep set taken_before = now() - %s::interval", grace)
    taken: list[int] = sql.value("select ops.take_unlearned_v1()")
    return taken


def _time_for_the_next_try(sql: Sql) -> None:
    sql.run("update ops_internal.learning_tries set next_at = now()")
    sql.run("update ops_internal.sweep set busy_until = '-infinity'")


def _insert(sql: Sql, count: int = 1, **columns: object) -> list[int]:
    """Insert log rows whose webhook call is lost."""
    row = {"message": "it broke", "source": "shop"} | columns
    names, places = ", ".join(row), ", ".join(["%s"] * len(row))
    with sql.connection.transaction():
        before = sql.value("select coalesce(max(id), 0) from net.http_request_queue")
        rows = sql.rows(
            f"insert into ops.system_logs ({names}) "
            f"select {places} from generate_series(1, {count}) returning id",
            *row.values(),
        )
        sql.run("delete from net.http_request_queue where id > %s", before)
    return [row["id"] for row in rows]


def test_what_was_never_learned_is_sent_until_it_is(settled: Sql, patterns: Patterns) -> None:
    """A lost error goes out with each sweep, oldest first, and stops when it is learned."""
    first, second = _insert(settled, 2)
    assert _sweep(settled) == [first, second]
    patterns.learn(patterns.error(system_log_id=first))
    assert _sweep(settled) == [second]
    patterns.learn(patterns.error(system_log_id=second))
    assert _sweep(settled) == []


def test_what_needs_no_learning_is_not_sent(settled: Sql) -> None:
    """Lesser rows and the engine's own are passed over."""
    _insert(settled, log_level="warning")
    _insert(settled, source="pattern-engine")
    _insert(settled, log_level="critical", source="pattern-engine/apply")
    assert _sweep(settled) == []


def test_the_webhook_has_its_time(settled: Sql, patterns: Patterns) -> None:
    """An error younger than 30 seconds is left to the webhook; an older one is sent."""
    young = _insert(settled)[0]
    old = _insert(settled, created_at="2026-01-01T00:00:00Z")[0]
    assert _sweep(settled, "30 seconds") == [old]
    patterns.learn(*[patterns.error(system_log_id=id_) for id_ in (young, old)])


def test_a_worker_takes_500_at_a_time_until_all_are_taken(settled: Sql) -> None:
    """The oldest come first, none comes twice, and meanwhile no other worker is called."""
    with settled.undone():
        ids = _insert(settled, 1200)
        taken = [_take(settled, "-1 second") for _ in range(4)]
        assert taken == [ids[:500], ids[500:1000], ids[1000:], []]
        _time_for_the_next_try(settled)
        assert _called(settled) == 1
        assert _take(settled)
        assert _called(settled) == 0


def test_an_id_that_is_committed_late_is_not_passed_over(
    settled: Sql, other: Sql, patterns: Patterns
) -> None:
    """A row whose transaction was open while later rows were learned is sent after its commit."""
    other.run("begin")
    late = _insert(other)[0]
    early = _insert(settled)[0]
    assert early > late
    patterns.learn(patterns.error(system_log_id=early))
    _comes_with_its_commit(settled, other, patterns, late)


def test_an_older_transaction_with_a_later_id_hides_no_row(
    settled: Sql, other: Sql, patterns: Patterns, admin: Sql
) -> None:
    """Numbers of transactions and ids of rows need not be in the same order."""
    admin.run("begin")
    admin.run("select pg_current_xact_id()")
    other.run("begin")
    late = _insert(other)[0]
    early = _insert(admin)[0]
    admin.run("commit")
    assert early > late
    patterns.learn(patterns.error(system_log_id=early))
    _comes_with_its_commit(settled, other, patterns, late)


def test_an_id_drawn_before_its_transaction_was_numbered_is_not_passed_over(
    settled: Sql, other: Sql, patterns: Patterns
) -> None:
    """An id is drawn before the row is written: a sweep in between loses nothing."""
    drawn = _drawn_without_number(other)
    early = _insert(settled)[0]
    patterns.learn(patterns.error(system_log_id=early))
    assert _sweep(settled) == []
    assert _insert(other, id=drawn) == [drawn]
    _comes_with_its_commit(settled, other, patterns, drawn)


def _comes_with_its_commit(settled: Sql, other: Sql, patterns: Patterns, log_id: int) -> None:
    """Check that no sweep passes over a row of an open transaction, and one sends it afterwards."""
    for _ in range(4):
        assert _sweep(settled) == []
    assert _settled_id(settled) < log_id
    other.run("commit")
    assert _sweep(settled) == [log_id]
    patterns.learn(patterns.error(system_log_id=log_id))


def _drawn_without_number(sql: Sql) -> int:
    """Begin a transaction that has drawn an id and has no number yet; one in 32 has one."""
    for _ in range(40):
        sql.run("begin")
        drawn = sql.value("select nextval('ops.system_logs_id_seq')")
        if sql.value("select pg_current_xact_id_if_assigned() is null"):
            return int(drawn)
        sql.run("rollback")
    raise AssertionError("each transaction was numbered when it drew an id")


def test_the_sweep_comes_on(settled: Sql, patterns: Patterns) -> None:
    """With everything learned the search begins behind what is settled, not anew."""
    ids = _insert(settled, 3)
    patterns.learn(*[patterns.error(system_log_id=id_) for id_ in ids])
    for _ in range(100):
        assert _sweep(settled) == []
        if _settled_id(settled) >= ids[-1]:
            return
    raise AssertionError("the sweep did not come on")


def test_an_unlearned_error_holds_the_search_back(settled: Sql, patterns: Patterns) -> None:
    """What is settled ends before the first error that nobody has learned."""
    first, second, third = _insert(settled, 3)
    patterns.learn(*[patterns.error(system_log_id=id_) for id_ in (first, third)])
    for _ in range(5):
        assert _sweep(settled) == [second]
    assert _settled_id(settled) < second
    patterns.learn(patterns.error(system_log_id=second))


def test_of_two_sweeps_at_once_one_works(settled: Sql, other: Sql, patterns: Patterns) -> None:
    """A sweep that finds another under way sends nothing and waits for nobody."""
    lost = _insert(settled)[0]
    settled.run("begin")
    assert settled.value("select ops_internal.send_unlearned('0 seconds')") == 1
    other.run("set lock_timeout = '1s'")
    assert other.value("select ops_internal.send_unlearned('0 seconds')") == 0
    settled.run("rollback")
    patterns.learn(patterns.error(system_log_id=lost))


def test_a_row_that_ends_its_worker_is_alone_in_the_end_and_given_up(settled: Sql) -> None:
    """What is tried again is tried with fewer neighbours; the log is settled without it."""
    with settled.undone():
        ids = _insert(settled, 100)
        sizes = []
        for _ in range(6):
            sizes.append(len(_take(settled, "-1 second")))
            # All but the last are learned; the worker dies of that one.
            if len(sizes) == 3:
                settled.run(
                    """insert into ops.pattern_incidents (pattern_id, signature, system_log_id)
                       select (select pattern_id from ops.error_patterns limit 1), 'x', ids.id
                       from unnest(%s::bigint[]) as ids (id)""",
                    ids[:-1],
                )
            _time_for_the_next_try(settled)
        assert sizes == [100, 62, 38, 1, 1, 1]
        assert _take(settled, "-1 second") == []
        row = settled.row("select * from ops_internal.learning_tries")
        assert (row["system_log_id"], row["tries"]) == (ids[-1], 5)
        assert row["gave_up_at"] is not None
        assert row["last_error"] == "The worker ended each time it was learning this error"
        event = settled.row(
            """select severity, metadata ->> 'system_log_id' as id from ops.roman_events
               where event_type = 'learning_given_up' order by id desc limit 1"""
        )
        assert (event["severity"], event["id"]) == ("warning", str(ids[-1]))
        assert _called(settled) == 0


def test_a_row_that_fails_three_times_is_given_up_with_its_reason(
    settled: Sql, engine: Rest, administrator: Person
) -> None:
    """The watermark passes it, the statistics name it, and once it is learned nothing is left."""
    lost = _insert(settled)[0]
    for _ in range(3):
        _time_for_the_next_try(settled)
        assert _take(settled) == [lost]
        engine.call("note_failures_v1", p_failures=[{"system_log_id": lost, "error": "too odd"}])
    assert _take(settled) == []
    shown = administrator.rest.call("statistics_v1")["unlearnable"]
    assert shown["total"] == 1
    assert [(one["system_log_id"], one["reason"]) for one in shown["latest"]] == [(lost, "too odd")]
    assert engine.call("count_unlearnable_v1") == 1
    for _ in range(100):
        assert _sweep(settled) == []
        if _settled_id(settled) >= lost:
            break
    assert _settled_id(settled) >= lost
    settled.run(
        """insert into ops.pattern_incidents (pattern_id, signature, system_log_id)
           select pattern_id, 'x', %s from ops.error_patterns limit 1""",
        lost,
    )
    assert _called(settled) == 0
    assert engine.call("count_unlearnable_v1") == 0
