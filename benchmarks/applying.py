"""Applying a fix: the time and the round trips beside the script itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
from benchmarks.result import Result, side_by_side
from benchmarks.stack import Counted, fresh_stack, settings_of

from pattern_engine import fixes
from pattern_engine.api.callers import ENGINE
from pattern_engine.healing import application
from pattern_engine.healing.models import ApplyRequest
from pattern_engine.learning import counting
from pattern_engine.learning.recording import record
from pattern_engine.learning.sightings import sighted

if TYPE_CHECKING:
    from collections.abc import Iterator

ROUNDS = 100
#: Type of fix → the smallest script that does something.
SCRIPTS = {
    "sql": "update stock set amount = 1 where id = 1",
    "typescript": "export default async function fix() { return 1; }",
}
#: The calls that run the script itself: a SQL fix runs inside one call.
CALLS_OF_SCRIPT = {"sql": 1, "typescript": 0}


def run() -> Iterator[Result]:
    """Measure on a new stack, with limits so high that no run is refused."""
    with fresh_stack() as status:
        loose = {"cooldown_seconds": 0, "runs_per_hour": 100_000, "runs_per_incident": 1_000}
        database = Counted(settings_of(status, **loose))
        with psycopg.connect(status["admin_db_url"], autocommit=True) as connection:
            connection.execute(_STOCK)
            for kind in SCRIPTS:
                yield from _measured(kind, database, connection)


def _measured(
    kind: str, database: Counted, connection: psycopg.Connection[Any]
) -> Iterator[Result]:
    message = f"the {kind} shelf is empty"
    (learned,) = counting.count(database, [record(sighted(message, source="shelves"))])
    approve(kind, learned["pattern_id"], connection)

    def apply() -> None:
        connection.execute(_VERIFY_LAST_RUN)
        with connection.transaction():
            connection.execute("set local role service_role")
            row = connection.execute(_LOG_ROW, (message,)).fetchone()
        request = ApplyRequest(
            error_message=message, error_source="shelves", system_log_id=row and row[0]
        )
        answer = application.apply(request, ENGINE, database, database.settings)
        if not answer.success:
            raise RuntimeError(f"the fix of type {kind} failed: {answer.reason}")

    apply()
    database.calls = 0
    apply()
    calls = database.calls - CALLS_OF_SCRIPT[kind]
    yield Result(f"round trips beside the script, {kind}", calls, "", wanted="≤ 3")
    rounds = ROUNDS if kind == "sql" else ROUNDS // 5
    median = side_by_side({"ping": database.ping, "apply": apply}, rounds=rounds, warm_up=5)
    floor = ("an empty RPC through the same gateway", median["ping"])
    yield Result(f"apply a fix, script included, {kind}", median["apply"], "ms", *floor)


def approve(
    kind: str,
    pattern_id: str,
    connection: psycopg.Connection[Any],
    *,
    script: str | None = None,
    target: list[str] | None = None,
) -> None:
    """Store a script, by default the smallest of its type, as an approval stores it."""
    script = script or SCRIPTS[kind]
    analysis = fixes.analyse(kind, script, {})
    if analysis.findings:
        raise RuntimeError(f"the script of type {kind} is refused: {analysis.findings}")
    values = {
        "pattern": pattern_id,
        "type": kind,
        "script": script,
        "target": target or [],
        "prepared": analysis.prepared_script,
        "tables": list(analysis.tables),
        "hosts": list(analysis.hosts),
        "sample_table": analysis.sample.table if analysis.sample else None,
        "sample": analysis.sample.before if analysis.sample else None,
    }
    with psycopg.ClientCursor(connection) as cursor:
        cursor.execute(_APPROVED, values)


_STOCK = """
create table public.stock (id integer primary key, amount integer);
insert into public.stock values (1, 0);
select ops_internal.grant_fixer('public.stock', '{select,update}');
"""
_LOG_ROW = """
insert into ops.system_logs (message, source, log_level) values (%s, 'shelves', 'info') returning id
"""
# Mark the last run as verified. Otherwise this error would count as its recurrence.
_VERIFY_LAST_RUN = """
update ops.pattern_verifications
set outcome = 'verified', decided_at = now(), late_until = now()
where outcome = 'pending'
"""
_APPROVED = """
insert into ops.pattern_fixes (
  pattern_id, version, fix_type, script, prepared_script, parameters, timeout_ms, max_retries,
  max_rows, trusted_writers, target, tables, hosts, secrets, sha256, approved_by, sample_table,
  sample_script
)
values (
  %(pattern)s, 1, %(type)s, %(script)s, %(prepared)s, '{}', 5000, 0,
  1000, '{service_role}', %(target)s, %(tables)s, %(hosts)s, '{}', 'later', gen_random_uuid(),
  %(sample_table)s, %(sample)s
);
alter table ops.pattern_fixes disable trigger user;
update ops.pattern_fixes as fixes set sha256 = ops_internal.fix_digest(fixes)
where pattern_id = %(pattern)s;
alter table ops.pattern_fixes enable trigger user;
update ops.error_patterns set
  auto_fix_enabled = true, has_running_fix = true, human_approved = true, approved_at = now(),
  auto_fix_script = %(script)s, auto_fix_type = %(type)s, auto_fix_parameters = '{}'
where pattern_id = %(pattern)s;
"""
