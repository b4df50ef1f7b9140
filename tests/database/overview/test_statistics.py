"""The key figures, the view behind them, and the journal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.conftest import RefusedError, Sql

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Person, Rest
    from tests.database.conftest import Patterns
    from tests.database.healing.outcomes import Outcomes

TYPES = ("database", "api", "rls", "stripe", "deployment")
KEYS = {
    "total_patterns",
    "enabled_patterns",
    "approved_patterns",
    "avg_success_rate",
    "total_applications",
    "patterns_by_type",
    "top_patterns",
    "awaiting_approval",
    "untrusted",
    "unlearnable",
    "as_of",
}


@pytest.fixture
def empty(admin: Sql) -> Iterator[Sql]:
    """The superuser in a transaction that sees an engine without patterns; rolled back."""
    with admin.undone():
        admin.run("set local session_replication_role = replica")
        for table in ("pattern_applications", "pattern_fixes", "error_patterns"):
            admin.run(f"delete from ops.{table}")
        admin.run("set local session_replication_role = origin")
        yield admin


def _add(sql: Sql, name: str, **columns: Any) -> str:
    row = {
        "pattern_signature": name,
        "pattern_type": "api",
        "error_message_pattern": name,
        "severity": "error",
        "metadata": "{}",
    } | columns
    names = ", ".join(row)
    places = ", ".join(["%s"] * len(row))
    statement = f"insert into ops.error_patterns ({names}) values ({places}) returning pattern_id"
    return str(sql.value(statement, *row.values()))


def _enabled(success_rate: float, occurrences: int) -> dict[str, Any]:
    return {
        "auto_fix_enabled": True,
        "has_running_fix": True,
        "human_approved": True,
        "auto_fix_script": "select 1",
        "auto_fix_type": "sql",
        "approved_at": "2026-01-01",
        "success_rate": success_rate,
        "occurrence_count": occurrences,
    }


def _statistics(sql: Sql) -> dict[str, Any]:
    sql.run("set local role service_role")
    statistics: dict[str, Any] = sql.call("statistics_v1")
    sql.run("reset role")
    return statistics


def test_statistics_of_nothing_have_every_key(empty: Sql) -> None:
    """Without patterns all numbers are 0, all lists empty, and all five types are named."""
    statistics = _statistics(empty)
    assert set(statistics) == KEYS
    assert statistics.pop("as_of")
    assert statistics == {
        "total_patterns": 0,
        "enabled_patterns": 0,
        "approved_patterns": 0,
        "avg_success_rate": 0,
        "total_applications": 0,
        "patterns_by_type": dict.fromkeys(TYPES, 0),
        "top_patterns": [],
        "awaiting_approval": [],
        "untrusted": {"patterns": 0, "occurrences": 0},
        "unlearnable": {"total": 0, "latest": []},
    }


def test_statistics_count_what_is_there(empty: Sql) -> None:
    """Totals, averages and types follow a known set of patterns and applications."""
    for place, type_ in enumerate(TYPES):
        for number in range(place + 1):
            _add(empty, f"{type_}-{number}", pattern_type=type_)
    enabled = _add(empty, "enabled", **_enabled(50, 1))
    _add(empty, "approved once", human_approved=True, success_rate=30)
    for success in (True, False, True):
        empty.run(
            "insert into ops.pattern_applications (pattern_id, success) values (%s, %s)",
            enabled,
            success,
        )
    statistics = _statistics(empty)
    assert statistics["total_patterns"] == 17
    assert statistics["enabled_patterns"] == 1
    assert statistics["approved_patterns"] == 2
    assert statistics["avg_success_rate"] == 4.71
    assert statistics["total_applications"] == 3
    assert statistics["patterns_by_type"] == {
        "database": 1,
        "api": 4,
        "rls": 3,
        "stripe": 4,
        "deployment": 5,
    }


def test_the_best_fixes_lead(empty: Sql) -> None:
    """top_patterns has the ten enabled patterns with the highest success, the frequent first."""
    for place in range(12):
        _add(empty, f"{place:02}", **_enabled(50 + place // 2, place))
    _add(empty, "silent", success_rate=100)
    top = _statistics(empty)["top_patterns"]
    assert [row["pattern_signature"] for row in top] == [f"{n:02}" for n in range(11, 1, -1)]
    assert set(top[0]) == {
        "pattern_id",
        "pattern_signature",
        "pattern_type",
        "severity",
        "error_source",
        "template",
        "occurrence_count",
        "success_rate",
        "confidence_score",
        "auto_fix_enabled",
    }


def test_patterns_seen_five_times_await_approval(empty: Sql) -> None:
    """Open patterns without a live fix, seen at least five times, wait, the frequent first."""
    _add(empty, "rare", occurrence_count=4)
    _add(empty, "five", occurrence_count=5, metadata='{"template": "a template"}')
    _add(empty, "seven", occurrence_count=7)
    _add(empty, "archived", occurrence_count=9, status="archived")
    _add(empty, "healed", **_enabled(50, 9))
    waiting = _statistics(empty)["awaiting_approval"]
    assert [row["pattern_signature"] for row in waiting] == ["seven", "five"]
    assert waiting[1]["template"] == "a template"


@pytest.mark.parametrize("is_disabled", [False, True], ids=["demoted", "disabled"])
def test_what_became_of_the_last_fix_is_said(
    patterns: Patterns, database: Sql, engine: Rest, *, is_disabled: bool
) -> None:
    """Whoever looks for work sees that there was a fix, and why it does not run."""
    pattern_id = patterns.new()
    patterns.approve(pattern_id)
    database.run(
        "update ops.error_patterns set occurrence_count = 100000 where pattern_id = %s", pattern_id
    )
    reason = "it made things worse"
    if is_disabled:
        patterns.disable(pattern_id, reason)
    else:
        database.run(
            "select ops_internal.demote(fixes, null, %s) from ops.pattern_fixes as fixes "
            "where pattern_id = %s",
            reason,
            pattern_id,
        )
    (waiting,) = (
        each
        for each in engine.call("statistics_v1")["awaiting_approval"]
        if each["pattern_id"] == pattern_id
    )
    state = "disabled" if is_disabled else "demoted"
    assert waiting["last_fix"] == {"version": 1, "state": state, "reason": reason}


@pytest.mark.parametrize("who", ["viewer", "operator", "administrator", "engine"])
def test_operators_and_the_engine_read_statistics(
    request: pytest.FixtureRequest, engine: Rest, who: str
) -> None:
    """Any operator and the engine read the figures and the figures per pattern."""
    assert engine
    caller = request.getfixturevalue(who)
    rest: Rest = getattr(caller, "rest", caller)
    assert set(rest.call("statistics_v1")) == KEYS
    assert isinstance(rest.call("pattern_stats_v1"), list)


def test_users_read_no_statistics(user: Person) -> None:
    """PL001: a signed-up user reads neither."""
    for name in ("statistics_v1", "pattern_stats_v1"):
        with pytest.raises(RefusedError) as refused:
            user.rest.call(name)
        assert refused.value.code == "PL001"


def test_the_view_is_as_of_its_last_refresh(
    database: Sql, patterns: Patterns, outcomes: Outcomes, viewer: Person
) -> None:
    """pattern_stats counts applications per pattern, and only a refresh shows new ones."""
    pattern_id = patterns.new()
    patterns.approve(pattern_id)
    outcomes.settle(pattern_id, "+")

    def shown() -> list[dict[str, Any]]:
        # Not all of them: the interface answers a thousand rows at most.
        return viewer.rest.select("rpc/pattern_stats_v1", pattern_id=f"eq.{pattern_id}")

    assert shown() == []
    database.run("select ops_internal.refresh_pattern_stats()")
    row = shown()[0]
    assert row["total_applications"] == 1
    assert row["success_rate"] == 100
    assert row["avg_execution_time"] >= 0


def test_refreshing_blocks_no_reader(database: Sql, admin: Sql) -> None:
    """The view is refreshed while a transaction that has read it is still open."""
    with admin.undone():
        admin.rows("select * from ops.pattern_stats limit 1")
        database.run("set lock_timeout = '1s'")
        database.run("select ops_internal.refresh_pattern_stats()")


def test_events_are_recorded(engine: Rest) -> None:
    """record_event_v1 appends an event and answers its id; the database says when."""
    event_id = engine.call(
        "record_event_v1",
        p_event_type="fix_refused",
        p_severity="warning",
        p_description="The script was changed",
        p_metadata={"version": 2},
        p_validation={"compliant": False},
    )
    event = engine.select("roman_events", event_id=f"eq.{event_id}")[0]
    assert event["event_type"] == "fix_refused"
    assert event["metadata"] == {"version": 2, "reported_by": "engine"}
    assert event["constitutional_validation"] == {"compliant": False}
    assert event["actor"] is None
    assert event["created_at"]


@pytest.mark.parametrize("column", ["actor", "created_at", "event_id"])
def test_nobody_writes_an_event_in_anothers_name(
    engine: Rest, administrator: Person, column: str
) -> None:
    """With the secret key an event can be given no person, no time and no id."""
    values = {"actor": administrator.id, "created_at": "2020-01-01", "event_id": administrator.id}
    with pytest.raises(RefusedError) as refused:
        engine.insert("roman_events", {"event_type": "pattern_approved", column: values[column]})
    assert refused.value.code == "42501"
