"""Scheduled jobs have fixed names, each calls one function, and they run."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Sql
    from tests.database.conftest import Patterns

JOBS = {
    "pattern-engine-refresh-stats": ("0 0 * * *", "ops_internal.refresh_pattern_stats"),
    "pattern-engine-cluster": ("30 0 * * *", "ops_internal.request_clustering"),
    "pattern-engine-archive": ("0 1 * * *", "ops_internal.archive_patterns"),
    "pattern-engine-prune-events": ("15 1 * * *", "ops_internal.prune_events"),
    "pattern-engine-seal-events": ("* * * * *", "ops_internal.seal_events"),
    "pattern-engine-send-unlearned": ("* * * * *", "ops_internal.send_unlearned"),
    "pattern-engine-send-unhandled": ("* * * * *", "ops_internal.send_unhandled"),
    "pattern-engine-count-errors": ("* * * * *", "ops_internal.count_errors"),
    "pattern-engine-expire-fixes": ("* * * * *", "ops_internal.expire_fixes"),
    "pattern-engine-count-figures": ("* * * * *", "ops_internal.count_figures"),
    "pattern-engine-recover": ("* * * * *", "ops.recover_applications_v1"),
    "pattern-engine-link-symptoms": ("* * * * *", "ops_internal.link_symptoms"),
    "pattern-engine-verify": ("* * * * *", "ops.verify_applications_v1"),
    "pattern-engine-watch": ("* * * * *", "ops_internal.watch"),
    "pattern-engine-send-notifications": ("* * * * *", "ops_internal.send_notifications"),
    "pattern-engine-prune-notifications": ("45 1 * * *", "ops_internal.prune_notifications"),
}


def test_each_job_calls_one_function_at_its_time(database: Sql) -> None:
    """The jobs have their names and times, and run as the owner of what they call."""
    rows = database.rows("""
        select jobname, schedule, command, username, database from cron.job
        where jobname like 'pattern-engine-%'
    """)
    assert {row["jobname"]: (row["schedule"], row["command"]) for row in rows} == {
        name: (schedule, f"select {function}()") for name, (schedule, function) in JOBS.items()
    }
    assert {(row["username"], row["database"]) for row in rows} == {("postgres", "postgres")}


@pytest.mark.parametrize("job", JOBS)
def test_each_jobs_command_works(database: Sql, job: str) -> None:
    """What a job runs succeeds as it is written."""
    command = database.value("select command from cron.job where jobname = %s", job)
    assert re.fullmatch(r"select (ops|ops_internal)\.\w+\(\)", command)
    with database.undone():
        database.connection.execute(command.encode())


def test_clustering_is_requested_over_http(database: Sql, addresses: dict[str, str]) -> None:
    """The nightly job posts to the cluster function with the shared secret."""
    with database.undone():
        id_ = database.value("select ops_internal.request_clustering()")
        request = database.row("select * from net.http_request_queue where id = %s", id_)
    assert request["url"].endswith("/functions/v1/pattern-analyzer/cluster")
    assert request["headers"]["x-webhook-secret"] == addresses["webhook_secret"]
    assert bytes(request["body"]) == b"{}"


def test_patterns_unseen_for_90_days_are_archived(database: Sql, patterns: Patterns) -> None:
    """The day counts, and an event tells of each; archived ones are not archived again."""
    old, young = patterns.new(), patterns.new()
    age = "update ops.error_patterns set last_seen = now() - %s::interval where pattern_id = %s"
    with database.undone():
        database.run(age, "90 days 1 minute", old)
        database.run(age, "89 days 23 hours", young)
        assert database.value("select ops_internal.archive_patterns()") >= 1
        assert database.value("select ops_internal.archive_patterns()") == 0
        status = "select status from ops.error_patterns where pattern_id = %s"
        assert database.value(status, old) == "archived"
        assert database.value(status, young) == "open"
        told = """select count(*) from ops.roman_events
                  where event_type = 'pattern_archived' and metadata ->> 'pattern_id' = %s"""
        assert (database.value(told, old), database.value(told, young)) == (1, 0)


def test_an_archived_pattern_keeps_its_fix(database: Sql, patterns: Patterns) -> None:
    """Archiving takes nothing from a pattern: seen again, its fix is there."""
    error = patterns.error()
    pattern_id = patterns.learn(error)[0]["pattern_id"]
    patterns.approve(pattern_id)
    database.run(
        "update ops.error_patterns set last_seen = now() - interval '1 year' where pattern_id = %s",
        pattern_id,
    )
    database.run("select ops_internal.archive_patterns()")
    patterns.learn(error)
    found = patterns.find(error["signature"])
    assert found["pattern"]["status"] == "open"
    assert found["fix"]["version"] == 1


@pytest.mark.slow
def test_a_scheduled_refresh_really_runs(database: Sql, patterns: Patterns) -> None:
    """The scheduler of this server runs the refresh by itself, within a minute and a bit."""
    pattern_id, job = patterns.new(), patterns.word("refresh")
    seen = "select count(*) from ops.pattern_stats where pattern_id = %s"
    assert database.value(seen, pattern_id) == 0
    job_id = database.value(
        "select cron.schedule(%s, '* * * * *', 'select ops_internal.refresh_pattern_stats()')", job
    )
    try:
        runs = _wait_for_run(database, job_id)
    finally:
        database.run("select cron.unschedule(%s)", job)
    assert runs[0]["status"] == "succeeded", runs
    assert database.value(seen, pattern_id) == 1


def _wait_for_run(database: Sql, job_id: int) -> list[dict[str, str]]:
    """Return the ended runs of a job, as soon as there is one."""
    ends = time.monotonic() + 75
    while time.monotonic() < ends:
        runs = database.rows(
            """select status, return_message from cron.job_run_details
               where jobid = %s and end_time is not null""",
            job_id,
        )
        if runs:
            return runs
        time.sleep(0.5)
    raise AssertionError("the job did not run within 75 seconds")
