"""The journal is sealed in a chain, by a job that nobody waits for, and what is altered is found."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, LiteralString

import psycopg
import pytest
from tests.conftest import Sql

from pattern_engine import cli

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import People

RECORD: LiteralString = (
    "insert into ops.roman_events (event_type, actor, metadata, created_at)"
    " values ('test', %s, '{\"share\": 0.10}', now()) returning id"
)


def _record(sql: Sql, actor: str | None = None) -> int:
    event_id: int = sql.value(RECORD, actor)
    return event_id


def _seal(sql: Sql) -> int:
    sealed: int = sql.value("select ops_internal.seal_events()")
    return sealed


def _seal_of(sql: Sql, event_id: int) -> int | None:
    seal: int | None = sql.value("select seal_id from ops.roman_events where id = %s", event_id)
    return seal


def _broken(sql: Sql) -> str | None:
    found = sql.rows("select problem from ops_internal.broken_seals() limit 1")
    return found[0]["problem"] if found else None


@pytest.fixture
def other(addresses: dict[str, Any]) -> Iterator[Sql]:
    """A second connection as the owner."""
    with Sql(addresses["db_url"]) as sql:
        yield sql


def test_an_event_that_is_committed_late_is_sealed_later(database: Sql, other: Sql) -> None:
    """A batch takes what is committed; what comes after it, with a smaller id, is in the next."""
    with database.connection.transaction():
        late = _record(database)
        early = _record(other)
        assert early > late
        assert _seal(other) >= 1
        assert _seal_of(other, early) is not None
    assert _seal_of(other, late) is None
    assert _seal(other) >= 1
    first, second = _seal_of(other, early), _seal_of(other, late)
    assert first is not None
    assert second is not None
    assert first < second
    assert _broken(other) is None
    assert other.value("select count(*) from ops.roman_events where seal_id is null") == 0
    seals = other.value("select count(*) from ops.event_seals")
    assert _seal(other) == 0
    assert other.value("select count(*) from ops.event_seals") == seals, "an empty seal was made"


def test_nobody_waits_for_the_seal(database: Sql, other: Sql) -> None:
    """While a batch is being sealed, others record events and read the journal."""
    _record(database)
    with database.connection.transaction():
        assert _seal(database) >= 1
        other.run("set lock_timeout = '1s'")
        recorded = _record(other)
        assert other.value("select count(*) from ops.event_seals") >= 0
    assert _seal_of(other, recorded) is None


def test_two_jobs_seal_each_event_once(addresses: dict[str, Any], database: Sql) -> None:
    """Each event has one seal, while others record events and several jobs run at once."""

    def work(place: int) -> None:
        with Sql(addresses["db_url"]) as sql:
            for _ in range(20):
                if place % 2:
                    _seal(sql)
                else:
                    _record(sql)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    _seal(database)
    assert _broken(database) is None
    covered = database.value("select sum(events) from ops.event_seals where kind = 'sealed'")
    assert covered == database.value(
        "select count(*) + coalesce((select sum(pruned) from ops.event_seals), 0)"
        " from ops.roman_events where seal_id is not null"
    )


@pytest.mark.parametrize(
    "setting",
    [
        "set local timezone = 'Asia/Kathmandu'",
        "set local datestyle = 'German'",
        "set local extra_float_digits = -15",
        "set local bytea_output = 'escape'",
        "set local intervalstyle = 'iso_8601'",
    ],
)
def test_no_setting_changes_the_digest_of_an_event(database: Sql, setting: LiteralString) -> None:
    """What is sealed in one time zone is whole in another."""
    with database.undone():
        _record(database)
        assert _seal(database) >= 1
        database.run(setting)
        _record(database)
        assert _seal(database) == 1
        assert _broken(database) is None
        database.run("reset all")
        assert _broken(database) is None


ALTERED: dict[str, tuple[LiteralString, LiteralString]] = {
    "changed": (
        "update ops.roman_events set description = 'nothing' where id = {event}",
        "event {event} was changed after seal {seal}",
    ),
    "dated back": (
        (
            "update ops.roman_events set created_at = created_at - interval '1 microsecond'"
            " where id = {event}"
        ),
        "event {event} was changed after seal {seal}",
    ),
    "changed with its digest": (
        (
            "update ops.roman_events as e set actor = gen_random_uuid() where id = {event};"
            " update ops.roman_events as e set digest = ops_internal.event_digest(e)"
            " where id = {event}"
        ),
        "are not those of seal {seal}",
    ),
    "deleted": (
        "delete from ops.roman_events where id = {event}",
        "1 of the 3 events of seal {seal} are missing",
    ),
    "sealed anew": (
        (
            "update ops.roman_events set description = 'nothing', seal_id = null"
            " where id = {event}; select ops_internal.seal_events()"
        ),
        "1 of the 3 events of seal {seal} are missing",
    ),
    "put in": (
        (
            "insert into ops.roman_events (event_type, seal_id) values ('test', {seal});"
            " update ops.roman_events as e set digest = ops_internal.event_digest(e)"
            " where digest is null and seal_id = {seal}"
        ),
        "1 events were put below seal {seal}",
    ),
    "sealed by nothing": (
        "update ops.roman_events set seal_id = 1000000 where id = {event}",
        "1 of the 3 events of seal {seal} are missing",
    ),
    "seal changed": (
        "update ops.event_seals set events = 2 where id = {seal}",
        "seal {seal} was changed after it was made",
    ),
    "seal made anew": (
        (
            "delete from ops.roman_events where id = {event};"
            " update ops.event_seals as s set events = 2, digest = (select sha256(string_agg("
            "   e.digest, '' order by e.id)) from ops.roman_events as e where e.seal_id = s.id)"
            " where id = {seal};"
            " update ops.event_seals as s set seal = ops_internal.seal_digest(s) where id = {seal}"
        ),
        "does not continue the seal before it",
    ),
    "seal deleted": (
        "delete from ops.event_seals where id = {seal}",
        "seal {seal} is missing",
    ),
}


@pytest.mark.parametrize(("change", "problem"), ALTERED.values(), ids=ALTERED.keys())
def test_what_even_the_owner_alters_is_found(database: Sql, change: str, problem: str) -> None:
    """The first seal that is broken is named, and the event, as far as it can be told."""
    with database.undone():
        _seal(database)
        event = [_record(database) for _ in range(3)][1]
        assert _seal(database) == 3
        seal = _seal_of(database, event)
        _record(database)
        assert _seal(database) == 1
        assert _broken(database) is None
        database.connection.execute(change.format(event=event, seal=seal).encode())
        assert problem.format(event=event, seal=seal) in str(_broken(database))


def test_pruning_keeps_the_chain(database: Sql, people: People) -> None:
    """After 180 days the engine's own events go; what a person did stays, and is still sealed."""
    person = people.new().id
    with database.undone():
        _seal(database)
        old = [_record(database), _record(database, person), _record(database, person)]
        assert _seal(database) == 3
        seal = _seal_of(database, old[0])
        young = _record(database)
        assert _seal(database) == 1
        # A seal that is older, with all after it: nobody can wait for half a year.
        _age(database, seal)
        assert database.value("select ops_internal.prune_events()") >= 1
        kept = database.rows("select id from ops.roman_events where id = any(%s)", [*old, young])
        assert sorted(row["id"] for row in kept) == [*old[1:], young]
        (entry,) = database.rows("select * from ops.event_seals where kind = 'pruned'")
        assert entry["through_seal"] == seal
        assert _broken(database) is None
        assert database.value("select ops_internal.prune_events()") == 0

        _record(database)
        assert _seal(database) == 1
        assert _broken(database) is None
        database.run("update ops.roman_events set actor = null where id = %s", old[1])
        assert f"event {old[1]} was changed after seal {entry['id']}" in str(_broken(database))
        database.run("delete from ops.roman_events where id = any(%s)", old)
        assert f"events of seal {entry['id']} are missing" in str(_broken(database))


def _age(database: Sql, seal: int | None) -> None:
    """Make the chain through a seal a year older, as if it had been made then."""
    rows = database.rows("select id from ops.event_seals order by id")
    database.run(
        "update ops.event_seals set sealed_at = sealed_at - interval '1 year' where id <= %s", seal
    )
    for row in rows:
        database.run(
            """update ops.event_seals as s
               set previous = coalesce(
                 (select former.seal from ops.event_seals as former where former.id = s.id - 1),
                 sha256(''))
               where id = %s""",
            row["id"],
        )
        database.run(
            "update ops.event_seals as s set seal = ops_internal.seal_digest(s) where id = %s",
            row["id"],
        )


def test_what_was_altered_is_not_pruned(database: Sql) -> None:
    """It is evidence, and deleting its neighbours would hide it."""
    with database.undone():
        event = _record(database)
        _seal(database)
        _age(database, _seal_of(database, event))
        database.run("update ops.roman_events set description = 'x' where id = %s", event)
        with pytest.raises(psycopg.errors.DataCorrupted, match=f"event {event} was changed"):
            database.value("select ops_internal.prune_events()")


def test_events_that_wait_for_their_seal_are_not_pruned(database: Sql) -> None:
    """However old they are: nothing leaves the journal without a trace."""
    with database.undone():
        _seal(database)
        event = _record(database)
        database.run(
            "update ops.roman_events set created_at = now() - interval '1 year' where id = %s",
            event,
        )
        database.value("select ops_internal.prune_events()")
        assert database.value("select count(*) from ops.roman_events where id = %s", event) == 1


Verify = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def verify(
    addresses: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Verify:
    """Run `pattern-engine verify-events`; answers its exit code and what it prints."""
    monkeypatch.setenv("PATTERN_ENGINE_DB_URL", addresses["db_url"])

    def verify(*words: str) -> tuple[int, dict[str, Any]]:
        code = cli.main(["verify-events", "--json", *words])
        return code, json.loads(capsys.readouterr().out)

    return verify


def test_the_command_says_whether_the_journal_is_whole(database: Sql, verify: Verify) -> None:
    """Exit 0 and the head of the chain, or 1 and what is broken."""
    event = _record(database)
    _seal(database)
    code, told = verify()
    assert (code, told["whole"], told["waiting"]) == (0, True, 0)
    head = told["head"]
    assert head.startswith(f"{_seal_of(database, event)}:")

    change = "update ops.roman_events set severity = %s where id = %s"
    database.run(change, "debug", event)
    code, told = verify()
    assert (code, told["whole"]) == (1, False)
    assert f"event {event} was changed" in told["problem"]
    database.run(change, "info", event)
    assert verify("--head", head)[0] == 0


def test_a_chain_that_was_made_anew_has_another_head(database: Sql, verify: Verify) -> None:
    """Whoever noted a head finds out, even if everything was sealed again."""
    _record(database)
    _seal(database)
    head = verify()[1]["head"]
    seal_id, digest = head.split(":")
    forged = f"{seal_id}:{digest[::-1]}"
    code, told = verify("--head", forged)
    assert code == 1
    assert "the chain was made anew" in told["problem"]


def test_a_job_that_does_not_run_is_told(database: Sql, verify: Verify) -> None:
    """Events that wait for more than an hour are a failure: nothing protects them."""
    event = _record(database)
    age = "update ops.roman_events set created_at = created_at %s interval '2 hours' where id = "
    database.connection.execute((age % "-" + str(event)).encode())
    code, told = verify()
    assert code == 1
    assert "pattern-engine-seal-events" in told["problem"]
    _seal(database)
    assert verify()[0] == 0


def test_people_read_seals_only_as_operators(user: Any, viewer: Any, database: Sql) -> None:
    """As the journal itself."""
    _record(database)
    _seal(database)
    assert user.rest.select("event_seals") == []
    assert viewer.rest.select("event_seals", limit="1")
