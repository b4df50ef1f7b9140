"""A claimed fix runs once, is recorded once, and can be stopped, retried and recovered."""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from psycopg.sql import SQL, Identifier
from tests.conftest import RefusedError, Sql

from pattern_engine import settings
from pattern_engine.healing.running import run
from pattern_engine.settings import Facilities
from pattern_engine.text.withholding import NOTHING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Rest
    from tests.database.approval.proposing import Desk
    from tests.database.conftest import Orders, Patterns


@pytest.fixture
def background() -> Iterator[ThreadPoolExecutor]:
    """Runs what would block the test."""
    with ThreadPoolExecutor(4) as pool:
        yield pool


def _approved(patterns: Patterns, script: str, **parameters: object) -> str:
    pattern_id = patterns.new()
    patterns.approve(pattern_id, script, parameters=parameters)
    return pattern_id


def _applications(engine: Rest, pattern_id: str) -> list[dict[str, Any]]:
    return engine.select("pattern_applications", pattern_id=f"eq.{pattern_id}", order="id")


def _stored(outcome: dict[str, Any]) -> dict[str, Any]:
    """Return what is kept of an outcome: not the sampled rows, which go to the one who ran it."""
    return {key: outcome[key] for key in outcome.keys() - {"rows_before", "rows_after", "raised"}}


def wait_for_run(database: Sql, application_id: str) -> int:
    """Return the backend that runs an application, as soon as there is one."""
    for _ in range(500):
        found = database.rows(
            """select pid from pg_locks
               join ops.pattern_claims as claims on claims.lock_key::oid = pg_locks.objid
               where locktype = 'advisory' and granted and claims.application_id = %s""",
            application_id,
        )
        if found:
            return int(found[0]["pid"])
        time.sleep(0.01)
    raise AssertionError("the application is not running")


def test_a_run_is_recorded_with_what_it_did(
    engine: Rest, patterns: Patterns, orders: Orders
) -> None:
    """An application keeps script, parameters, error, verdict, rows, version and digest."""
    script = f"update {orders.name} set status = 'fixed' where id = 1"
    pattern_id = _approved(patterns, script, note="x")
    log_id = patterns.log_row()
    claim = patterns.claim(pattern_id, log_id, error={"message": "it broke", "source": "shop"})
    outcome = patterns.run(claim["application_id"])
    row = _applications(engine, pattern_id)[0]
    fix = patterns.fix(pattern_id)
    expected = {
        "application_id": claim["application_id"],
        "system_log_id": log_id,
        "success": True,
        "execution_time_ms": outcome["execution_time_ms"],
        "fix_script_executed": script,
        "fix_parameters_used": {"note": "x"},
        "error_before": "it broke",
        "error_after": None,
        "system_state_before": {"system_entropy": claim["validation"]["system_entropy"]},
        "system_state_after": {"rows_touched": 1, "tables": {orders.name: 1}},
        "constitutional_validation": claim["validation"],
        "metadata": {
            "fix_version": 1,
            "sha256": fix["sha256"],
            "purpose": "heal",
            "sqlstate": None,
            "stopped": None,
            "undoes": None,
        },
    }
    assert {key: row[key] for key in expected} == expected
    claims = engine.select("pattern_claims", application_id=f"eq.{claim['application_id']}")
    assert claims[0]["finished_at"] is not None


def test_a_run_is_in_the_journal(engine: Rest, patterns: Patterns) -> None:
    """The event pattern_applied says how it ended: info when it went well, warning when not."""
    for script, success, severity in (
        ("select 1", True, "info"),
        ("select 1 / 0", False, "warning"),
    ):
        pattern_id = _approved(patterns, script)
        patterns.apply(pattern_id)
        events = engine.select(
            "roman_events",
            event_type="eq.pattern_applied",
            **{"metadata->>pattern_id": f"eq.{pattern_id}"},
        )
        assert [(e["severity"], e["metadata"]["success"]) for e in events] == [(severity, success)]


def test_a_failure_is_recorded_with_its_reason(engine: Rest, patterns: Patterns) -> None:
    """A script that fails is a finished application without success, with message and SQLSTATE."""
    pattern_id = _approved(patterns, "select 1 / 0")
    outcome = patterns.apply(pattern_id)
    assert (outcome["success"], outcome["error"]) == (False, "division by zero")
    row = _applications(engine, pattern_id)[0]
    assert row["error_after"] == "division by zero"
    assert row["metadata"]["sqlstate"] == "22012"


def test_a_failure_quotes_no_value(engine: Rest, patterns: Patterns) -> None:
    """A value of the wrong form stands in PostgreSQL's message: it may be anybody's."""
    pattern_id = _approved(patterns, """select ('ann@example.com "x"' || $1::text)::integer""")
    outcome = patterns.apply(pattern_id)
    assert outcome["error"] == 'invalid input syntax for type integer: "…"'
    assert _applications(engine, pattern_id)[0]["metadata"]["sqlstate"] == "22P02"


def test_an_application_runs_once(engine: Rest, patterns: Patterns, orders: Orders) -> None:
    """Run again, or finished again, an application answers its first outcome and does nothing."""
    pattern_id = _approved(
        patterns, f"update {orders.name} set status = status || '+' where id = 1"
    )
    application_id = patterns.claim(pattern_id)["application_id"]
    first = _stored(patterns.run(application_id))
    assert patterns.run(application_id) == first
    finished = engine.call(
        "finish_application_v1",
        p_application_id=application_id,
        p_outcome={"success": False, "error": "late", "execution_time_ms": 1},
    )
    assert finished == first
    assert orders.count("broken+") == 1
    assert len(_applications(engine, pattern_id)) == 1


def test_two_runs_at_once_are_one(
    patterns: Patterns, orders: Orders, background: ThreadPoolExecutor
) -> None:
    """The second caller waits for the first one's run and gets its outcome."""
    script = f"update {orders.name} set status = status || '+' where id = 1; select pg_sleep(0.3)"
    pattern_id = _approved(patterns, script)
    application_id = patterns.claim(pattern_id)["application_id"]
    outcomes = [_stored(found) for found in background.map(patterns.run, [application_id] * 3)]
    assert outcomes[0]["success"] is True
    assert outcomes == [outcomes[0]] * 3
    assert orders.count("broken+") == 1


def test_of_many_claims_of_one_error_one_gets_it(patterns: Patterns) -> None:
    """32 callers claim the same log row for the same version at once: one is told yes."""
    pattern_id, log_id = _approved(patterns, "select 1"), patterns.log_row()
    patterns.fix(pattern_id)
    with ThreadPoolExecutor(32) as pool:
        claims = list(pool.map(lambda _: patterns.claim(pattern_id, log_id), range(32)))
    assert sorted(claim["application_id"] is not None for claim in claims) == [False] * 31 + [True]
    refusals = [claim["refusal"] for claim in claims if claim["application_id"] is None]
    assert refusals == [{"code": "in_hand"}] * 31


def test_errors_without_a_log_row_are_claimed_each(patterns: Patterns) -> None:
    """Without a log row nothing tells two errors apart, so each may be taken in hand."""
    pattern_id = _approved(patterns, "select 1")
    claims = [patterns.claim(pattern_id) for _ in range(2)]
    assert [claim["refusal"] for claim in claims] == [None, None]
    assert claims[0]["application_id"] != claims[1]["application_id"]


@pytest.mark.parametrize(
    "change",
    [{"p_fix_version": 2}, {"p_pattern_id": "00000000-0000-0000-0000-000000000000"}],
)
def test_only_a_live_version_is_claimed(patterns: Patterns, change: dict[str, Any]) -> None:
    """PL014: there is no such version, or no such pattern."""
    pattern_id = _approved(patterns, "select 1")
    with pytest.raises(RefusedError) as refused:
        patterns.claim(pattern_id, **change)
    assert refused.value.code == "PL014"


@pytest.mark.parametrize(
    "change",
    [
        {"auto_fix_script": "select 2"},
        {"auto_fix_type": "bash"},
        {"auto_fix_parameters": {"max_rows": 100_000}},
    ],
)
def test_a_changed_fix_is_refused(
    engine: Rest, database: Sql, patterns: Patterns, orders: Orders, change: dict[str, Any]
) -> None:
    """What somebody wrote into the pattern after approval never runs, and is reported."""
    script = f"update {orders.name} set status = 'fixed' where id = 1"
    pattern_id = _approved(patterns, script)
    database.change("error_patterns", change, pattern_id=pattern_id)
    outcome = patterns.apply(pattern_id)
    assert outcome["success"] is False
    assert "differs from the approved fix" in outcome["error"]
    assert orders.count("fixed") == 0
    events = engine.select(
        "roman_events",
        event_type="eq.fix_refused",
        **{"metadata->>pattern_id": f"eq.{pattern_id}"},
    )
    assert [event["severity"] for event in events] == ["critical"]


def test_a_claim_for_another_digest_is_refused(patterns: Patterns, orders: Orders) -> None:
    """What was checked before claiming is what runs: another digest is refused."""
    pattern_id = _approved(patterns, f"update {orders.name} set status = 'fixed' where id = 1")
    claim = patterns.claim(pattern_id, p_sha256="0" * 64)
    assert (claim["refusal"], claim["application_id"]) == ({"code": "not_live"}, None)
    assert orders.count("fixed") == 0


def test_a_fix_disabled_after_its_claim_does_not_run(patterns: Patterns, orders: Orders) -> None:
    """Disabling stops what was claimed and not yet run."""
    pattern_id = _approved(patterns, f"update {orders.name} set status = 'fixed' where id = 1")
    claim = patterns.claim(pattern_id)
    patterns.disable(pattern_id)
    assert "the fix was disabled" in patterns.run(claim["application_id"])["error"]
    assert orders.count("fixed") == 0


def _deadlock(
    patterns: Patterns,
    orders: Orders,
    other: Sql,
    background: ThreadPoolExecutor,
    retries: int,
) -> dict[str, Any]:
    """Run a fix that deadlocks with a transaction of the application; return its outcome."""
    update = f"update {orders.name} set status = status || '+' where id = "
    script = f"{update} 1; select pg_sleep(0.3); {update} 2"
    pattern_id = _approved(patterns, script, max_retries=retries)
    application_id = patterns.claim(pattern_id)["application_id"]
    other.run("set deadlock_timeout = '30s'")  # so that PostgreSQL chooses the fix as its victim
    with other.connection.transaction():
        other.connection.execute(f"{update} 2".encode())
        running: Future[dict[str, Any]] = background.submit(patterns.run, application_id)
        wait_for_run(orders.sql, application_id)
        time.sleep(0.1)
        other.connection.execute(f"{update} 1".encode())
    return running.result(10)


def test_a_deadlock_is_tried_again(
    patterns: Patterns, orders: Orders, admin: Sql, background: ThreadPoolExecutor
) -> None:
    """With max_retries a fix that lost a deadlock runs again and succeeds."""
    outcome = _deadlock(patterns, orders, admin, background, retries=1)
    assert (outcome["success"], outcome["rows_touched"]) == (True, 2)
    assert orders.count("broken++") == 2


def test_a_deadlock_without_retries_is_a_failure(
    patterns: Patterns, orders: Orders, admin: Sql, background: ThreadPoolExecutor
) -> None:
    """Without max_retries a lost deadlock is a failed outcome, and nothing of the fix is kept."""
    outcome = _deadlock(patterns, orders, admin, background, retries=0)
    assert outcome["success"] is False
    assert "deadlock" in outcome["error"]
    assert orders.count("broken+") == 2


def test_what_a_retry_cannot_change_is_not_retried(patterns: Patterns, orders: Orders) -> None:
    """A division by zero fails at once, however many retries are approved."""
    # A number of a sequence is not taken back with the rest of a try.
    tries = f"{orders.name}_tries"
    orders.run(f"create sequence {tries} owned by {{}}.id")
    orders.run(f"grant usage on sequence {tries} to ops_fixer")
    outcome = patterns.heal(f"select nextval('{tries}'); select 1 / 0", max_retries=8)
    assert outcome["success"] is False
    assert orders.sql.value(f"select nextval('{tries}')") == 2


SLOW_UPDATE = "update {} set status = 'fixed' where id = 1; select pg_sleep({})"


def test_a_run_is_cancelled_when_its_time_is_over(
    engine: Rest,
    patterns: Patterns,
    orders: Orders,
    database: Sql,
    background: ThreadPoolExecutor,
) -> None:
    """The database says what is left, cancels the script after that, and records it as failed."""
    pattern_id = _approved(patterns, SLOW_UPDATE.format(orders.name, 7), timeout_ms=1000)
    application_id = patterns.claim(pattern_id)["application_id"]
    running = background.submit(patterns.run, application_id)
    wait_for_run(database, application_id)
    left = engine.call("cancel_application_v1", p_application_id=application_id)
    assert 0 < left <= 1000
    assert not running.done()
    time.sleep(left / 1000)
    assert engine.call("cancel_application_v1", p_application_id=application_id) == 0
    outcome = running.result(5)
    assert (outcome["success"], outcome["error"]) == (
        False,
        "The run was stopped at its time limit of 1000 ms",
    )
    assert outcome["execution_time_ms"] >= 1000
    (application,) = _applications(engine, pattern_id)
    assert application["metadata"]["stopped"] == "time"
    verification = engine.select("pattern_verifications", application_id=f"eq.{application_id}")[0]
    assert verification["outcome"] == "failed"
    assert orders.count("fixed") == 0


def test_there_is_nothing_to_cancel(engine: Rest, patterns: Patterns) -> None:
    """Cancelling what does not run answers null: claimed only, finished, or unknown."""
    claimed = patterns.claim(_approved(patterns, "select 1"))["application_id"]
    for application_id in (claimed, "00000000-0000-0000-0000-000000000000"):
        assert engine.call("cancel_application_v1", p_application_id=application_id) is None
    patterns.run(claimed)
    assert engine.call("cancel_application_v1", p_application_id=claimed) is None


@pytest.mark.parametrize("locked", ["pattern_claims", "error_patterns"])
def test_waiting_is_not_the_time_of_the_script(
    engine: Rest,
    patterns: Patterns,
    orders: Orders,
    addresses: dict[str, Any],
    background: ThreadPoolExecutor,
    locked: str,
) -> None:
    """Neither the wait for the claim, before the script, nor for the pattern, after it, counts."""
    script = f"update {orders.name} set status = 'fixed' where id = 1"
    pattern_id = _approved(patterns, script, timeout_ms=200)
    application_id = patterns.claim(pattern_id)["application_id"]
    with Sql(addresses["db_url"]) as other, other.connection.transaction():
        query = SQL("select from ops.{} where pattern_id = %s for update")
        other.connection.execute(query.format(Identifier(locked)), (pattern_id,))
        running = background.submit(patterns.run, application_id)
        for _ in range(6):
            time.sleep(0.1)
            assert not engine.call("cancel_application_v1", p_application_id=application_id)
    outcome = running.result(5)
    assert (outcome["success"], outcome["error"]) == (True, None)
    assert outcome["execution_time_ms"] < 200
    assert orders.count("fixed") == 1


def test_a_statement_that_others_cancelled_says_nothing_of_the_fix(
    engine: Rest,
    patterns: Patterns,
    orders: Orders,
    admin: Sql,
    background: ThreadPoolExecutor,
) -> None:
    """Before its time is over a cancelled run is not recorded, and running it again does it once."""
    pattern_id = _approved(patterns, SLOW_UPDATE.format(orders.name, 0.5))
    application_id = patterns.claim(pattern_id)["application_id"]
    running = background.submit(patterns.run, application_id)
    admin.run("select pg_cancel_backend(%s)", wait_for_run(admin, application_id))
    with pytest.raises(RefusedError) as refused:
        running.result(5)
    assert refused.value.code == "57014"
    assert _applications(engine, pattern_id) == []
    assert patterns.run(application_id)["success"] is True


def test_a_killed_backend_is_not_held_against_the_fix(
    engine: Rest,
    patterns: Patterns,
    orders: Orders,
    admin: Sql,
    desk: Desk,
    background: ThreadPoolExecutor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The engine sends the run again, which heals the error once."""
    monkeypatch.setattr(settings, "current", lambda: desk.settings)  # what the log reads
    pattern_id = _approved(patterns, SLOW_UPDATE.format(orders.name, 0.5))
    application_id = patterns.claim(pattern_id)["application_id"]
    running = background.submit(
        run, desk.database, application_id, None, 5000, Facilities(), NOTHING
    )
    admin.run("select pg_terminate_backend(%s)", wait_for_run(admin, application_id))
    assert running.result(10)["success"] is True
    assert len(_applications(engine, pattern_id)) == 1
    assert orders.count("fixed") == 1


def test_cancelling_stops_only_the_run_that_is_named(
    engine: Rest, patterns: Patterns, database: Sql, background: ThreadPoolExecutor
) -> None:
    """Another application that runs at the same time ends well."""
    pattern_id = _approved(patterns, "select pg_sleep(1)", timeout_ms=500)
    one, two = (patterns.claim(pattern_id)["application_id"] for _ in range(2))
    running = [background.submit(patterns.run, application) for application in (one, two)]
    wait_for_run(database, one)
    wait_for_run(database, two)
    time.sleep(0.6)
    assert engine.call("cancel_application_v1", p_application_id=one) == 0
    assert running[1].result(5)["success"] is True
    assert running[0].result(5)["success"] is False


def test_a_killed_run_leaves_a_claim_that_can_be_taken_up_again(
    engine: Rest,
    patterns: Patterns,
    orders: Orders,
    admin: Sql,
    background: ThreadPoolExecutor,
) -> None:
    """When the backend dies nothing of the run is kept, and running it again does it once."""
    script = f"update {orders.name} set status = status || '+' where id = 1; select pg_sleep(0.4)"
    pattern_id = _approved(patterns, script)
    application_id = patterns.claim(pattern_id)["application_id"]
    running = background.submit(patterns.run, application_id)
    admin.run("select pg_terminate_backend(%s)", wait_for_run(admin, application_id))
    with pytest.raises(RefusedError):
        running.result(10)
    claim = engine.select("pattern_claims", application_id=f"eq.{application_id}")[0]
    assert claim["finished_at"] is None
    assert orders.count("broken") == 10
    assert patterns.run(application_id)["success"] is True
    assert orders.count("broken+") == 1
    assert len(_applications(engine, pattern_id)) == 1


@pytest.mark.slow
def test_the_login_roles_time_out_is_the_ceiling(
    engine: Rest, patterns: Patterns, orders: Orders
) -> None:
    """A run that nobody cancels is cut off after 8 seconds, and recorded."""
    script = f"update {orders.name} set status = 'fixed' where id = 1; select pg_sleep(30)"
    pattern_id = _approved(patterns, script)
    application_id = patterns.claim(pattern_id)["application_id"]
    started = time.monotonic()
    outcome = patterns.run(application_id)
    assert 7.5 < time.monotonic() - started < 10
    assert outcome["error"] == "The run was stopped at its time limit of 5000 ms"
    assert orders.count("fixed") == 0
    assert _applications(engine, pattern_id)[0]["success"] is False


def test_finishing_what_is_not_there_is_refused(engine: Rest) -> None:
    """PL010: there is no such application."""
    with pytest.raises(RefusedError) as refused:
        engine.call(
            "finish_application_v1",
            p_application_id="00000000-0000-0000-0000-000000000000",
            p_outcome={"success": False, "error": "x", "execution_time_ms": 1},
        )
    assert refused.value.code == "PL010"
