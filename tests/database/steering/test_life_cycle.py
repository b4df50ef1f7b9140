"""Open, resolved, ignored, archived: what people decide, and what happens when it is seen again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from tests.database.steering.steering import events, pattern, refused

if TYPE_CHECKING:
    from tests.conftest import Person, Rest, Sql
    from tests.database.conftest import Patterns

FAR = "2100-01-01T00:00:00+00:00"


@pytest.fixture
def error(patterns: Patterns) -> dict[str, Any]:
    """An error that was learned once; `pattern_id` is its pattern's."""
    error = patterns.error()
    return error | {"pattern_id": patterns.learn(error)[0]["pattern_id"]}


def learn(patterns: Patterns, error: dict[str, Any], **row: object) -> None:
    """Learn the error once more, from a log row of its own."""
    sent = {key: value for key, value in error.items() if key != "pattern_id"}
    patterns.learn(sent | {"system_log_id": patterns.log_row(**row)})


def test_a_resolved_pattern_that_comes_back_is_a_regression(
    engine: Rest, patterns: Patterns, operator: Person, error: dict[str, Any]
) -> None:
    """It is open again, and an event warns with the release and the environment."""
    resolved = operator.rest.call(
        "resolve_pattern_v1", p_pattern_id=error["pattern_id"], p_release="1.4", p_reason="mended"
    )
    assert (resolved["status"], resolved["resolved_by"]) == ("resolved", operator.id)
    assert resolved["resolved_release"] == "1.4"
    learn(patterns, error, release="1.5", environment="production")
    assert pattern(engine, error["pattern_id"])["status"] == "open"
    (event,) = events(engine, "pattern_regressed", pattern_id=error["pattern_id"])
    assert (event["severity"], event["actor"]) == ("warning", None)
    told = event["metadata"]
    assert (told["release"], told["environment"]) == ("1.5", "production")
    assert told["resolved_release"] == "1.4"


@pytest.mark.parametrize(
    ("resolved", "seen", "status"),
    [
        ("1.10.0", "1.9.3", "resolved"),
        ("1.10.0", "1.10.0", "open"),
        ("1.10.0", "v1.10.1", "open"),
        ("1.10", "1.10.0-rc.2", "resolved"),
        ("2.0.0-rc.10", "2.0.0-rc.9", "resolved"),
        ("2.0.0-rc.1", "2.0.0-rc.1.1", "open"),
        ("shop@2.1.0", "shop@2.0.0", "resolved"),
        ("shop@2.1.0", "api@1.0.0", "open"),
        ("2.0.0", None, "open"),
        ("9fceb02", "e83c516", "open"),
    ],
)
def test_an_error_of_an_earlier_release_is_no_regression(
    engine: Rest,
    patterns: Patterns,
    operator: Person,
    error: dict[str, Any],
    resolved: str,
    seen: str | None,
    status: str,
) -> None:
    """Instances of it still run while the release that mended the error is being deployed."""
    pattern_id = error["pattern_id"]
    operator.rest.call("resolve_pattern_v1", p_pattern_id=pattern_id, p_release=resolved)
    learn(patterns, error, release=seen)
    assert pattern(engine, pattern_id)["status"] == status


def test_a_release_that_was_seen_before_is_an_earlier_one(
    engine: Rest, patterns: Patterns, operator: Person, error: dict[str, Any]
) -> None:
    """The hash of a commit tells no order; that the error occurred in it before does."""
    pattern_id = error["pattern_id"]
    learn(patterns, error, release="9fceb02")
    operator.rest.call("resolve_pattern_v1", p_pattern_id=pattern_id, p_release="e83c516")
    learn(patterns, error, release="9fceb02")
    assert pattern(engine, pattern_id)["status"] == "resolved"
    learn(patterns, error, release="e83c516")
    assert pattern(engine, pattern_id)["status"] == "open"


def test_a_regression_is_told_once(
    engine: Rest, patterns: Patterns, operator: Person, error: dict[str, Any]
) -> None:
    """More errors of an open pattern are no news; resolved once more, the next one is."""
    for _ in range(2):
        operator.rest.call("resolve_pattern_v1", p_pattern_id=error["pattern_id"])
        learn(patterns, error)
        learn(patterns, error)
    assert len(events(engine, "pattern_regressed", pattern_id=error["pattern_id"])) == 2


def test_a_late_delivery_is_no_regression(
    engine: Rest, patterns: Patterns, operator: Person, error: dict[str, Any]
) -> None:
    """An error that happened before the pattern was resolved counts, and wakes nobody."""
    operator.rest.call("resolve_pattern_v1", p_pattern_id=error["pattern_id"])
    learn(patterns, error, created_at="2020-01-01T00:00:00Z")
    row = pattern(engine, error["pattern_id"])
    assert (row["status"], row["occurrence_count"]) == ("resolved", 2)
    assert events(engine, "pattern_regressed", pattern_id=error["pattern_id"]) == []


def test_a_pattern_is_ignored_for_a_number_of_errors(
    engine: Rest, patterns: Patterns, operator: Person, error: dict[str, Any]
) -> None:
    """Two more are ignored as two, the second opens it; an event says why."""
    ignored = operator.rest.call(
        "ignore_pattern_v1", p_pattern_id=error["pattern_id"], p_occurrences=2
    )
    assert (ignored["status"], ignored["ignored_until_count"]) == ("ignored", 3)
    learn(patterns, error)
    assert pattern(engine, error["pattern_id"])["status"] == "ignored"
    learn(patterns, error)
    row = pattern(engine, error["pattern_id"])
    assert (row["status"], row["ignored_until_count"]) == ("open", None)
    (event,) = events(engine, "pattern_reopened", pattern_id=error["pattern_id"])
    assert (event["actor"], event["metadata"]["ignored_until_count"]) == (None, 3)


def test_a_pattern_is_ignored_until_a_time(
    engine: Rest, database: Sql, patterns: Patterns, operator: Person, error: dict[str, Any]
) -> None:
    """Seen before, it stays ignored; seen after, it is open."""
    operator.rest.call("ignore_pattern_v1", p_pattern_id=error["pattern_id"], p_until=FAR)
    learn(patterns, error)
    assert pattern(engine, error["pattern_id"])["status"] == "ignored"
    database.run(
        "update ops.error_patterns set ignored_until = now() - interval '1 second' "
        "where pattern_id = %s",
        error["pattern_id"],
    )
    learn(patterns, error)
    assert pattern(engine, error["pattern_id"])["status"] == "open"


def test_a_pattern_is_ignored_for_good(
    engine: Rest, patterns: Patterns, operator: Person, error: dict[str, Any]
) -> None:
    """Without a time and a count nothing but a person opens it."""
    operator.rest.call("ignore_pattern_v1", p_pattern_id=error["pattern_id"])
    for _ in range(3):
        learn(patterns, error)
    assert pattern(engine, error["pattern_id"])["status"] == "ignored"
    opened = operator.rest.call("reopen_pattern_v1", p_pattern_id=error["pattern_id"])
    assert opened["status"] == "open"


@pytest.mark.parametrize("status", ["resolved", "ignored", "archived"])
def test_only_open_patterns_await_approval(
    database: Sql, patterns: Patterns, viewer: Person, status: str
) -> None:
    """What is resolved, ignored or archived is not put before an administrator."""
    pattern_id = patterns.new(occurrences=200)

    def waiting() -> bool:
        listed = viewer.rest.call("statistics_v1")["awaiting_approval"]
        return pattern_id in {row["pattern_id"] for row in listed}

    assert waiting()
    database.run(
        "update ops.error_patterns set status = %s where pattern_id = %s", status, pattern_id
    )
    assert not waiting()


def test_merged_patterns_are_not_counted(
    engine: Rest, patterns: Patterns, viewer: Person, operator: Person
) -> None:
    """Statistics and clustering know the kept pattern alone."""
    ids = [patterns.new(occurrences=3) for _ in range(2)]
    before = viewer.rest.call("statistics_v1")["total_patterns"]
    operator.rest.call("merge_patterns_v1", p_pattern_ids=ids)
    assert viewer.rest.call("statistics_v1")["total_patterns"] == before - 1
    clustered = engine.call("start_clustering_v1")["patterns"]
    assert {row["pattern_id"] for row in clustered} & set(ids) == {ids[0]}


def test_an_archived_pattern_that_is_seen_is_open(
    engine: Rest, database: Sql, patterns: Patterns, error: dict[str, Any]
) -> None:
    """It is no regression: nobody had said that it was mended."""
    database.run(
        "update ops.error_patterns set status = 'archived' where pattern_id = %s",
        error["pattern_id"],
    )
    learn(patterns, error)
    assert pattern(engine, error["pattern_id"])["status"] == "open"
    assert events(engine, "pattern_regressed", pattern_id=error["pattern_id"]) == []


def test_only_open_patterns_are_archived(
    engine: Rest, database: Sql, operator: Person, error: dict[str, Any]
) -> None:
    """A resolved pattern stays resolved however long it is silent: else it could not regress."""
    operator.rest.call("resolve_pattern_v1", p_pattern_id=error["pattern_id"])
    database.run(
        "update ops.error_patterns set last_seen = now() - interval '1 year' where pattern_id = %s",
        error["pattern_id"],
    )
    database.value("select ops_internal.archive_patterns()")
    assert pattern(engine, error["pattern_id"])["status"] == "resolved"


def test_decisions_are_in_the_journal(
    engine: Rest, operator: Person, error: dict[str, Any]
) -> None:
    """Each with the person and the reason; the same decision twice is one, if it changes nothing."""
    target = {"p_pattern_id": error["pattern_id"], "p_reason": "because"}
    for _ in range(2):
        operator.rest.call("resolve_pattern_v1", **target)
    operator.rest.call("ignore_pattern_v1", **target)
    for _ in range(2):
        operator.rest.call("reopen_pattern_v1", **target)
    for kind in ("pattern_resolved", "pattern_ignored", "pattern_reopened"):
        (event,) = events(engine, kind, pattern_id=error["pattern_id"])
        assert (event["actor"], event["metadata"]["reason"]) == (operator.id, "because")


def test_a_time_that_has_passed_is_refused(operator: Person, error: dict[str, Any]) -> None:
    """PL022 for a past time, and for a number of errors below one."""
    past = (datetime.now(UTC) - timedelta(minutes=1)).isoformat()
    for wrong in ({"p_until": past}, {"p_occurrences": 0}):
        arguments = {"p_pattern_id": error["pattern_id"]} | wrong
        refused("PL022", partial(operator.rest.call, "ignore_pattern_v1", **arguments))


@pytest.mark.parametrize("function", ["resolve", "ignore", "reopen"])
def test_who_decides(
    engine: Rest, user: Person, viewer: Person, error: dict[str, Any], function: str
) -> None:
    """PL001 below ops_operator, PL011 for the secret key, PL002 for an unknown pattern."""
    target = {"p_pattern_id": error["pattern_id"]}
    for who, code in ((user.rest, "PL001"), (viewer.rest, "PL001"), (engine, "PL011")):
        refused(code, partial(who.call, f"{function}_pattern_v1", **target))


def test_a_merge_of_later_errors_into_a_resolved_pattern_is_a_regression(
    engine: Rest, patterns: Patterns, operator: Person
) -> None:
    """It is open, with the event; earlier errors leave it resolved."""
    resolved_id, early = patterns.new(), patterns.new()
    operator.rest.call("resolve_pattern_v1", p_pattern_id=resolved_id)
    operator.rest.call("merge_patterns_v1", p_pattern_ids=[resolved_id, early])
    assert pattern(engine, resolved_id)["status"] == "resolved"
    late = patterns.new()
    operator.rest.call("merge_patterns_v1", p_pattern_ids=[resolved_id, late])
    assert pattern(engine, resolved_id)["status"] == "open"
    assert len(events(engine, "pattern_regressed", pattern_id=resolved_id)) == 1


def test_ignoring_outlives_a_merge(engine: Rest, patterns: Patterns, operator: Person) -> None:
    """What a merge brings does not use up the errors that are still to be ignored."""
    error = patterns.error()
    pattern_id = patterns.learn(error)[0]["pattern_id"]
    operator.rest.call("ignore_pattern_v1", p_pattern_id=pattern_id, p_occurrences=2)
    other = patterns.new(occurrences=10)
    operator.rest.call("merge_patterns_v1", p_pattern_ids=[pattern_id, other])
    patterns.learn(error)
    assert pattern(engine, pattern_id)["status"] == "ignored"
    patterns.learn(error)
    assert pattern(engine, pattern_id)["status"] == "open"


def test_release_and_environment_of_first_and_last_are_kept(
    engine: Rest, patterns: Patterns
) -> None:
    """Also through a merge, in the order in which the errors happened."""
    row = {"release": "2", "environment": "staging", "created_at": "2024-02-01T00:00:00Z"}
    error = patterns.error(system_log_id=patterns.log_row(**row))
    pattern_id = patterns.learn(error)[0]["pattern_id"]
    learn(patterns, error, release="1", environment="dev", created_at="2024-01-01T00:00:00Z")
    learn(patterns, error, release="3", environment="prod", created_at="2024-03-01T00:00:00Z")
    found = pattern(engine, pattern_id)
    assert (found["first_release"], found["first_environment"]) == ("1", "dev")
    assert (found["last_release"], found["last_environment"]) == ("3", "prod")
