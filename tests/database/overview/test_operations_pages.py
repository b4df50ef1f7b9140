"""What the pages of operations read: heartbeats of jobs, the backlog, the lag, clusters, the seal."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from tests.conftest import RefusedError

if TYPE_CHECKING:
    from tests.conftest import Person, Rest, Sql
    from tests.database.conftest import Patterns

PAGES: dict[str, dict[str, Any]] = {
    "console_clusters_v1": {},
    "console_delivery_v1": {},
    "console_pauses_v1": {},
    "console_settings_v1": {},
}


def test_operators_of_any_role_read_the_pages_and_nobody_else(
    viewer: Person, user: Person, engine: Rest
) -> None:
    """Neither a user of the application nor the secret key is answered."""
    for function, arguments in PAGES.items():
        assert viewer.rest.call(function, **arguments)
        for caller in (user.rest, engine):
            with pytest.raises(RefusedError) as refused:
                caller.call(function, **arguments)
            assert refused.value.code == "PL001"


@pytest.mark.parametrize(
    ("schedule", "apart"),
    [
        ("* * * * *", timedelta(minutes=1)),
        ("*/5 * * * *", timedelta(minutes=5)),
        ("30 seconds", timedelta(seconds=30)),
        ("15 * * * *", timedelta(hours=1)),
        ("0 */6 * * *", timedelta(hours=6)),
        ("30 0 * * *", timedelta(days=1)),
        ("0 1 * * 1", timedelta(days=7)),
        ("0 1-5 * * *", None),
        ("0 0 1 * *", None),
    ],
)
def test_the_interval_of_a_schedule_is_known_for_usual_forms(
    database: Sql, schedule: str, apart: timedelta | None
) -> None:
    """Of any other form nobody says that it is late."""
    assert database.value("select ops_internal.schedule_interval(%s)", schedule) == apart


@pytest.mark.parametrize(
    ("schedule", "runs", "state"),
    [
        ("* * * * *", [], "never ran"),
        ("* * * * *", [("1 minute", "succeeded")], "on time"),
        ("* * * * *", [("4 minutes", "succeeded")], "late"),
        ("0 3 * * *", [("26 hours", "succeeded")], "on time"),
        ("0 3 * * *", [("27 hours", "succeeded")], "late"),
        ("0 3 * * *", [("30 hours", "succeeded"), ("6 hours", "failed")], "failed"),
        ("* * * * *", [("20 seconds", "running")], "running"),
        ("0 1-5 * * *", [("90 days", "succeeded")], "on time"),
    ],
)
def test_a_job_is_late_when_its_interval_and_some_more_have_passed(
    admin: Sql, schedule: str, runs: list[tuple[str, str]], state: str
) -> None:
    """The last run decides, and a failed one says when it went well last."""
    with admin.undone():
        admin.run("select cron.schedule('pattern-engine-test', %s, 'select 1')", schedule)
        for age, status in runs:
            admin.run(
                """insert into cron.job_run_details (jobid, status, start_time, end_time)
                   select jobid, %s, now() - %s::interval, now() - %s::interval
                   from cron.job where jobname = 'pattern-engine-test'""",
                status, age, age,
            )  # fmt: skip
        jobs = admin.value("select ops_internal.job_heartbeats()")
        (job,) = [each for each in jobs if each["name"] == "pattern-engine-test"]
        assert job["state"] == state
        assert (job["last_success"] is None) == all(run[1] != "succeeded" for run in runs)


def test_every_job_says_what_it_does(database: Sql) -> None:
    """The engine's own jobs are listed with the description of their function."""
    jobs = {each["name"]: each for each in database.value("select ops_internal.job_heartbeats()")}
    assert jobs["pattern-engine-seal-events"]["meaning"].startswith("Seals the committed events")
    assert all(each["meaning"] for each in jobs.values())
    assert {each["state"] for each in jobs.values()} == {"off"}


def test_the_backlog_counts_what_waits_and_names_what_was_given_up(
    admin: Sql, patterns: Patterns
) -> None:
    """An error waits until it is learned or given up."""
    with admin.undone():
        admin.run(
            "update ops_internal.sweep set settled_id = (select coalesce(max(id), 0) from ops.system_logs)"
        )
        ids = [
            admin.value(
                "insert into ops.system_logs (message, source) values ('x', 'a') returning id"
            )
            for _ in range(3)
        ]
        backlog = admin.value("select ops_internal.learning_backlog()")
        assert (backlog["waiting"], backlog["newest_id"], backlog["unsearched"]) == (3, ids[2], 0)
        admin.call("learn_errors_v1", [patterns.error(system_log_id=ids[0])])
        admin.run(
            """insert into ops_internal.learning_tries (system_log_id, next_at, last_error, gave_up_at)
               values (%s, now(), 'cannot be read', now())""",
            ids[1],
        )
        backlog = admin.value("select ops_internal.learning_backlog()")
        assert (backlog["waiting"], backlog["oldest"] is None) == (1, False)
        latest = backlog["unlearnable"][0]
        assert (latest["system_log_id"], latest["reason"]) == (ids[1], "cannot be read")


def test_the_backlog_says_how_much_it_did_not_look_at(admin: Sql) -> None:
    """No page reads a long log to its end."""
    with admin.undone():
        admin.run(
            """insert into ops.system_logs (message, log_level)
               select 'x', 'info' from generate_series(1, 10500)"""
        )
        admin.run(
            "update ops_internal.sweep set settled_id = (select max(id) - 10500 from ops.system_logs)"
        )
        backlog = admin.value("select ops_internal.learning_backlog()")
        assert (backlog["waiting"], backlog["unsearched"]) == (0, 500)


def test_the_lag_is_that_of_recent_errors(admin: Sql, patterns: Patterns) -> None:
    """Imported rows are counted apart, and those learned long ago not at all."""
    with admin.undone():
        admin.run("delete from ops.pattern_incidents")
        for age in (10, 20, 30, 86_400):
            log_id = admin.value(
                """insert into ops.system_logs (message, created_at)
                   values ('x', now() - make_interval(secs => %s)) returning id""",
                age,
            )
            admin.call("learn_errors_v1", [patterns.error(system_log_id=log_id)])
        lag: dict[str, Any] = admin.value("select ops_internal.learning_lag()")
        assert (lag["learned"], lag["older"]) == (3, 1)
        assert lag["median"] == pytest.approx(20, abs=1)
        assert lag["most"] == pytest.approx(30, abs=1)
        admin.run(
            "update ops.pattern_incidents set learned_at = learned_at - interval '16 minutes'"
        )
        assert admin.value("select ops_internal.learning_lag()")["learned"] == 0


def test_points_are_taken_evenly_out_of_each_cluster(operator: Person, patterns: Patterns) -> None:
    """A sample has the first of each cluster, and of a larger cluster more."""
    ids = [patterns.new(3) for _ in range(9)]
    session = operator.rest.call("start_clustering_v1")["session_id"]
    made = [
        {"cluster_name": name, "pattern_ids": of, "cluster_size": len(of), "total_occurrences": 3}
        for name, of in (("small", ids[:3]), ("large", ids[3:]))
    ]
    operator.rest.call(
        "replace_clusters_v1",
        p_session_id=session,
        p_clusters=made,
        p_result={"patterns_analyzed": 9},
    )
    page = operator.rest.call("console_clusters_v1", p_points=3)
    assert [each["cluster_name"] for each in page["clusters"]] == ["large", "small"]
    assert [each["pattern_id"] for each in page["clusters"][0]["members"]] == ids[3:6]
    assert [point[1] for point in page["points"]] == [ids[3], ids[6], ids[0]]
    assert page["session"]["requested_by"] == operator.email
    whole = operator.rest.call("console_clusters_v1")
    assert {point[1] for point in whole["points"]} == set(ids)

    cluster_id = page["clusters"][1]["cluster_id"]
    one = operator.rest.call("console_cluster_v1", p_cluster_id=cluster_id)
    assert [member["pattern_id"] for member in one["members"]] == ids[:3]
    beyond = operator.rest.call("console_cluster_v1", p_cluster_id=cluster_id, p_page=2)
    assert (beyond["members"], beyond["pages"]) == ([], 1)
    assert operator.rest.call("console_cluster_v1", p_cluster_id=session) is None


def test_the_head_of_the_journal_shows_whether_it_was_altered(admin: Sql) -> None:
    """The newest seal is checked against itself and against the one before."""
    with admin.undone():
        for _ in range(2):
            admin.run("insert into ops.roman_events (event_type) values ('a_test')")
            admin.run("select ops_internal.seal_events()")
        assert admin.value("select ops_internal.journal_head()")["is_intact"] is True
        admin.run(
            "update ops.event_seals set seal = sha256('other')"
            " where id = (select max(id) - 1 from ops.event_seals)"
        )
        assert admin.value("select ops_internal.journal_head()")["is_intact"] is False
