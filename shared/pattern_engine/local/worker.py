"""The background workers of `pg_net` and `pg_cron` in one process, as a hosted database has them.

`python -m pattern_engine.local.worker SOCKET_DIRECTORY PORT [--schedules]` logs in over the socket,
which needs no password. `--schedules` also runs the jobs of pg_cron, for a server without it.
"""

import argparse
import asyncio
import logging
import signal
from contextlib import AsyncExitStack

import psycopg

from pattern_engine.local.deliveries import AsyncConnection, RequestSender
from pattern_engine.local.postgres import DATABASE, SUPERUSER
from pattern_engine.local.schedules import Scheduler

logger = logging.getLogger(__name__)

_APPLICATION = "pattern-engine worker"
_RECONNECT_SECONDS = 0.5


async def work(socket_directory: str, port: int, *, schedules: bool) -> None:
    """Send requests, and run schedules if `schedules` is set, until cancelled.

    After a lost connection, and after any other error, it connects again and goes on: the database
    may recover from a crash, and a table that was locked or missing may be there again.
    """
    while True:
        try:
            await _work_while_connected(socket_directory, port, schedules=schedules)
        except* psycopg.OperationalError as errors:
            logger.warning("the connection was lost, connecting again: %s", errors.exceptions[0])
        except* Exception as errors:
            logger.exception("connecting again after: %s", errors.exceptions[0])
        await asyncio.sleep(_RECONNECT_SECONDS)


async def _work_while_connected(socket_directory: str, port: int, *, schedules: bool) -> None:
    async def log_in(user: str, database: str) -> AsyncConnection:
        return await psycopg.AsyncConnection.connect(
            host=socket_directory,
            port=port,
            user=user,
            dbname=database,
            application_name=_APPLICATION,
            autocommit=True,
        )

    async with AsyncExitStack() as opened, asyncio.TaskGroup() as tasks:

        async def connect() -> AsyncConnection:
            return await opened.enter_async_context(await log_in(SUPERUSER, DATABASE))

        tasks.create_task(RequestSender(await connect(), await connect()).run())
        if schedules:
            tasks.create_task(Scheduler(await connect(), log_in).run())
        logger.info("ready")


async def _work_until_sigterm(options: argparse.Namespace) -> None:
    working = asyncio.create_task(
        work(options.socket_directory, options.port, schedules=options.schedules)
    )
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, working.cancel)
    try:
        await working
    except asyncio.CancelledError:
        logger.info("stopped")


def main() -> None:
    """Run the worker until SIGTERM."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("socket_directory")
    parser.add_argument("port", type=int)
    parser.add_argument("--schedules", action="store_true")
    asyncio.run(_work_until_sigterm(parser.parse_args()))


if __name__ == "__main__":
    main()
