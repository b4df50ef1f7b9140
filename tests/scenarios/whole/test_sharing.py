"""The engine and the application share PostgREST's connections, and the engine takes few."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, LiteralString

from tests.conftest import Sql
from tests.waiting import eventually

from pattern_engine.settings import POSTGREST_CONNECTIONS

if TYPE_CHECKING:
    from tests.conftest import Rest
    from tests.scenarios.conftest import Fault, Functions

ERRORS = 60
WAITING: LiteralString = """
select count(distinct locks.pid) from pg_locks as locks
inner join pg_stat_activity as backends on backends.pid = locks.pid
where not locks.granted and backends.usename = 'authenticator'
"""


def test_the_application_goes_on_while_the_engines_tables_are_locked(
    engine: Rest, functions: Functions, fault: Fault, addresses: dict[str, Any], database: Sql
) -> None:
    """Inserts and reads pass while no error can be learned, and what was refused is learned later."""

    def use(number: int) -> int:
        row = {"message": fault.message(number), "source": "shop", "log_level": "error"}
        stored: int = engine.insert("system_logs", row)[0]["id"]
        assert engine.select("system_logs", id=f"eq.{stored}", select="id") == [{"id": stored}]
        return stored

    use(0)  # The local gateway reads the schema at the first request.
    with Sql(addresses["db_url"]) as other, ThreadPoolExecutor(40) as pool:
        other.run("begin")
        other.run("lock table ops.error_patterns in access exclusive mode")
        report = {"error_message": fault.message()}
        reports = [pool.submit(functions.call, "learn", report) for _ in range(30)]
        ids: list[int] = []
        waiting: list[int] = []
        for batch in range(1, ERRORS, 5):
            ids += pool.map(use, range(batch, batch + 5))
            waiting.append(database.value(WAITING))
        refused = [report.result() for report in reports]
        other.run("rollback")
    assert {answer.status_code for answer in refused} == {503}
    assert all(answer.headers["retry-after"] for answer in refused)
    assert 0 < max(waiting) <= POSTGREST_CONNECTIONS // 2
    count = "select count(*) from ops.pattern_incidents where system_log_id = any(%s)"

    def learned() -> bool:
        database.run("select ops_internal.send_unlearned('0 s')")
        time.sleep(0.5)
        return bool(database.value(count, ids) == len(ids))

    eventually(learned, 60)
