"""The loop end to end: a log row, its webhook, a pattern, an approved fix, a healed table."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from psycopg import sql
from tests.waiting import eventually

if TYPE_CHECKING:
    import httpx
    from tests.conftest import Person, Rest, Sql
    from tests.scenarios.conftest import Fault, Functions

Approve = Callable[..., "httpx.Response"]
MANY = 64
MOST_PATIENCE_SECONDS = 60


def log_error(engine: Rest, fault: Fault, number: int = 1, **changes: object) -> int:
    """Write a log row of the fault as the application's server does; return its id."""
    row = {"message": fault.message(number), "source": "shop", "log_level": "error"} | changes
    log_id: int = engine.insert("system_logs", row)[0]["id"]
    return log_id


def pattern_of(engine: Rest, log_id: int) -> dict[str, Any]:
    """Wait until the webhook has brought a log row; return its pattern."""
    incident = eventually(lambda: engine.select("pattern_incidents", system_log_id=f"eq.{log_id}"))[
        0
    ]
    return engine.select("error_patterns", pattern_id=f"eq.{incident['pattern_id']}")[0]


def applications(engine: Rest, log_id: int) -> list[dict[str, Any]]:
    """Return the applications of fixes to a log row."""
    return engine.select("pattern_applications", system_log_id=f"eq.{log_id}")


def patiently(call: Callable[[], httpx.Response]) -> httpx.Response:
    """Make a call, again for as long as the database is busy, as a client does; return the answer."""
    ends = time.monotonic() + MOST_PATIENCE_SECONDS
    while (answer := call()).status_code == 503 and time.monotonic() < ends:
        assert answer.json()["error"]["code"] == "database_busy", answer.text
        assert int(answer.headers["Retry-After"]) > 0
        # Sooner than asked, so that the test ends.
        time.sleep(random.uniform(0.1, 0.5))
    return answer


def faulty_rows(database: Sql, fault: Fault) -> int:
    """Count the rows that still have no status."""
    statement = sql.SQL("select count(*) as n from {} where status is null")
    row = database.connection.execute(
        statement.format(sql.Identifier("public", fault.table))
    ).fetchone()
    assert row is not None
    count: int = row["n"]
    return count


def approved(engine: Rest, approve: Approve, fault: Fault, **parameters: object) -> dict[str, Any]:
    """Let the fault occur once and approve its fix; return the pattern."""
    pattern = pattern_of(engine, log_error(engine, fault))
    answer = approve(fault, pattern["pattern_id"], parameters)
    assert answer.status_code == 200, answer.text
    return pattern


def test_an_approved_error_heals_itself(
    engine: Rest, approve: Approve, fault: Fault, database: Sql
) -> None:
    """A row like an approved one is all it takes: webhook, fix, record, statistics."""
    pattern = approved(engine, approve, fault)
    assert faulty_rows(database, fault) == 5

    log_id = log_error(engine, fault, 2)
    (application,) = eventually(lambda: applications(engine, log_id))

    assert faulty_rows(database, fault) == 0
    assert application["success"] is True
    assert application["error_before"] == fault.message(2)
    assert application["fix_parameters_used"]["status"] == "new"
    state = application["system_state_after"]
    assert (state["rows_touched"], state["tables"]) == (5, {f"public.{fault.table}": 5})
    assert application["constitutional_validation"]["compliant"] is True
    (verification,) = engine.select(
        "pattern_verifications", application_id=f"eq.{application['application_id']}"
    )
    assert verification["outcome"] == "pending", "whether the error stopped is not known yet"
    assert verification["pattern_id"] == pattern["pattern_id"]


def test_nothing_runs_before_the_approval(
    engine: Rest, functions: Functions, fault: Fault, database: Sql
) -> None:
    """A pattern without an approved fix is counted and left alone."""
    log_id = log_error(engine, fault)
    pattern_of(engine, log_id)
    answer = functions.call("apply", {"error_message": fault.message(), "system_log_id": log_id})
    assert answer.json() == {
        "applied": False,
        "reason": "The matching pattern has no enabled fix",
    }
    assert faulty_rows(database, fault) == 5


def test_many_learners_at_once_count_each_row_once(
    engine: Rest, functions: Functions, fault: Fault
) -> None:
    """64 learners of one new error make one pattern with 64 occurrences; the same again, none."""
    rows = [
        {"message": fault.message(number), "source": "shop", "log_level": "info"}
        for number in range(MANY)
    ]
    logs = engine.insert("system_logs", rows)

    def learn(log: dict[str, Any]) -> dict[str, Any]:
        body = {"error_message": log["message"], "system_log_id": log["id"], "severity": "error"}
        answer = patiently(lambda: functions.call("learn", body))
        assert answer.status_code == 200, answer.text
        learned: dict[str, Any] = answer.json()
        return learned

    with ThreadPoolExecutor(MANY) as pool:
        first = list(pool.map(learn, logs))
        again = list(pool.map(learn, logs))

    assert len({answer["pattern"]["pattern_id"] for answer in first}) == 1
    assert sorted(answer["action"] for answer in first) == ["created"] + ["updated"] * (MANY - 1)
    assert {answer["action"] for answer in again} == {"unchanged"}
    assert {answer["pattern"]["occurrence_count"] for answer in again} == {MANY}


def test_a_webhook_delivered_again_changes_nothing(
    engine: Rest, functions: Functions, approve: Approve, fault: Fault
) -> None:
    """64 webhooks, each delivered three times at once, count and heal each row once."""
    pattern = approved(engine, approve, fault)
    ids = [log_error(engine, fault, number) for number in range(MANY)]
    body = {"type": "INSERT", "table": "system_logs", "schema": "ops"}

    def deliver(log_id: int) -> int:
        return patiently(lambda: functions.webhook(body | {"ids": [log_id]})).status_code

    with ThreadPoolExecutor(MANY) as pool:
        assert set(pool.map(deliver, ids * 2)) == {200}

    counted = engine.select("error_patterns", pattern_id=f"eq.{pattern['pattern_id']}")[0]
    assert counted["occurrence_count"] == MANY + 1
    claims = engine.select("pattern_claims", pattern_id=f"eq.{pattern['pattern_id']}")
    assert len({claim["system_log_id"] for claim in claims}) == len(claims)
    applied = engine.select("pattern_applications", pattern_id=f"eq.{pattern['pattern_id']}")
    assert len({one["system_log_id"] for one in applied}) == len(applied)


def test_supabase_s_own_webhook_is_understood(
    engine: Rest, functions: Functions, fault: Fault
) -> None:
    """The payload of a Supabase database webhook works as our batch does."""
    log_id = log_error(engine, fault)
    answer = functions.webhook(
        {
            "type": "INSERT",
            "table": "system_logs",
            "schema": "ops",
            "record": {"id": log_id, "message": "whatever the payload says"},
            "old_record": None,
        }
    )
    assert answer.json()["received"] == 1
    assert fault.word in pattern_of(engine, log_id)["metadata"]["template"]


def test_history_is_learned_and_never_healed(
    engine: Rest, approve: Approve, fault: Fault, database: Sql
) -> None:
    """An error of an hour ago counts, and fires nothing."""
    pattern = approved(engine, approve, fault)
    past = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    log_id = log_error(engine, fault, 2, created_at=past)
    assert pattern_of(engine, log_id)["pattern_id"] == pattern["pattern_id"]
    assert applications(engine, log_id) == []
    assert faulty_rows(database, fault) == 5


def test_a_signed_up_user_fires_nothing_by_default(
    engine: Rest, functions: Functions, approve: Approve, fault: Fault, user: Person, database: Sql
) -> None:
    """A row that a user wrote counts; only an approval that trusts users lets it fire."""
    pattern = approved(engine, approve, fault)
    row = {"message": fault.message(2), "log_level": "error", "user_id": user.id}
    log_id = user.rest.insert("system_logs", row)[0]["id"]
    pattern_of(engine, log_id)
    body = {"error_message": fault.message(2), "system_log_id": log_id}
    answer = functions.call("apply", body, token=user.token)
    assert answer.json()["applied"] is False
    assert faulty_rows(database, fault) == 5

    functions.call("disable", {"pattern_id": pattern["pattern_id"]})
    engine_answer = functions.call("disable", {"pattern_id": pattern["pattern_id"]})
    assert engine_answer.status_code == 403, "the secret key disabled a fix"


def test_a_row_of_a_trusted_user_fires(
    engine: Rest, approve: Approve, fault: Fault, user: Person, database: Sql
) -> None:
    """Where the approval trusts signed-in users, their rows heal as the server's do."""
    approved(engine, approve, fault, trusted_writers=["service_role", "authenticated"])
    row = {"message": fault.message(2), "log_level": "error", "user_id": user.id}
    log_id = user.rest.insert("system_logs", row)[0]["id"]
    assert eventually(lambda: applications(engine, log_id))[0]["success"] is True
    assert faulty_rows(database, fault) == 0


def test_a_changed_script_is_refused_and_on_record(
    engine: Rest, approve: Approve, fault: Fault, database: Sql
) -> None:
    """Whoever edits an approved script in the table, even its owner, runs nothing."""
    pattern = approved(engine, approve, fault)
    identity = f"eq.{pattern['pattern_id']}"
    change = {"auto_fix_script": f"delete from {fault.table} where id > 0"}
    database.change("error_patterns", change, pattern_id=pattern["pattern_id"])
    log_id = log_error(engine, fault, 2)
    events = eventually(
        lambda: engine.select(
            "roman_events",
            event_type="eq.fix_refused",
            **{"metadata->>pattern_id": identity},
        )
    )
    assert events[0]["severity"] == "critical"
    assert applications(engine, log_id) == []
    assert faulty_rows(database, fault) == 5


def test_disabling_stops_the_next_run(
    engine: Rest, functions: Functions, approve: Approve, fault: Fault, operator: Person
) -> None:
    """After POST /disable the same error is counted again and nothing more."""
    pattern = approved(engine, approve, fault)
    body = {"pattern_id": pattern["pattern_id"], "reason": "it repairs too much"}
    disabled = functions.call("disable", body, token=operator.token)
    assert disabled.json()["pattern"]["auto_fix_enabled"] is False
    log_id = log_error(engine, fault, 2)
    assert pattern_of(engine, log_id)["occurrence_count"] == 2
    assert applications(engine, log_id) == []

    again = approve(fault, pattern["pattern_id"], {"status": "second version"})
    assert again.status_code == 200, again.text
    log_id = log_error(engine, fault, 3)
    assert eventually(lambda: applications(engine, log_id))[0]["success"] is True


def test_a_fix_beyond_its_time_is_stopped_and_recorded(
    engine: Rest, functions: Functions, fault: Fault, administrator: Person, database: Sql
) -> None:
    """A fix that outlasts its time is cancelled within a second, and nothing of it stays."""
    pattern = pattern_of(engine, log_error(engine, fault))
    # Fast for the error that it is rehearsed on, and endless for the next one.
    slow = (
        f"update {fault.table} set status = (select count(*)::text from generate_series(1, 10000)"
        " as a, generate_series(1, 10000) as b, generate_series(1, 10000) as c"
        " where $2 -> 'captured' ->> 'order' = '2') where status is null"
    )
    request = {
        "pattern_id": pattern["pattern_id"],
        "auto_fix_script": slow,
        "auto_fix_type": "sql",
        "auto_fix_parameters": {"timeout_ms": 300},
        "approved_by": administrator.id,
    }
    answer = functions.call("approve", request, token=administrator.token)
    assert answer.status_code == 200, answer.text
    log_id = log_error(engine, fault, 2)
    (application,) = eventually(lambda: applications(engine, log_id))
    assert application["success"] is False
    assert "300 ms" in application["error_after"]
    assert 300 <= application["execution_time_ms"] < 1300
    assert faulty_rows(database, fault) == 5


def test_an_error_before_the_approval_is_never_healed(
    engine: Rest, functions: Functions, approve: Approve, fault: Fault, database: Sql
) -> None:
    """A person approves for what comes; a webhook delivered again reaches back for nothing."""
    early = log_error(engine, fault)
    pattern = pattern_of(engine, early)
    assert approve(fault, pattern["pattern_id"], {}).status_code == 200
    body = {"type": "INSERT", "table": "system_logs", "schema": "ops", "ids": [early]}
    assert functions.webhook(body).json()["applied"] == 0
    assert faulty_rows(database, fault) == 5


def test_what_the_laws_forbid_is_on_record(
    engine: Rest, functions: Functions, approve: Approve, fault: Fault, database: Sql
) -> None:
    """A storm of other errors blocks a fix: the answer, the event and the pattern say why."""
    pattern = approved(engine, approve, fault)
    storm = [{"message": f"storm {n}", "log_level": "error"} for n in range(150)]
    stormy = engine.insert("system_logs", storm)
    log_id = log_error(engine, fault, 2)
    pattern_of(engine, log_id)
    answer = functions.call(
        "apply", {"error_message": fault.message(2), "system_log_id": log_id}
    ).json()
    ids = ",".join(str(row["id"]) for row in stormy)
    engine.update("system_logs", {"log_level": "info"}, id=f"in.({ids})")

    assert answer["reason"] == "Constitutional validation failed"
    assert answer["constitutional_validation"]["system_entropy"] == 1.0
    assert applications(engine, log_id) == []
    forbidden = engine.select("error_patterns", pattern_id=f"eq.{pattern['pattern_id']}")[0]
    # Told once a minute: at the webhook's own try, a moment before.
    told, answered = forbidden["constitutional_violations"], answer["constitutional_validation"]
    assert told["system_entropy"] == answered["system_entropy"]
    assert [(law["law"], law["outcome"]) for law in told["laws"]] == [
        (law["law"], law["outcome"]) for law in answered["laws"]
    ]
    events = engine.select(
        "roman_events",
        event_type="eq.constitutional_violation",
        **{"metadata->>pattern_id": f"eq.{pattern['pattern_id']}"},
    )
    assert len(events) >= 1
    assert faulty_rows(database, fault) == 5
