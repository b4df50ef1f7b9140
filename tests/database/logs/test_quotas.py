"""How much a user may write, how large a row may be, and whose event ids are whose."""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from tests.conftest import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx
    from tests.conftest import People, Person, Rest, Sql
    from tests.database.conftest import Patterns

    Change = Callable[[str, object], dict[str, Any]]

TOO_MANY = 429
TOO_LARGE = 413


@pytest.fixture
def post(http_client: httpx.Client, addresses: dict[str, Any]) -> Callable[..., httpx.Response]:
    """Inserts log rows as a caller; gives the whole answer."""

    def post(caller: Rest, rows: object) -> httpx.Response:
        url = f"{addresses['api_url']}/rest/v1/system_logs"
        return http_client.post(url, json=rows, headers=caller.headers)

    return post


def stored(database: Sql, person: Person) -> int:
    """How many rows of a person there are."""
    return int(database.value("select count(*) from ops.system_logs where user_id = %s", person.id))


def whole_minute(database: Sql) -> None:
    """Wait until the minute has seconds left, so that a test does not see two of them."""
    database.run(
        "select pg_sleep(case when extract(second from clock_timestamp()) > 50"
        " then 61 - extract(second from clock_timestamp()) else 0 end)"
    )


def test_a_user_who_writes_too_much_is_told_when_to_come_back(
    people: People, post: Callable[..., httpx.Response], database: Sql, change_setting: Change
) -> None:
    """Beyond the limit a request is refused whole, with the seconds until there is room again."""
    change_setting("user_rows_per_minute", 5)
    person = people.new()
    answer = post(person.rest, [{"message": "x"}] * 6)
    assert answer.status_code == TOO_MANY
    assert 1 <= int(answer.headers["retry-after"]) <= 60
    problem = answer.json()
    assert problem["code"] == "PL040"
    assert problem["message"] == "you may write 5 log rows a minute"
    assert "written" in problem["details"]
    assert "seconds" in problem["hint"]
    assert stored(database, person) == 0


def test_requests_of_a_minute_are_added_up(
    people: People, post: Callable[..., httpx.Response], database: Sql, change_setting: Change
) -> None:
    """Many small requests take as much as one large one, also at the same time."""
    change_setting("user_rows_per_minute", 5)
    person = people.new()
    whole_minute(database)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: post(person.rest, {"message": "x"}), range(12)))
    assert sorted(answer.status_code for answer in answers) == [201] * 5 + [TOO_MANY] * 7
    assert stored(database, person) == 5
    database.run("update ops_internal.user_quotas set minute = minute - interval '1 minute'")
    assert post(person.rest, {"message": "x"}).status_code == 201


def test_a_limit_is_a_users_own(
    people: People, post: Callable[..., httpx.Response], engine: Rest, change_setting: Change
) -> None:
    """Neither other users nor the service role wait for one who writes too much."""
    change_setting("user_rows_per_minute", 5)
    rows = [{"message": "x"}] * 6
    assert post(people.new().rest, rows).status_code == TOO_MANY
    assert post(people.new().rest, rows[1:]).status_code == 201
    assert post(engine, rows).status_code == 201


def test_a_row_that_is_too_large_is_refused_and_none_is_cut(
    people: People, post: Callable[..., httpx.Response], engine: Rest
) -> None:
    """What is below the limit is stored as it is; beyond it the answer names both sizes."""
    answer = post(engine, {"message": "x" * 8_000_000})
    assert answer.status_code == TOO_LARGE
    assert "8000000 bytes" in answer.json()["message"]
    assert "4194304" in answer.json()["message"]
    assert answer.json()["hint"]
    half = {"stack": "x" * 2_200_000}
    together = {"message": "x", "error_data": half, "metadata": half}
    assert post(engine, together).status_code == TOO_LARGE
    assert post(engine, {"message": "x", "source": "x" * 4_200_000}).status_code == TOO_LARGE

    message = "x" * 3_000_000
    (row,) = engine.insert("system_logs", {"message": message})
    assert row["message"] == message
    person = people.new()
    assert post(person.rest, {"message": "x" * 1_100_000}).status_code == TOO_LARGE
    assert post(person.rest, {"message": "x" * 1_000_000}).status_code == 201


def test_nobody_takes_the_event_ids_of_others(people: People, engine: Rest) -> None:
    """An id that a user has taken is free for the service and for other users."""
    event = secrets.token_hex()
    one, other = people.new().rest, people.new().rest
    row = {"message": "x", "event_id": event}
    one.insert("system_logs", row)
    batch = [{"message": "y", "event_id": event}, {"message": "y", "event_id": None}]
    assert len(engine.insert("system_logs", batch)) == 2
    assert other.insert("system_logs", row)[0]["event_id"] == event


def test_an_event_id_tells_of_the_writers_own_rows_alone(
    people: People, post: Callable[..., httpx.Response], engine: Rest
) -> None:
    """A repeated insert is refused to its writer; who guesses another's id learns nothing."""
    event = secrets.token_hex()
    row = {"message": "x", "event_id": event}
    for writer in (engine, people.new().rest):
        assert post(writer, row).status_code == 201
        answer = post(writer, row)
        assert (answer.status_code, answer.json()["code"]) == (409, "23505")


def test_no_long_text_fails_an_insert(user: Person, engine: Rest) -> None:
    """Indexes hold no more of a text than fits into a row of an index."""
    texts = {name: secrets.token_hex(10_000) for name in ("source", "event_id", "release")}
    for writer in (user.rest, engine):
        (row,) = writer.insert("system_logs", {"message": "x", **texts})
        assert {name: row[name] for name in texts} == texts
        with pytest.raises(RefusedError) as refused:
            writer.insert("system_logs", {"message": "x", **texts})
        assert refused.value.code == "23505"


def test_reports_of_a_person_have_limits(people: People, patterns: Patterns, database: Sql) -> None:
    """A person reports so many errors a minute, and fewer without a log row; the engine any."""
    whole_minute(database)
    person = people.new()
    error = patterns.error(claimed_by=person.id)
    patterns.learn(*[error] * 20)
    with pytest.raises(RefusedError) as refused:
        patterns.learn(error)
    assert refused.value.code == "PL040"
    assert refused.value.body["message"] == "you may report 20 errors without a log row a minute"

    (row,) = person.rest.insert("system_logs", {"message": error["error_message"]})
    with_row = error | {"system_log_id": row["id"]}
    patterns.learn(*[with_row] * 80)
    with pytest.raises(RefusedError) as refused:
        patterns.learn(with_row)
    assert refused.value.body["message"] == "you may report 100 errors a minute"
    patterns.learn(*[patterns.error()] * 200)


def test_a_refused_report_is_not_learned(
    people: People, patterns: Patterns, engine: Rest, database: Sql
) -> None:
    """What is beyond the limit makes no pattern and takes nothing of the limit."""
    whole_minute(database)
    person = people.new()
    error = patterns.error(claimed_by=person.id)
    with pytest.raises(RefusedError):
        patterns.learn(*[error] * 21)
    assert engine.select("pattern_signatures", signature=f"eq.{error['signature']}") == []
    assert len(patterns.learn(*[error] * 20)) == 20
