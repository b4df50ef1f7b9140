"""Learning counts each error once, in any order, however often it is delivered."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from tests.conftest import RefusedError

if TYPE_CHECKING:
    from tests.conftest import People, Person, Rest, Sql
    from tests.database.conftest import Patterns


def _pattern(engine: Rest, pattern_id: str) -> dict[str, Any]:
    return engine.select("error_patterns", pattern_id=f"eq.{pattern_id}")[0]


def test_a_new_signature_makes_a_pattern(engine: Rest, patterns: Patterns) -> None:
    """The first error makes a pattern with confidence 0.50, one occurrence and no fix."""
    error = patterns.error()
    log_id = patterns.log_row()
    learned = patterns.learn(error | {"system_log_id": log_id})
    assert learned == [
        {
            "pattern_id": learned[0]["pattern_id"],
            "pattern_signature": error["signature"],
            "pattern_type": "database",
            "occurrence_count": 1,
            "confidence_score": 0.5,
            "auto_fix_enabled": False,
            "has_fix": False,
            "action": "created",
            "system_log_id": log_id,
        }
    ]
    pattern = _pattern(engine, learned[0]["pattern_id"])
    assert pattern["error_message_pattern"] == error["error_message_pattern"]
    assert pattern["metadata"] == {"template": error["template"], "features": {"has_sql": True}}
    assert pattern["learned_from_incidents"] == [log_id]
    assert pattern["success_rate"] == 0
    key = engine.select("pattern_signatures", signature=f"eq.{error['signature']}")[0]
    assert key["pattern_id"] == pattern["pattern_id"]
    assert key["algorithm"] == "grouping/v1"


def test_a_new_pattern_is_told_once(engine: Rest, patterns: Patterns) -> None:
    """The event pattern_learned is written when a pattern is made, not when it is counted."""
    error = patterns.error()
    pattern_id = patterns.learn(error)[0]["pattern_id"]
    patterns.learn(error)
    events = engine.select("roman_events", **{"metadata->>pattern_id": f"eq.{pattern_id}"})
    assert [event["event_type"] for event in events] == ["pattern_learned"]
    assert events[0]["metadata"]["pattern_signature"] == error["signature"]


def test_a_known_signature_is_counted(engine: Rest, patterns: Patterns) -> None:
    """The second error updates the pattern; its type and severity stay those of the first."""
    error = patterns.error()
    patterns.learn(error)
    again = patterns.learn(error | {"severity": "critical", "pattern_type": "api"})[0]
    assert (again["action"], again["occurrence_count"]) == ("updated", 2)
    assert _pattern(engine, again["pattern_id"])["severity"] == "error"
    assert again["pattern_type"] == "database"


def test_a_log_row_counts_once(patterns: Patterns) -> None:
    """The same log row delivered again changes nothing and says so."""
    error = patterns.error(system_log_id=patterns.log_row())
    actions = [patterns.learn(error)[0] for _ in range(3)]
    assert [(a["action"], a["occurrence_count"]) for a in actions] == [
        ("created", 1),
        ("unchanged", 1),
        ("unchanged", 1),
    ]


def test_a_log_row_counts_once_under_any_signature(engine: Rest, patterns: Patterns) -> None:
    """A counted row that comes under a new signature leads to its first pattern, and makes none."""
    log_id = patterns.log_row()
    first = patterns.learn(patterns.error(system_log_id=log_id))[0]
    other = patterns.error(system_log_id=log_id)
    again = patterns.learn(other)[0]
    assert again["pattern_id"] == first["pattern_id"]
    assert again["action"] == "unchanged"
    assert engine.select("pattern_signatures", signature=f"eq.{other['signature']}") == []


def test_a_log_row_twice_in_a_batch_counts_once(engine: Rest, patterns: Patterns) -> None:
    """Of a row that a batch names twice the first place counts, and no pattern stays empty."""
    log_id = patterns.log_row()
    first, second = (patterns.error(system_log_id=log_id) for _ in range(2))
    learned = patterns.learn(first, first, second)
    assert [row["action"] for row in learned] == ["created", "unchanged", "unchanged"]
    assert {row["pattern_signature"] for row in learned} == {first["signature"]}
    signature = f"eq.{second['signature']}"
    assert engine.select("error_patterns", pattern_signature=signature) == []
    assert engine.select("pattern_signatures", signature=signature) == []


def test_answers_come_in_the_order_of_the_errors(patterns: Patterns) -> None:
    """Each error has its answer at its own place; one of each new pattern is the maker."""
    one, two = patterns.error(), patterns.error()
    learned = patterns.learn(two, one, two, one, two)
    assert [row["pattern_signature"] for row in learned] == [
        error["signature"] for error in (two, one, two, one, two)
    ]
    assert [row["action"] for row in learned] == ["created", "created"] + ["updated"] * 3
    assert [row["occurrence_count"] for row in learned] == [3, 2, 3, 2, 3]


def test_nothing_to_learn_is_no_error(patterns: Patterns) -> None:
    """An empty batch answers an empty list."""
    assert patterns.learn() == []


def test_an_alias_counts_for_its_pattern(engine: Rest, database: Sql, patterns: Patterns) -> None:
    """A second signature that points to a pattern counts there and makes none of its own."""
    first = patterns.error()
    pattern_id = patterns.learn(first)[0]["pattern_id"]
    alias = patterns.error()
    database.run(
        "insert into ops.pattern_signatures (signature, pattern_id, algorithm, template)"
        " values (%s, %s, 'grouping/v2', %s)",
        alias["signature"],
        pattern_id,
        alias["template"],
    )
    learned = patterns.learn(alias)[0]
    assert (learned["pattern_id"], learned["occurrence_count"]) == (pattern_id, 2)
    assert learned["pattern_signature"] == first["signature"]
    assert engine.select("error_patterns", pattern_signature=f"eq.{alias['signature']}") == []


def test_an_unknown_log_row_is_refused(engine: Rest, patterns: Patterns) -> None:
    """PL004: nothing of a batch that names a row which is not there is learned."""
    good, bad = patterns.error(), patterns.error(system_log_id=2**50)
    with pytest.raises(RefusedError) as refused:
        patterns.learn(good, bad)
    assert refused.value.code == "PL004"
    assert str(2**50) in refused.value.words
    assert engine.select("pattern_signatures", signature=f"eq.{good['signature']}") == []


def test_a_person_claims_only_his_own_row(people: People, patterns: Patterns) -> None:
    """PL005: a user's word counts for a row that he wrote, with exactly its message."""
    author, other = people.new(), people.new()
    row = author.rest.insert("system_logs", {"message": "it broke"})[0]
    claim = patterns.error(system_log_id=row["id"], error_message="it broke")
    wrong: list[dict[str, Any]] = [
        {"claimed_by": other.id},
        {"claimed_by": author.id, "error_message": "it broke "},
        {"claimed_by": author.id, "error_message": None},
    ]
    for change in wrong:
        with pytest.raises(RefusedError) as refused:
            patterns.learn(claim | change)
        assert refused.value.code == "PL005"
    assert patterns.learn(claim | {"claimed_by": author.id})[0]["action"] == "created"


def test_a_row_of_the_engine_is_nobodys_to_claim(user: Person, patterns: Patterns) -> None:
    """PL005: a row without a user belongs to no caller."""
    log_id = patterns.log_row(message="it broke")
    error = patterns.error(system_log_id=log_id, error_message="it broke", claimed_by=user.id)
    with pytest.raises(RefusedError) as refused:
        patterns.learn(error)
    assert refused.value.code == "PL005"


def test_times_are_those_of_the_errors(engine: Rest, patterns: Patterns) -> None:
    """first_seen and last_seen are the earliest and latest errors, in whatever order they come."""
    now = datetime.now(UTC).replace(microsecond=0)
    times = [now - timedelta(days=days) for days in (20, 40, 10, 30)]
    logs = [patterns.log_row(created_at=time.isoformat()) for time in times]
    error = patterns.error()
    for log_id in logs:
        pattern_id = patterns.learn(error | {"system_log_id": log_id})[0]["pattern_id"]
    pattern = _pattern(engine, pattern_id)
    assert datetime.fromisoformat(pattern["first_seen"]) == min(times)
    assert datetime.fromisoformat(pattern["last_seen"]) == max(times)


def test_the_latest_twenty_incidents_are_kept_in_the_pattern(
    engine: Rest, patterns: Patterns
) -> None:
    """learned_from_incidents has the latest 20 rows, latest first; the table has them all."""
    logs = patterns.log_rows(50)
    error = patterns.error()
    patterns.learn(*(error | {"system_log_id": log_id} for log_id in logs[:30]))
    learned = patterns.learn(*(error | {"system_log_id": log_id} for log_id in logs[30:45]))
    pattern_id = learned[0]["pattern_id"]
    patterns.learn(error)
    assert _pattern(engine, pattern_id)["learned_from_incidents"] == logs[44:24:-1]
    incidents = engine.select("pattern_incidents", pattern_id=f"eq.{pattern_id}")
    assert sorted(row["system_log_id"] or 0 for row in incidents) == [0, *logs[:45]]


def test_an_archived_pattern_that_is_seen_again_is_open(
    engine: Rest, database: Sql, patterns: Patterns
) -> None:
    """Learning reopens a pattern, with its history."""
    error = patterns.error()
    pattern_id = patterns.learn(error)[0]["pattern_id"]
    database.change("error_patterns", {"status": "archived"}, pattern_id=pattern_id)
    assert patterns.learn(error)[0]["occurrence_count"] == 2
    assert _pattern(engine, pattern_id)["status"] == "open"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"pattern_type": "weather"}, "23514"),
        ({"severity": "fatal"}, "23514"),
        ({"error_message_pattern": None}, "23502"),
        ({"template": "a\0b"}, "22P05"),
    ],
)
def test_a_batch_that_fails_leaves_nothing(
    engine: Rest, patterns: Patterns, change: dict[str, Any], code: str
) -> None:
    """One error that the database refuses undoes the whole batch, events and counters included."""
    known = patterns.error()
    patterns.learn(known)
    new, bad = patterns.error(), patterns.error() | change
    with pytest.raises(RefusedError) as refused:
        patterns.learn(known, new, bad)
    assert refused.value.code == code
    assert engine.select("error_patterns", pattern_signature=f"eq.{new['signature']}") == []
    pattern = engine.select("error_patterns", pattern_signature=f"eq.{known['signature']}")[0]
    assert pattern["occurrence_count"] == 1


def test_ten_thousand_errors_are_one_call(engine: Rest, patterns: Patterns) -> None:
    """A batch of 10,000 errors of 500 new patterns is learned within the time-out of 8 seconds.

    A statement that takes longer is cancelled and refused.
    """
    errors = [patterns.error() for _ in range(500)]
    batch = [errors[place % 500] for place in range(10_000)]
    learned = patterns.learn(*batch)
    assert len(learned) == 10_000
    assert {row["occurrence_count"] for row in learned} == {20}
    assert sum(row["action"] == "created" for row in learned) == 500
    assert engine.select("pattern_signatures", signature=f"eq.{errors[499]['signature']}")


def test_deleting_a_log_row_keeps_what_was_learned(engine: Rest, patterns: Patterns) -> None:
    """Pruning the application's log takes nothing from the count."""
    log_id = patterns.log_row()
    pattern_id = patterns.learn(patterns.error(system_log_id=log_id))[0]["pattern_id"]
    engine.delete("system_logs", id=f"eq.{log_id}")
    assert _pattern(engine, pattern_id)["occurrence_count"] == 1
    incident = engine.select("pattern_incidents", pattern_id=f"eq.{pattern_id}")[0]
    assert incident["system_log_id"] is None


def test_a_signature_is_dated_by_the_database(database: Sql, patterns: Patterns) -> None:
    """When a signature came to its pattern nobody can say otherwise; moving it dates it anew."""
    one, two, word = patterns.new(), patterns.new(), str(uuid.uuid4())
    made = database.value(
        """insert into ops.pattern_signatures
             (signature, pattern_id, algorithm, template, created_at)
           values (%s, %s, 'grouping/v1', 'x', '2000-01-01') returning created_at""",
        word,
        one,
    )
    assert datetime.now(UTC) - made < timedelta(minutes=1)
    change = "update ops.pattern_signatures set created_at = '2000-01-01' where signature = %s"
    kept = database.value(change + " returning created_at", word)
    assert kept == made
    moved = database.value(
        """update ops.pattern_signatures set pattern_id = %s where signature = %s
           returning created_at""",
        two,
        word,
    )
    assert moved > made
