"""Who writes and reads the application's log, and what the database says about each row."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from tests.conftest import RefusedError

from pattern_engine.levels import level

if TYPE_CHECKING:
    from tests.conftest import People, Person, Rest, Sql
    from tests.database.conftest import Patterns


def test_a_user_writes_log_rows_and_gets_them_back(people: People) -> None:
    """The row that a signed-in user inserts is his, and is returned by the insert."""
    person = people.new()
    row = person.rest.insert("system_logs", {"message": "payment failed"})[0]
    assert row["user_id"] == person.id
    assert row["written_by"] == "authenticated"
    assert row["log_level"] == "error"


def test_authors_read_their_own_rows_only(people: People, patterns: Patterns) -> None:
    """A user sees what he wrote, and neither another user's rows nor the engine's."""
    author, other = people.new(), people.new()
    row = author.rest.insert("system_logs", {"message": "mine"})[0]
    other.rest.insert("system_logs", {"message": "another's"})
    patterns.log_row(message="the engine's")
    assert [seen["id"] for seen in author.rest.select("system_logs")] == [row["id"]]


def test_operators_read_all_rows(viewer: Person, people: People) -> None:
    """An operator of any role reads what anybody wrote."""
    row = people.new().rest.insert("system_logs", {"message": "a user's"})[0]
    assert viewer.rest.select("system_logs", id=f"eq.{row['id']}")[0]["message"] == "a user's"


def test_nobody_writes_in_another_users_name(people: People, user: Person) -> None:
    """A row with somebody else's user_id, or with none, is refused by row-level security."""
    writer = people.new()
    for user_id in (user.id, None):
        with pytest.raises(RefusedError) as refused:
            writer.rest.insert("system_logs", {"message": "forged", "user_id": user_id})
        assert refused.value.code == "42501"
    assert writer.rest.select("system_logs") == []


@pytest.mark.parametrize("column", ["written_by", "id"])
def test_a_user_cannot_set_what_the_database_says(user: Person, column: str) -> None:
    """Neither who wrote a row nor its number may be given by a user."""
    value: object = "service_role" if column == "written_by" else 1
    with pytest.raises(RefusedError) as refused:
        user.rest.insert("system_logs", {"message": "forged", column: value})
    assert refused.value.code == "42501"


def test_written_by_is_stamped_whatever_the_writer_says(engine: Rest, database: Sql) -> None:
    """The database records the role that wrote a row, the owner's rows too."""
    row = engine.insert("system_logs", {"message": "x", "written_by": "postgres"})[0]
    assert row["written_by"] == "service_role"
    stamped = database.value("""
        insert into ops.system_logs (message, written_by) values ('x', 'service_role')
        returning written_by
    """)
    assert stamped == "postgres"


def test_a_time_in_the_future_becomes_now(user: Person) -> None:
    """No row claims to be newer than it is, so none stays recent longer than it should."""
    future = datetime.now(UTC) + timedelta(days=365)
    for written in (future.isoformat(), "infinity", None):
        row = user.rest.insert("system_logs", {"message": "x", "created_at": written})[0]
        age = datetime.now(UTC) - datetime.fromisoformat(row["created_at"])
        assert timedelta(0) <= age < timedelta(seconds=30)


@pytest.mark.parametrize("written", ["-infinity", "0044-03-15 BC", "0001-01-01"])
def test_a_time_before_1970_becomes_1970(
    user: Person, engine: Rest, patterns: Patterns, written: str
) -> None:
    """A time that readers cannot reckon with does not get in, and its row stops no batch."""
    row = user.rest.insert("system_logs", {"message": "x", "created_at": written})[0]
    assert datetime.fromisoformat(row["created_at"]) == datetime(1970, 1, 1, tzinfo=UTC)
    assert engine.call("read_logs_v1", p_ids=[row["id"]])[0]["id"] == row["id"]
    assert patterns.find("unknown", row["id"])["log"]["age_seconds"] > 0


def test_a_clients_event_id_is_taken_once(user: Person) -> None:
    """An insert that a client repeats is refused, not stored twice."""
    event = {"message": "x", "event_id": user.rest.insert("system_logs", {"message": "y"})[0]["id"]}
    user.rest.insert("system_logs", event)
    with pytest.raises(RefusedError) as refused:
        user.rest.insert("system_logs", event)
    assert refused.value.code == "23505"


def test_reading_logs_leaves_out_what_is_no_error(engine: Rest, patterns: Patterns) -> None:
    """read_logs_v1 gives errors and criticals, in order, none of the engine's own rows."""
    critical = patterns.log_row(
        log_level="critical",
        message="down",
        error_data={"code": "57P03"},
        release="2.1",
        environment="staging",
    )
    error = patterns.log_row(message="broken")
    others = [patterns.log_row(log_level=level) for level in ("debug", "info", "warning")]
    own = [patterns.log_row(source=source) for source in ("pattern-engine", "pattern-engine/apply")]
    similar = patterns.log_row(source="pattern-engineering")
    patterns.learn(patterns.error(system_log_id=error))
    ids = [similar, *own, *others, error, critical, 2**60]
    read = engine.call("read_logs_v1", p_ids=ids)
    assert [(row["id"], row["learned"]) for row in read] == [
        (critical, False),
        (error, True),
        (similar, False),
    ]
    assert read[0] | {"created_at": None} == {
        "id": critical,
        "message": "down",
        "source": "tests",
        "log_level": "critical",
        "created_at": None,
        "written_by": "service_role",
        "error_data": {"code": "57P03"},
        "environment": "staging",
        "release": "2.1",
        "learned": False,
    }


def test_a_persons_rows_outlive_the_person(people: People, admin: Sql) -> None:
    """When an account is deleted its log rows stay, without a user."""
    person = people.new()
    row = person.rest.insert("system_logs", {"message": "x"})[0]
    admin.run("delete from auth.users where id = %s", person.id)
    kept = admin.row("select user_id from ops.system_logs where id = %s", row["id"])
    assert kept == {"user_id": None}


def test_a_huge_log_row_is_read_in_part(engine: Rest) -> None:
    """Whoever logs megabytes costs the engine no more than it reads of a message."""
    row = {"message": "x" * 3_000_000, "error_data": {"stack": uuid.uuid4().hex * 10_000}}
    log_id = engine.insert("system_logs", row)[0]["id"]
    (read,) = engine.call("read_logs_v1", p_ids=[log_id])
    assert read["message"] == "x" * 65_536
    query = {"signatures": [], "system_log_id": log_id}
    (candidate,) = engine.call("find_candidates_v1", p_errors=[query])
    assert candidate["log"]["message"] == "x" * 65_537, "a message of 64 KiB would equal it"


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("debug", "debug"),
        ("TRACE", "debug"),
        (20, "debug"),
        ("Notice", "info"),
        ("30", "info"),
        ("warn", "warning"),
        (40, "warning"),
        (" Error ", "error"),
        ("err", "error"),
        (50, "error"),
        ("SEVERE", "error"),
        ("FATAL", "critical"),
        ("emerg", "critical"),
        (60, "critical"),
        ("of no logger", "error"),
        ("", "error"),
        (None, "error"),
    ],
)
def test_levels_are_taken_as_loggers_write_them(
    user: Person, written: str | int | None, kept: str
) -> None:
    """Any word or number is a level; one that says nothing is an error, so that none is lost.

    Python translates the level of a reported error as the trigger does that of a row.
    """
    (row,) = user.rest.insert("system_logs", {"message": "a level", "log_level": written})
    assert row["log_level"] == kept
    assert (level(written) or "error") == kept


@pytest.mark.parametrize(("written", "kept"), [(None, "no message"), (12, "12")])
def test_a_message_that_is_no_text_is_taken(user: Person, written: int | None, kept: str) -> None:
    """An application that throws nothing, or a number, has logged an error all the same."""
    (row,) = user.rest.insert("system_logs", {"message": written})
    assert row["message"] == kept
