"""Jobs of `cron.job` run: by the real pg_cron where the server has it, else by the worker."""

from collections.abc import Iterator
from datetime import UTC, datetime

import psycopg
import pytest
from psycopg.rows import TupleRow

from pattern_engine.local.processes import wait_until
from pattern_engine.local.schedules import next_run

Database = psycopg.Connection[TupleRow]


def _has_pg_cron(connection: Database) -> bool:
    found = connection.execute("select 1 from pg_extension where extname = 'pg_cron'")
    return found.fetchone() is not None


@pytest.fixture
def job(as_postgres: Database) -> Iterator[str]:
    """The name of a job that is gone after the test."""
    name = "a job of a test"
    yield name
    as_postgres.execute("select cron.unschedule(jobid) from cron.job where jobname = %s", (name,))


@pytest.fixture
def standin(as_postgres: Database) -> None:
    """Only where the worker runs the jobs."""
    if _has_pg_cron(as_postgres):
        pytest.skip("this server has the real pg_cron, whose version knows no seconds")


def _runs(connection: Database, name: str) -> list[TupleRow]:
    return connection.execute(
        "select d.status, d.return_message, d.username from cron.job_run_details as d "
        "join cron.job as j using (jobid) "
        "where j.jobname = %s and d.end_time is not null order by d.runid",
        (name,),
    ).fetchall()


@pytest.mark.slow
def test_the_real_pg_cron_runs_a_job(as_postgres: Database, job: str) -> None:
    """A job of every minute really runs, as the role that made it, and the run is recorded."""
    if not _has_pg_cron(as_postgres):
        pytest.skip("this server has no pg_cron; what stands in for it is tested by seconds")
    as_postgres.execute("select cron.schedule(%s, '* * * * *', 'select current_user')", (job,))
    assert wait_until(lambda: bool(_runs(as_postgres, job)), 130)
    status, message, user = _runs(as_postgres, job)[0]
    assert (status, user) == ("succeeded", "postgres")
    assert message


@pytest.mark.usefixtures("standin")
def test_a_job_of_seconds_runs_again_and_again(as_postgres: Database, job: str) -> None:
    """An interval in seconds is kept."""
    as_postgres.execute("select cron.schedule(%s, '1 seconds', 'select 1')", (job,))
    assert wait_until(lambda: len(_runs(as_postgres, job)) >= 2, 10)
    assert _runs(as_postgres, job)[0] == ("succeeded", "SELECT 1", "postgres")


@pytest.mark.usefixtures("standin")
def test_a_failing_job_is_recorded(as_postgres: Database, job: str) -> None:
    """The error of a job is kept, and the job runs again."""
    as_postgres.execute("select cron.schedule(%s, '1 second', 'select 1/0')", (job,))
    assert wait_until(lambda: len(_runs(as_postgres, job)) >= 2, 10)
    status, message, _ = _runs(as_postgres, job)[0]
    assert status == "failed"
    assert "division by zero" in message


@pytest.mark.usefixtures("standin")
def test_a_slow_job_does_not_overlap_itself(as_postgres: Database, job: str) -> None:
    """A job that is still running is not started again."""
    as_postgres.execute("select cron.schedule(%s, '1 second', 'select pg_sleep(2.5)')", (job,))
    assert wait_until(lambda: bool(_runs(as_postgres, job)), 10)
    overlaps = as_postgres.execute(
        "select count(*) from cron.job_run_details as a join cron.job_run_details as b "
        "on a.jobid = b.jobid and a.runid < b.runid and b.start_time < a.end_time"
    ).fetchone()
    assert overlaps == (0,)


def test_scheduling_a_name_again_changes_the_job(as_postgres: Database, job: str) -> None:
    """A name stands for one job; unscheduling it removes it."""
    make = "select cron.schedule(%s, %s, 'select 1')"
    first = as_postgres.execute(make, (job, "0 4 * * *")).fetchone()
    again = as_postgres.execute(make, (job, "0 5 * * *")).fetchone()
    kept = as_postgres.execute(
        "select schedule, username from cron.job where jobname = %s", (job,)
    ).fetchall()
    assert first == again
    assert kept == [("0 5 * * *", "postgres")]
    as_postgres.execute("select cron.unschedule(%s)", (job,))
    assert not as_postgres.execute("select from cron.job where jobname = %s", (job,)).fetchall()


@pytest.mark.parametrize("schedule", ["", "every minute", "* * * *", "61 seconds"])
def test_what_is_no_schedule_is_refused(as_postgres: Database, schedule: str) -> None:
    """A wrong schedule is an error at once, not a job that never runs."""
    with pytest.raises(psycopg.Error, match="invalid schedule"):
        as_postgres.execute("select cron.schedule('wrong', %s, 'select 1')", (schedule,))


@pytest.mark.parametrize(
    ("schedule", "due"),
    [
        ("* * * * *", "2026-03-01T12:31:00"),
        ("*/5 * * * *", "2026-03-01T12:35:00"),
        ("0 3 * * *", "2026-03-02T03:00:00"),
        ("0 4 * * 1-5", "2026-03-02T04:00:00"),
        ("@hourly", "2026-03-01T13:00:00"),
        ("30 seconds", "2026-03-01T12:31:00"),
        ("1 second", "2026-03-01T12:30:31"),
    ],
)
def test_the_next_run_follows_from_the_schedule(schedule: str, due: str) -> None:
    """Schedules are read in UTC, as pg_cron reads them."""
    now = datetime(2026, 3, 1, 12, 30, 30, tzinfo=UTC)  # a Sunday
    assert next_run(schedule, now) == datetime.fromisoformat(due).replace(tzinfo=UTC)
