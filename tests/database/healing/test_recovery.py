"""When a worker dies between learning and healing, or between claim and outcome, nothing is lost."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from tests.conftest import RefusedError, Sql
from tests.database.conftest import POLICY
from tests.database.healing.test_running import wait_for_run
from tests.database.steering.test_steering_together import waiting

if TYPE_CHECKING:
    from tests.conftest import Rest
    from tests.database.conftest import Orders, Patterns
    from tests.database.healing.outcomes import Outcomes

UNKNOWN = "The worker ended without recording an outcome; whether the script ran is not known"


@pytest.fixture(autouse=True)
def _recovered(database: Sql) -> None:
    """What other tests left unfinished is closed, so that claims can be counted."""
    database.run(
        "update ops.pattern_claims set lease_until = '2026-01-01' where finished_at is null"
    )
    database.call("recover_applications_v1")


def _applications(engine: Rest, application_id: str) -> list[dict[str, Any]]:
    return engine.select("pattern_applications", application_id=f"eq.{application_id}")


def _claim(engine: Rest, application_id: str) -> dict[str, Any]:
    return engine.select("pattern_claims", application_id=f"eq.{application_id}")[0]


def _bash(patterns: Patterns) -> str:
    """A pattern with a fix that runs outside the database."""
    pattern_id = patterns.new()
    patterns.approve(pattern_id, "true", type="bash")
    return pattern_id


def _lease_ends(database: Sql, application_id: str, seconds: float = 1) -> None:
    database.run(
        """update ops.pattern_claims
           set lease_until = clock_timestamp() - make_interval(secs => %s)
           where application_id = %s""",
        seconds,
        application_id,
    )


# -- Claims -------------------------------------------------------------------------------------


def test_a_dead_workers_sql_is_taken_over(
    engine: Rest, patterns: Patterns, database: Sql, orders: Orders
) -> None:
    """The next claim of the same error gets the same application, and it ends in one outcome."""
    pattern_id, log_id = patterns.new(), patterns.log_row()
    patterns.approve(pattern_id, f"update {orders.name} set status = status || '+' where id = 1")
    first = patterns.claim(pattern_id, log_id)["application_id"]
    assert not patterns.claim(pattern_id, log_id)["claimed"], "its lease holds"
    _lease_ends(database, first)
    second = patterns.claim(pattern_id, log_id)
    assert (second["claimed"], second["application_id"]) == (True, first)
    assert not patterns.claim(pattern_id, log_id)["claimed"], "its new lease holds"
    outcome = patterns.run(first)
    assert (outcome["success"], outcome["rows_touched"]) == (True, 1)
    # The first worker wakes up.
    late = patterns.run(first)
    assert (late["success"], late["execution_time_ms"]) == (True, outcome["execution_time_ms"])
    assert orders.count("broken+") == 1
    assert len(_applications(engine, first)) == 1
    assert not patterns.claim(pattern_id, log_id)["claimed"]


def test_what_is_taken_over_does_not_stand_in_its_own_way(
    patterns: Patterns, database: Sql
) -> None:
    """Neither cooldown nor budget counts the claim that was never run."""
    pattern_id, log_id = patterns.new(), patterns.log_row()
    patterns.approve(pattern_id)
    policy = POLICY | {"cooldown_seconds": 3600, "runs_per_hour": 1}
    first = patterns.claim(pattern_id, log_id, p_policy=policy)["application_id"]
    _lease_ends(database, first)
    assert patterns.claim(pattern_id, log_id, p_policy=policy)["application_id"] == first


def test_of_many_that_take_over_one_gets_it(patterns: Patterns, database: Sql) -> None:
    """32 workers find the same dead claim at once."""
    pattern_id, log_id = patterns.new(), patterns.log_row()
    patterns.approve(pattern_id)
    first = patterns.claim(pattern_id, log_id)["application_id"]
    _lease_ends(database, first)
    with ThreadPoolExecutor(32) as pool:
        claims = list(pool.map(lambda _: patterns.claim(pattern_id, log_id), range(32)))
    assert [claim["application_id"] for claim in claims if claim["claimed"]] == [first]


def test_a_run_under_way_is_not_taken_over(
    patterns: Patterns, database: Sql, orders: Orders
) -> None:
    """However long ago its lease ended: who runs it holds it, and nobody waits for another."""
    pattern_id, log_id = patterns.new(), patterns.log_row()
    script = f"update {orders.name} set status = status || '+' where id = 1; select pg_sleep(1)"
    patterns.approve(pattern_id, script)
    first = patterns.claim(pattern_id, log_id)["application_id"]
    _lease_ends(database, first, seconds=3600)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(patterns.run, first)
        wait_for_run(database, first)
        second = patterns.claim(pattern_id, log_id)
        assert (second["claimed"], second["reason"]) == (
            False,
            "Another worker is handling this error",
        )
        assert database.call("recover_applications_v1") == 0
        assert not running.done()
        assert running.result(10)["success"] is True
    assert orders.count("broken+") == 1


def test_what_may_have_run_is_not_taken_over(patterns: Patterns, database: Sql) -> None:
    """Of a script outside the database nobody knows whether it ran: it does not run again."""
    pattern_id, log_id = _bash(patterns), patterns.log_row()
    claim = patterns.claim(pattern_id, log_id)
    assert claim["job"]["script"] == "true"
    _lease_ends(database, claim["application_id"])
    assert not patterns.claim(pattern_id, log_id)["claimed"]


@pytest.mark.parametrize("kind", ["bash", "bash without a log row", "sql without a log row"])
def test_a_dead_claim_that_nobody_takes_over_is_closed(
    engine: Rest, patterns: Patterns, outcomes: Outcomes, database: Sql, kind: str
) -> None:
    """As inconclusive, once; a worker that comes late gets that outcome."""
    if kind.startswith("sql"):
        pattern_id = patterns.new()
        patterns.approve(pattern_id)
    else:
        pattern_id = _bash(patterns)
    log_id = None if "without" in kind else patterns.log_row()
    application_id = patterns.claim(pattern_id, log_id)["application_id"]
    assert database.call("recover_applications_v1") == 0, "its lease holds"
    _lease_ends(database, application_id)
    assert database.call("recover_applications_v1") == 1
    assert database.call("recover_applications_v1") == 0
    assert _claim(engine, application_id)["finished_at"] is not None
    (row,) = _applications(engine, application_id)
    assert (row["success"], row["error_after"]) == (False, UNKNOWN)
    assert outcomes.of(application_id)["outcome"] == "inconclusive"
    stored = engine.select("error_patterns", pattern_id=f"eq.{pattern_id}")[0]
    assert (stored["success_rate"], stored["consecutive_failures"]) == (0, 0)
    late = engine.call(
        "finish_application_v1",
        p_application_id=application_id,
        p_outcome={"success": True, "error": None, "execution_time_ms": 1},
    )
    assert (late["success"], late["error"]) == (False, UNKNOWN)
    with pytest.raises(RefusedError) as refused:
        engine.call("application_job_v1", p_application_id=application_id)
    assert refused.value.code == "PL010"


def test_sql_that_may_still_be_taken_over_is_left_a_while(
    patterns: Patterns, outcomes: Outcomes, database: Sql
) -> None:
    """With a log row the sweep sends it again first; five minutes after its lease it is closed."""
    pattern_id = patterns.new()
    patterns.approve(pattern_id)
    application_id = patterns.claim(pattern_id, patterns.log_row())["application_id"]
    _lease_ends(database, application_id, seconds=290)
    assert database.call("recover_applications_v1") == 0
    _lease_ends(database, application_id, seconds=310)
    assert database.call("recover_applications_v1") == 1
    assert outcomes.of(application_id)["outcome"] == "inconclusive"


def test_recoveries_at_once_close_each_claim_once(
    engine: Rest, patterns: Patterns, database: Sql
) -> None:
    """Several recoveries run together; the claims of several patterns end once each."""
    made = [_bash(patterns) for _ in range(4)]
    claims = [patterns.claim(one)["application_id"] for one in made for _ in range(3)]
    for application_id in claims:
        _lease_ends(database, application_id)
    with ThreadPoolExecutor(4) as pool:
        recovered = list(pool.map(lambda _: engine.call("recover_applications_v1"), range(4)))
    assert sum(recovered) == len(claims)
    assert all(len(_applications(engine, application_id)) == 1 for application_id in claims)


def test_a_claim_that_was_taken_over_meanwhile_is_left(
    engine: Rest, patterns: Patterns, database: Sql, addresses: dict[str, Any]
) -> None:
    """Recovery waited for the pattern; by then somebody else had the claim in hand."""
    pattern_id = _bash(patterns)
    application_id = patterns.claim(pattern_id)["application_id"]
    _lease_ends(database, application_id)
    with Sql(addresses["db_url"]) as recovery, Sql(addresses["db_url"]) as holder:
        holder.run("begin")
        holder.run(
            "select from ops.error_patterns where pattern_id = %s for no key update", pattern_id
        )
        with waiting(
            database, recovery, lambda: recovery.call("recover_applications_v1")
        ) as answer:
            _lease_ends(database, application_id, seconds=-60)
            holder.run("rollback")
            assert answer.result(10) == 0
    assert _claim(engine, application_id)["finished_at"] is None


def test_one_claim_that_cannot_be_closed_holds_no_other_back(
    engine: Rest, patterns: Patterns, database: Sql
) -> None:
    """A claim of a policy that lacks something, made by hand, is left, and the rest is closed."""
    claims = [patterns.claim(_bash(patterns))["application_id"] for _ in range(2)]
    database.run("update ops.pattern_claims set policy = '{}' where application_id = %s", claims[0])
    for application_id in claims:
        _lease_ends(database, application_id)
    try:
        assert database.call("recover_applications_v1") == 1
        assert _claim(engine, claims[0])["finished_at"] is None
        assert _claim(engine, claims[1])["finished_at"] is not None
    finally:
        database.run("delete from ops.pattern_claims where application_id = %s", claims[0])


def test_a_late_run_and_a_claim_do_not_wait_for_each_other(
    patterns: Patterns, addresses: dict[str, Any], database: Sql
) -> None:
    """A run holds its claim and wants the pattern, a claim holds the pattern: no deadlock."""
    pattern_id, log_id = patterns.new(), patterns.log_row()
    patterns.approve(pattern_id)
    application_id = patterns.claim(pattern_id, log_id)["application_id"]
    _lease_ends(database, application_id)
    fix = patterns.fix(pattern_id)
    with Sql(addresses["db_url"]) as claimer, ThreadPoolExecutor(1) as pool:
        with claimer.connection.transaction():
            claimer.run(
                "select from ops.error_patterns where pattern_id = %s for no key update",
                pattern_id,
            )
            running = pool.submit(patterns.run, application_id)
            wait_for_run(database, application_id)
            answer = claimer.call(
                "claim_application_v1",
                pattern_id,
                log_id,
                fix["version"],
                fix["sha256"],
                {},
                {"message": "x"},
                "",
                POLICY,
            )
            assert answer["reason"] == "Another worker is handling this error"
        assert running.result(10)["success"] is True


# -- Errors -------------------------------------------------------------------------------------


def _sent(database: Sql, grace: str = "30 seconds", most_age: str = "15 minutes") -> set[int]:
    rows = database.rows(
        "select ops_internal.unhandled_ids(%s::interval, %s::interval) as id", grace, most_age
    )
    return {row["id"] for row in rows}


def _learned(patterns: Patterns, outcomes: Outcomes, **columns: object) -> tuple[str, int]:
    """An error that was learned a minute ago, with a fix, and that nobody took in hand."""
    log_id = patterns.log_row(**columns)
    pattern_id = patterns.learn(patterns.error(system_log_id=log_id))[0]["pattern_id"]
    patterns.approve(pattern_id)
    outcomes.passes(pattern_id, 60)
    return pattern_id, log_id


def test_what_was_learned_and_forgotten_is_sent_again(
    patterns: Patterns, outcomes: Outcomes, database: Sql
) -> None:
    """Its worker ended between learning and healing; the webhook is called with it once more."""
    _, log_id = _learned(patterns, outcomes)
    assert log_id in _sent(database)
    with database.undone():
        assert database.value("select ops_internal.send_unhandled()") == 1
        rows = database.rows(
            "select convert_from(body, 'UTF8')::jsonb as body from net.http_request_queue"
        )
        assert any(log_id in row["body"].get("ids", ()) for row in rows)


def test_the_worker_is_given_a_moment_and_history_is_left_alone(
    patterns: Patterns, outcomes: Outcomes, database: Sql
) -> None:
    """Not before the grace, and not what is too old to be healed."""
    pattern_id, log_id = _learned(patterns, outcomes)
    assert log_id not in _sent(database, grace="61 seconds")
    assert log_id in _sent(database, grace="59 seconds")
    age = "update ops.system_logs set created_at = now() - %s::interval where id = %s"
    database.run(age, "14 minutes 50 seconds", log_id)
    assert log_id in _sent(database)
    database.run(age, "15 minutes 1 second", log_id)
    assert log_id not in _sent(database)
    assert pattern_id


def test_an_error_of_no_weight_is_not_sent(
    patterns: Patterns, outcomes: Outcomes, database: Sql
) -> None:
    """Errors and criticals are healed by themselves, warnings are not."""
    _, critical = _learned(patterns, outcomes, log_level="critical")
    _, warning = _learned(patterns, outcomes, log_level="warning")
    assert {critical, warning} & _sent(database) == {critical}


def test_what_was_refused_is_not_sent(
    engine: Rest, patterns: Patterns, outcomes: Outcomes, database: Sql
) -> None:
    """Somebody knows why it did not run; the target is kept, where there is one."""
    _, log_id = _learned(patterns, outcomes)
    refusals = [
        {"system_log_id": log_id, "reason": "not now", "target": "one"},
        {"system_log_id": 2**50, "reason": "unknown", "target": None},
    ]
    assert engine.call("record_refusals_v1", p_refusals=refusals) == 1
    assert log_id not in _sent(database)
    assert engine.call("record_refusals_v1", p_refusals=[]) == 0
    again = [{"system_log_id": log_id, "reason": "still not", "target": None}]
    assert engine.call("record_refusals_v1", p_refusals=again) == 1
    (row,) = engine.select("pattern_incidents", system_log_id=f"eq.{log_id}")
    assert (row["refusal"], row["target"]) == ("still not", "one")


def test_what_is_in_hand_is_not_sent(patterns: Patterns, outcomes: Outcomes, database: Sql) -> None:
    """Neither while it runs, nor once it ran; but when its worker's lease has ended."""
    pattern_id, log_id = _learned(patterns, outcomes)
    application_id = patterns.claim(pattern_id, log_id)["application_id"]
    assert log_id not in _sent(database)
    _lease_ends(database, application_id)
    assert log_id in _sent(database)
    patterns.run(application_id)
    assert log_id not in _sent(database)


@pytest.mark.parametrize("why", ["demoted", "disabled", "no fix"])
def test_what_no_fix_is_on_for_is_not_sent(
    patterns: Patterns, outcomes: Outcomes, database: Sql, why: str
) -> None:
    """There is nothing that could run."""
    pattern_id, log_id = _learned(patterns, outcomes)
    if why == "demoted":
        with database.connection.transaction():
            database.run(
                "select ops_internal.demote(fixes, null, 'test') from ops.pattern_fixes as fixes "
                "where pattern_id = %s",
                pattern_id,
            )
    elif why == "disabled":
        patterns.disable(pattern_id)
    else:
        log_id = patterns.log_row()
        error = patterns.error(system_log_id=log_id)
        outcomes.passes(patterns.learn(error)[0]["pattern_id"], 60)
    assert log_id not in _sent(database)


def test_refusals_wait_for_nobody(
    engine: Rest, patterns: Patterns, outcomes: Outcomes, database: Sql
) -> None:
    """An error that is being moved to another pattern is left out: it is sent again anyway."""
    _, log_id = _learned(patterns, outcomes)
    _, other = _learned(patterns, outcomes)
    refusals = [
        {"system_log_id": one, "reason": "not now", "target": None} for one in (log_id, other)
    ]
    with database.connection.transaction():
        database.run(
            "select from ops.pattern_incidents where system_log_id = %s for update", log_id
        )
        assert engine.call("record_refusals_v1", p_refusals=refusals) == 1
    assert {log_id, other} & _sent(database) == {log_id}
