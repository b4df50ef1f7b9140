"""New errors are announced to the webhook function, and never at the application's expense."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Person, Rest, Sql


class Queue:
    """The requests that a transaction has queued; it is rolled back, so that none is sent."""

    def __init__(self, sql: Sql) -> None:
        self.sql = sql
        self._from = sql.value("select coalesce(max(id), 0) from net.http_request_queue")

    def requests(self) -> list[dict[str, Any]]:
        """Return the queued requests in order, with their bodies read."""
        rows = self.sql.rows(
            """select method, url, headers, convert_from(body, 'UTF8') as body,
                 timeout_milliseconds
               from net.http_request_queue where id > %s order by id""",
            self._from,
        )
        return [row | {"body": json.loads(row["body"])} for row in rows]

    def rows(self) -> list[tuple[int, int]]:
        """Return the first and the last row of each announcement."""
        bodies = [request["body"] for request in self.requests()]
        return [(body["first"], body["last"]) for body in bodies]


@pytest.fixture
def queue(admin: Sql) -> Iterator[Queue]:
    """The superuser in a transaction, and what it has queued."""
    with admin.undone():
        yield Queue(admin)


def _nobody_looks(sql: Sql) -> None:
    """Begin a time in which no announcement is under way and no worker is about to look."""
    for name in ("announced_until", "attended_until"):
        sql.value("select setval(('ops_internal.' || %s)::regclass, 1)", name)


def _insert(
    sql: Sql, count: int = 1, level: str = "error", source: str | None = "shop"
) -> list[int]:
    _nobody_looks(sql)
    rows = sql.rows(
        """insert into ops.system_logs (message, log_level, source)
           select 'it broke', %s, %s from generate_series(1, %s) returning id""",
        level,
        source,
        count,
    )
    return [row["id"] for row in rows]


def test_an_error_is_announced(queue: Queue, addresses: dict[str, Any]) -> None:
    """One POST to the webhook function, with the row's id and the shared secret in its header."""
    ids = _insert(queue.sql)
    assert queue.requests() == [
        {
            "method": "POST",
            "url": f"{addresses['functions_url']}/pattern-analyzer/webhook",
            "headers": {
                "Content-Type": "application/json",
                "x-webhook-secret": addresses["webhook_secret"],
            },
            "body": {
                "type": "INSERT",
                "table": "system_logs",
                "schema": "ops",
                "first": ids[0],
                "last": ids[0],
            },
            "timeout_milliseconds": 30_000,
        }
    ]


def test_one_statement_is_announced_once(queue: Queue) -> None:
    """However many rows an insert has, one call says from where to where they go."""
    ids = _insert(queue.sql, 1201)
    assert queue.rows() == [(ids[0], ids[-1])]


def test_errors_that_come_together_share_an_announcement(queue: Queue) -> None:
    """While a call is under way it stands for the errors after it; a lost one does so for a second."""
    (first,) = _insert(queue.sql)
    for _ in range(20):
        queue.sql.run("insert into ops.system_logs (message) values ('it broke')")
    assert queue.rows() == [(first, first)]
    queue.sql.value("select setval('ops_internal.announced_until', ops_internal.milliseconds())")
    late = queue.sql.value("insert into ops.system_logs (message) values ('it broke') returning id")
    assert queue.rows() == [(first, first), (late, late)]


def test_what_a_worker_will_look_for_is_not_announced(queue: Queue) -> None:
    """A worker that learns looks again, so that no call is made until then."""
    _insert(queue.sql)
    _nobody_looks(queue.sql)
    looks_again = "select setval('ops_internal.attended_until', ops_internal.milliseconds() + 5000)"
    queue.sql.value(looks_again)
    queue.sql.run("insert into ops.system_logs (message) values ('it broke')")
    assert len(queue.rows()) == 1


def test_an_announcement_that_arrives_while_a_worker_looks_is_over(queue: Queue) -> None:
    """The worker looks once more; the errors after that need an announcement of their own."""
    (first,) = _insert(queue.sql)
    looks_again = "select setval('ops_internal.attended_until', ops_internal.milliseconds() + 5000)"
    queue.sql.value(looks_again)
    queue.sql.run("set local role service_role")
    found = queue.sql.value("select ops.read_new_logs_v1(%s, %s, 'first')", first, first)
    queue.sql.run("reset role")
    assert (found["logs"], found["again_after_ms"]) == ([], None)
    queue.sql.value("select setval('ops_internal.attended_until', 1)")
    late = queue.sql.value("insert into ops.system_logs (message) values ('it broke') returning id")
    assert queue.rows() == [(first, first), (late, late)]


def test_a_long_transaction_announces_its_rows_itself(queue: Queue) -> None:
    """Nobody looks for rows that are committed long after they were written."""
    _insert(queue.sql)
    queue.sql.run("select pg_sleep(1.1)")
    _insert(queue.sql)
    late = queue.sql.value("insert into ops.system_logs (message) values ('it broke') returning id")
    assert queue.rows()[-1] == (late, late)
    assert len(queue.rows()) == 3


@pytest.mark.parametrize(
    ("level", "source", "is_announced"),
    [
        ("error", "shop", True),
        ("critical", "shop", True),
        ("error", None, True),
        ("error", "pattern-engineering", True),
        ("warning", "shop", False),
        ("info", "shop", False),
        ("debug", "shop", False),
        ("error", "pattern-engine", False),
        ("critical", "pattern-engine/apply", False),
    ],
)
def test_errors_and_criticals_are_announced_and_never_the_engines_own(
    queue: Queue, level: str, source: str | None, is_announced: bool
) -> None:
    """Lesser rows are not sent, and no row of the engine itself, which would never end."""
    ids = _insert(queue.sql, 1, level, source)
    assert queue.rows() == ([(ids[0], ids[0])] if is_announced else [])


def test_of_a_mixed_insert_the_errors_are_announced(queue: Queue) -> None:
    """One statement with rows of all kinds announces those that are errors."""
    _nobody_looks(queue.sql)
    rows = queue.sql.rows("""
        insert into ops.system_logs (message, log_level, source)
        values ('a', 'info', 'shop'), ('b', 'error', 'shop'), ('c', 'error', 'pattern-engine'),
          ('d', 'critical', null)
        returning id, message
    """)
    ids = {row["message"]: row["id"] for row in rows}
    assert queue.rows() == [(ids["b"], ids["d"])]


def test_an_insert_of_nothing_announces_nothing(queue: Queue) -> None:
    """Neither an insert of no rows nor a repeated event makes a call."""
    _insert(queue.sql, 0)
    repeated = """insert into ops.system_logs (message, event_id) values ('x', 'test-event')
                  on conflict do nothing"""
    _nobody_looks(queue.sql)
    queue.sql.run(repeated)
    assert len(queue.rows()) == 1
    _nobody_looks(queue.sql)
    queue.sql.run(repeated)
    assert len(queue.rows()) == 1


@pytest.mark.parametrize("role", ["service_role", "authenticated"])
def test_whoever_writes_the_row_is_heard(queue: Queue, user: Person, role: str) -> None:
    """Roles without any right to queue requests announce their rows all the same."""
    _nobody_looks(queue.sql)
    queue.sql.run("select set_config('request.jwt.claims', %s, true)", json.dumps({"sub": user.id}))
    queue.sql.run("select set_config('role', %s, true)", role)
    row = queue.sql.row("""
        insert into ops.system_logs (message, source) values ('x', 'shop') returning id, written_by
    """)
    queue.sql.run("reset role")
    assert row["written_by"] == role
    assert queue.rows() == [(row["id"], row["id"])]


@pytest.mark.parametrize(
    "missing", ["pattern_engine_functions_url", "pattern_engine_webhook_secret"]
)
def test_without_a_secret_nothing_is_sent_and_nothing_fails(queue: Queue, missing: str) -> None:
    """A project that has not stored URL and secret in Vault yet loses no log row."""
    queue.sql.run("delete from vault.secrets where name = %s", missing)
    assert _insert(queue.sql, 2)
    assert queue.rows() == []


@pytest.mark.parametrize(
    "breakage",
    [
        """create or replace function net.http_post(
             url text, body jsonb default '{}', params jsonb default '{}',
             headers jsonb default '{}', timeout_milliseconds int default 1)
           returns bigint language plpgsql as
           $$ begin raise exception 'the worker is down'; end $$""",
        "drop function net.http_post(text, jsonb, jsonb, jsonb, int)",
        "drop view vault.decrypted_secrets",
        "alter table net.http_request_queue add check (url like 'ftp%') not valid",
    ],
)
def test_an_insert_never_fails_for_the_webhooks_sake(queue: Queue, breakage: str) -> None:
    """Whatever goes wrong in announcing, the row is there, with a warning to the client."""
    warnings: list[str] = []
    queue.sql.connection.add_notice_handler(
        lambda notice: warnings.append(notice.message_primary or "")
    )
    queue.sql.connection.execute(breakage.encode())
    ids = _insert(queue.sql, 3)
    assert queue.sql.value("select count(*) from ops.system_logs where id = any(%s)", ids) == 3
    assert [w for w in warnings if w.startswith("pattern engine: the webhook was not called")]


def test_a_row_inserted_over_the_rest_interface_is_delivered(
    engine: Rest, database: Sql, addresses: dict[str, Any]
) -> None:
    """The worker takes the request up after the commit and records what came back."""
    before = database.value("select coalesce(max(id), 0) from net._http_response")
    _nobody_looks(database)
    engine.insert("system_logs", {"message": "x", "source": "shop"})
    for _ in range(200):
        rows = database.rows("select status_code from net._http_response where id > %s", before)
        if rows:
            break
        database.run("select pg_sleep(0.02)")
    assert addresses["functions_url"]
    assert {row["status_code"] for row in rows} == {404}, "this stack has no functions"
