"""Run the jobs of `cron.job` if the server does not have the real pg_cron."""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import psycopg
from croniter import croniter
from psycopg.rows import class_row

logger = logging.getLogger(__name__)

_SECONDS = re.compile(r"\s*(\d+)\s+seconds?\s*", re.IGNORECASE)
_TICK_SECONDS = 1.0
_JOBS = "select jobid, schedule, command, database, username from cron.job where active"
_START = """
insert into cron.job_run_details (jobid, job_pid, database, username, command, status, start_time)
values (%s, %s, %s, %s, %s, 'running', clock_timestamp())
returning runid
"""
_FINISH = """
update cron.job_run_details
set status = %s, return_message = %s, end_time = clock_timestamp()
where runid = %s
"""
# Runs that were under way when the worker was ended.
_ABANDONED = """
update cron.job_run_details
set status = 'failed', return_message = 'server restarted', end_time = clock_timestamp()
where status = 'running'
"""

AsyncConnection = psycopg.AsyncConnection[tuple[object, ...]]
LogIn = Callable[[str, str], Awaitable[AsyncConnection]]


@dataclass(frozen=True)
class Job:
    """One row of `cron.job`."""

    jobid: int
    schedule: str
    command: str
    database: str
    username: str


def next_run(schedule: str, after: datetime) -> datetime:
    """Return the next time at which a schedule is due.

    Args:
        schedule: Cron format in UTC, as with pg_cron, or a number of seconds: "30 seconds".
        after: The last time it was due; with a time zone.
    """
    every = _SECONDS.fullmatch(schedule)
    if every:
        return after + timedelta(seconds=int(every[1]))
    due: datetime = croniter(schedule.strip(), after).get_next(datetime)
    return due


class Scheduler:
    """Starts the jobs that are due, once a second; two runs of one job never overlap."""

    def __init__(self, connection: AsyncConnection, log_in: LogIn) -> None:
        """Keep the connection for the tables of cron, and the function that logs in as a user."""
        self._connection = connection
        self._log_in = log_in
        self._due: dict[tuple[int, str], datetime] = {}
        self._running: dict[int, asyncio.Task[None]] = {}
        self._statement = asyncio.Lock()

    async def run(self) -> None:
        """Run jobs until cancelled."""
        await self._connection.execute(_ABANDONED)
        while True:
            await self._start_due_jobs(datetime.now(UTC))
            await asyncio.sleep(_TICK_SECONDS)

    async def _start_due_jobs(self, now: datetime) -> None:
        jobs = await self._jobs()
        known = {(job.jobid, job.schedule) for job in jobs}
        self._due = {key: due for key, due in self._due.items() if key in known}
        for job in jobs:
            self._start_if_due(job, now)

    async def _jobs(self) -> list[Job]:
        async with self._statement, self._connection.cursor(row_factory=class_row(Job)) as cursor:
            await cursor.execute(_JOBS)
            return await cursor.fetchall()

    def _start_if_due(self, job: Job, now: datetime) -> None:
        key = (job.jobid, job.schedule)
        try:
            if key not in self._due:
                self._due[key] = next_run(job.schedule, now)
            if now < self._due[key] or job.jobid in self._running:
                return
            self._due[key] = next_run(job.schedule, now)
        except ValueError as error:
            logger.warning(
                "job %d was not run, since its schedule cannot be read: %s", job.jobid, error
            )
            return
        task = asyncio.create_task(self._run_job(job))
        self._running[job.jobid] = task
        task.add_done_callback(lambda done: self._finished(job, done))

    def _finished(self, job: Job, task: "asyncio.Task[None]") -> None:
        del self._running[job.jobid]
        if not task.cancelled() and (error := task.exception()):
            logger.error("the run of job %d was not recorded: %s", job.jobid, error)

    async def _run_job(self, job: Job) -> None:
        try:
            connection = await self._log_in(job.username, job.database)
        except psycopg.Error as error:
            run = await self._record_start(job, None)
            await self._record_end(run, "failed", str(error))
            return
        async with connection:
            run = await self._record_start(job, connection.info.backend_pid)
            status, message = await _execute(connection, job.command)
            await self._record_end(run, status, message)

    async def _record_start(self, job: Job, pid: int | None) -> object:
        row = (job.jobid, pid, job.database, job.username, job.command)
        async with self._statement:
            run = await (await self._connection.execute(_START, row)).fetchone()
        return run[0] if run else None

    async def _record_end(self, run: object, status: str, message: str) -> None:
        async with self._statement:
            await self._connection.execute(_FINISH, (status, message, run))


async def _execute(connection: AsyncConnection, command: str) -> tuple[str, str]:
    try:
        cursor = await connection.execute(command.encode())
    except psycopg.Error as error:
        return "failed", f"ERROR: {error}"
    return "succeeded", cursor.statusmessage or ""
