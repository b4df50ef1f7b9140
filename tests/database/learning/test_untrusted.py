"""Errors of writers who do not count are kept, and no number that steers healing has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.database.healing.policy import POLICY, number
from tests.database.steering.steering import pattern

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import People, Person, Rest, Sql
    from tests.database.conftest import Patterns

    Change = Callable[[str, object], dict[str, Any]]

MANY = 120
"""Rows of one request of a user: more than the entropy's maximum of 100."""


def flood(
    person: Person, patterns: Patterns, change: Change, error: dict[str, Any], **columns: object
) -> list[dict[str, Any]]:
    """Have a user write many rows in one request, and the engine learn all of them."""
    change("user_rows_per_minute", 10_000)
    row = {"message": error["error_message"], "source": "tests", "log_level": "error"} | columns
    rows = person.rest.insert("system_logs", [row] * MANY)
    return patterns.learn(*({**error, "system_log_id": each["id"]} for each in rows))


def ago(database: Sql, hours: float) -> str:
    """A time so many hours ago, as a client sends it."""
    moment = database.value("select now() - make_interval(secs => %s)", hours * 3600)
    return str(moment.isoformat())


def test_they_are_counted_apart(
    people: People, patterns: Patterns, change_setting: Change, engine: Rest
) -> None:
    """Every row is learned once, for the same pattern, in a count of its own."""
    error = patterns.error()
    patterns.learn(error | {"system_log_id": patterns.log_row()})
    learned = flood(people.new(), patterns, change_setting, error)
    found = pattern(engine, learned[0]["pattern_id"])
    assert (found["occurrence_count"], found["untrusted_occurrences"]) == (1, MANY)
    again = patterns.learn(error | {"system_log_id": learned[0]["system_log_id"]})
    assert again[0]["action"] == "unchanged"
    assert pattern(engine, learned[0]["pattern_id"])["untrusted_occurrences"] == MANY


def test_they_stop_no_fix(people: People, patterns: Patterns, change_setting: Change) -> None:
    """As many errors as make the highest entropy make none, if a user wrote them."""
    pattern_id = patterns.new()
    patterns.approve(pattern_id)
    patterns.log_rows(2)
    before = number(patterns.claim(pattern_id), "recent_errors")
    flood(people.new(), patterns, change_setting, patterns.error())
    claim = patterns.claim(pattern_id)
    assert claim["application_id"] is not None
    assert number(claim, "recent_errors") <= before


def test_they_make_no_pattern_the_one_that_may_heal(
    people: People, patterns: Patterns, change_setting: Change
) -> None:
    """Nobody gives a pattern the share of the errors by which its fix may run in a storm."""
    error = patterns.error()
    log_id = patterns.log_row()
    pattern_id = patterns.learn(error | {"system_log_id": log_id})[0]["pattern_id"]
    patterns.approve(pattern_id)
    flood(people.new(), patterns, change_setting, error)
    claim = patterns.claim(pattern_id, log_id)
    assert number(claim, "recent_errors_of_pattern") == 1
    assert number(claim, "incidents_last_hour") == 1


def test_they_shorten_no_window(
    people: People,
    patterns: Patterns,
    change_setting: Change,
    database: Sql,
) -> None:
    """An error that comes each ten hours has to stay away for a day, whoever writes between."""
    error = patterns.error()
    for hours in (20, 10, 0):
        log_id = patterns.log_row(created_at=ago(database, hours))
        pattern_id = patterns.learn(error | {"system_log_id": log_id})[0]["pattern_id"]
    patterns.approve(pattern_id)
    flood(people.new(), patterns, change_setting, error)
    claim = patterns.claim(pattern_id, log_id)
    patterns.run(claim["application_id"])
    window = database.value(
        "select extract(epoch from due_at - started_at)::int from ops.pattern_verifications "
        "where application_id = %s",
        claim["application_id"],
    )
    assert window == POLICY["max_window_seconds"]


def test_they_reopen_nothing_and_overwrite_no_release(
    people: People,
    patterns: Patterns,
    change_setting: Change,
    operator: Person,
    engine: Rest,
    database: Sql,
) -> None:
    """A pattern that was resolved, ignored or archived stays so until an error counts."""
    person = people.new()
    for status in ("resolved", "ignored", "archived"):
        error = patterns.error()
        log_id = patterns.log_row(release="2.0", environment="production")
        pattern_id = patterns.learn(error | {"system_log_id": log_id})[0]["pattern_id"]
        if status == "resolved":
            operator.rest.call("resolve_pattern_v1", p_pattern_id=pattern_id)
        elif status == "ignored":
            operator.rest.call("ignore_pattern_v1", p_pattern_id=pattern_id, p_occurrences=5)
        else:
            database.run(
                "update ops.error_patterns set status = 'archived' where pattern_id = %s",
                pattern_id,
            )
        before = pattern(engine, pattern_id)
        flood(person, patterns, change_setting, error, release="9.9", environment="theirs")
        after = pattern(engine, pattern_id)
        assert after == before | {
            "untrusted_occurrences": MANY,
            "updated_at": after["updated_at"],
        }
        patterns.learn(*[error | {"system_log_id": each} for each in patterns.log_rows(5)])
        assert pattern(engine, pattern_id)["status"] == "open", status


def test_they_fill_no_list_and_no_figure(
    people: People, patterns: Patterns, change_setting: Change, viewer: Person
) -> None:
    """A pattern that only users wrote awaits no approval and is in a figure of its own."""
    before = viewer.rest.call("statistics_v1")
    learned = flood(people.new(), patterns, change_setting, patterns.error())
    after = viewer.rest.call("statistics_v1")
    waiting = {each["pattern_id"] for each in after["awaiting_approval"]}
    assert learned[0]["pattern_id"] not in waiting
    same = ("total_patterns", "patterns_by_type", "avg_success_rate")
    assert [after[name] for name in same] == [before[name] for name in same]
    assert after["untrusted"] == {
        "patterns": before["untrusted"]["patterns"] + 1,
        "occurrences": before["untrusted"]["occurrences"] + MANY,
    }
    patterns_clustered = viewer.rest.select(
        "error_patterns", pattern_id=f"eq.{learned[0]['pattern_id']}", occurrence_count="gte.3"
    )
    assert patterns_clustered == []


def test_the_first_error_that_counts_says_where_and_when(
    people: People, patterns: Patterns, change_setting: Change, engine: Rest, database: Sql
) -> None:
    """Until then a pattern shows what others wrote; afterwards nothing of it."""
    error = patterns.error()
    theirs = error | {"severity": "critical", "error_source": "theirs"}
    learned = flood(
        people.new(), patterns, change_setting, theirs, release="9.9", created_at=ago(database, 48)
    )
    pattern_id = learned[0]["pattern_id"]
    shown = pattern(engine, pattern_id)
    assert (shown["first_release"], shown["last_release"]) == ("9.9", "9.9")
    assert shown["learned_from_incidents"]
    log_id = patterns.log_row(created_at=ago(database, 1))
    patterns.learn(error | {"system_log_id": log_id})
    shown = pattern(engine, pattern_id)
    assert (shown["first_release"], shown["last_release"]) == (None, None)
    assert shown["first_seen"] == shown["last_seen"]
    assert shown["learned_from_incidents"] == [log_id]
    assert (shown["severity"], shown["error_source"]) == ("error", "tests")


def test_a_guard_is_made_of_what_trusted_rows_named(
    people: People, patterns: Patterns, change_setting: Change
) -> None:
    """However many rows name another table, a fix is not approved for that table."""
    change_setting("user_rows_per_minute", 10_000)
    error = patterns.error()
    log_id = patterns.log_row()
    own = error | {"system_log_id": log_id, "identifiers": {"table": "orders"}}
    pattern_id = patterns.learn(own)[0]["pattern_id"]
    person = people.new()
    for _ in range(2):
        rows = person.rest.insert("system_logs", [{"message": "x"}] * 600)
        theirs = [
            error | {"system_log_id": row["id"], "identifiers": {"table": "payroll"}}
            for row in rows
        ]
        patterns.learn(*theirs)
    patterns.approve(pattern_id)
    assert patterns.fix(pattern_id)["guard"] == [{"table": "orders"}]


def test_they_hide_no_error_from_a_replay(
    people: People, patterns: Patterns, change_setting: Change, engine: Rest
) -> None:
    """A preview shows what a fix would have done for the errors that count."""
    error = patterns.error()
    own = patterns.log_rows(3)
    learned = patterns.learn(*[error | {"system_log_id": log_id} for log_id in own])
    flood(people.new(), patterns, change_setting, error)
    replayed = engine.call(
        "incidents_for_replay_v1",
        p_pattern_id=learned[0]["pattern_id"],
        p_guard=None,
        p_limit=5,
        p_policy=POLICY,
    )
    assert len(replayed) == 5
    assert set(own) < {row["id"] for row in replayed}


def test_a_person_who_reports_without_a_row_does_not_count(
    people: People, patterns: Patterns, engine: Rest
) -> None:
    """What a person sends to /learn counts for nothing; what the engine sends does."""
    error = patterns.error()
    (learned,) = patterns.learn(error | {"claimed_by": people.new().id})
    patterns.learn(error)
    found = pattern(engine, learned["pattern_id"])
    assert (found["occurrence_count"], found["untrusted_occurrences"]) == (1, 1)


def test_a_setting_admits_what_users_write(
    people: People, patterns: Patterns, change_setting: Change, engine: Rest, viewer: Person
) -> None:
    """With authenticated among the counted writers a browser's errors are ranked as others are."""
    change_setting("counted_writers", ["authenticated"])
    learned = flood(people.new(), patterns, change_setting, patterns.error())
    found = pattern(engine, learned[0]["pattern_id"])
    assert (found["occurrence_count"], found["untrusted_occurrences"]) == (MANY, 0)
    waiting = viewer.rest.call("statistics_v1")["awaiting_approval"]
    assert learned[0]["pattern_id"] in {each["pattern_id"] for each in waiting}
