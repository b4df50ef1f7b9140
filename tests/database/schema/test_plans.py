"""With a hundred thousand rows in each table, what runs often reads only what it needs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, LiteralString

import pytest
from psycopg.types.json import Jsonb
from tests.database.healing.policy import POLICY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Sql
    from tests.database.conftest import Patterns

TABLES = [
    "system_logs",
    "pattern_incidents",
    "pattern_claims",
    "pattern_applications",
    "pattern_verifications",
]
"""The tables that grow with every error; none of them may be read from end to end."""

VIEWER = "00000000-0000-4000-8000-000000000001"
"""The person who opens the pages."""

FEW = 1000
"""Rows of a table that may be read in their order all the same."""

# An error a second over the last day and a bit, of 200 patterns; every one was healed.
_FILL: list[LiteralString] = [
    """insert into ops.system_logs
         (id, created_at, log_level, message, source, written_by, metadata)
       select -n, now() - make_interval(secs => n), 'error', 'x', 'source ' || n %% 50,
         'service_role', jsonb_build_object('request_id', 'request ' || n / 2)
       from generate_series(1, 100000) as n""",
    """create temporary table made as
       select case when n = 0 then %(pattern)s::uuid else gen_random_uuid() end as pattern_id, n
       from generate_series(0, 199) as n""",
    """insert into ops.pattern_incidents
         (pattern_id, signature, system_log_id, occurred_at, learned_at)
       select made.pattern_id, 'x', -numbers.n, now() - make_interval(secs => numbers.n),
         now() - make_interval(secs => numbers.n)
       from generate_series(1, 100000) as numbers (n) join made on made.n = numbers.n %% 200""",
    """insert into ops.pattern_claims
         (application_id, pattern_id, system_log_id, fix_version, sha256, error, policy,
          claimed_at, lease_until, finished_at)
       select gen_random_uuid(), made.pattern_id, -numbers.n, 1, 'x', '{}', %(policy)s,
         now() - make_interval(secs => numbers.n), now() - make_interval(secs => numbers.n),
         now() - make_interval(secs => numbers.n)
       from generate_series(1, 100000) as numbers (n) join made on made.n = numbers.n %% 200""",
    """insert into ops.pattern_applications
         (application_id, pattern_id, system_log_id, applied_at, success, system_state_after)
       select application_id, pattern_id, system_log_id, claimed_at, true, '{"rows_touched": 1}'
       from ops.pattern_claims where system_log_id < 0""",
    # The runs of the last ten minutes are pending, some of the last day are verified.
    """insert into ops.pattern_verifications
         (application_id, pattern_id, fix_version, mode, source, started_at, due_at, late_until,
          outcome, decided_at, policy)
       select application_id, pattern_id, 1, 'live', 'source 1', claimed_at,
         claimed_at + interval '10 minutes', claimed_at + interval '1 day',
         outcome, case when outcome <> 'pending' then now() end, policy
       from ops.pattern_claims
       cross join lateral (
         select case when claimed_at > now() - interval '10 minutes' then 'pending'
           when system_log_id %% 50 = 0 then 'verified' else 'inconclusive' end as outcome
       ) as outcomes
       where system_log_id < 0""",
    """update ops.error_patterns set metadata = '{"symptom": "look elsewhere"}'
       where pattern_id = %(pattern)s""",
]


@pytest.fixture
def filled(admin: Sql, patterns: Patterns) -> Iterator[str]:
    """The pattern of a fix, in tables that are full until the end of the test."""
    pattern_id = patterns.new()
    patterns.approve(pattern_id)
    with admin.undone():
        # Neither webhooks nor a check of each foreign key: the rows are there to be in the way.
        admin.run("set local session_replication_role = replica")
        admin.run("truncate ops.system_logs cascade")  # what other tests left
        for statement in _FILL:
            values = {"pattern": pattern_id, "policy": Jsonb(POLICY)}
            admin.connection.execute(statement, values)
        admin.run("insert into ops.operators (user_id, role) values (%s, 'ops_viewer')", VIEWER)
        admin.run("set local session_replication_role = origin")
        admin.run("select set_config('request.jwt.claims', %s, true)", json.dumps({"sub": VIEWER}))
        for table in TABLES:
            admin.connection.execute(f"analyze ops.{table}".encode())
        admin.run("select ops_internal.count_figures()")  # as a job does each minute
        yield pattern_id


def _reads(sql: Sql) -> dict[str, int]:
    rows = sql.rows(
        """select relname, seq_tup_read from pg_stat_xact_user_tables
           where schemaname = 'ops' and relname = any(%s)""",
        TABLES,
    )
    return {row["relname"]: row["seq_tup_read"] for row in rows}


CALLS: dict[str, LiteralString] = {
    "verify": "select ops.verify_applications_v1()",
    "recover": "select ops.recover_applications_v1()",
    "unhandled": "select count(*) from ops_internal.unhandled_ids('30 seconds', '15 minutes')",
    "laws": """select ops_internal.judge_laws(
      ops_internal.latest_fix(%(pattern)s), null, '', '[]', %(policy)s)""",
    "hold": "select ops_internal.hold(ops_internal.latest_fix(%(pattern)s))",
    "judge": "select ops_internal.judge_pattern(%(pattern)s)",
    "window": "select ops_internal.silence_window(%(pattern)s, %(policy)s)",
    "links": "select ops_internal.link_symptoms()",
    "firing": "select ops_internal.firing_patterns(%(pattern)s, 60)",
}


PAGES: dict[str, LiteralString] = {
    "frame": "select ops.console_frame_v1()",
    "mark": "select ops.console_mark_v1()",
    "inbox": "select ops.console_inbox_v1()",
    "sources": "select ops.console_sources_v1()",
    "pattern": "select ops.console_pattern_page_v1(%(pattern)s)",
    "similar": "select ops.similar_patterns_v1(%(pattern)s)",
    "fix": "select ops.console_fix_v1(%(pattern)s, 1, %(policy)s)",
    "propose": "select ops.console_propose_v1(%(pattern)s)",
    "applications": "select ops.console_applications_v1()",
    "held back": "select ops.console_held_back_v1()",
    "statistics": "select ops.console_statistics_v1()",
    "review": "select ops.console_review_v1(current_date)",
    "constitution": "select ops.console_constitution_v1()",
    "clusters": "select ops.console_clusters_v1()",
    "delivery": "select ops.console_delivery_v1()",
    "settings": "select ops.console_settings_v1()",
}
"""What pages of the console ask when they are opened."""


@pytest.mark.parametrize("plans", ["force_custom_plan", "force_generic_plan"])
@pytest.mark.parametrize("calls", [CALLS, PAGES], ids=["engine", "console"])
def test_what_runs_often_reads_no_table_from_end_to_end(
    admin: Sql, filled: str, calls: dict[str, LiteralString], plans: str
) -> None:
    """Each question is answered by indexes, within ten seconds on the slowest machine.

    A connection that was used often may have plans that were made for any values.
    """
    admin.run("set local statement_timeout = '10s'")
    admin.run("select set_config('plan_cache_mode', %s, true)", plans)
    values = {"pattern": filled, "policy": Jsonb(POLICY)}
    read: dict[str, dict[str, int]] = {}
    for name, call in calls.items():
        before = _reads(admin)
        admin.connection.execute(call, values)
        after = _reads(admin)
        read[name] = {
            table: after[table] - before.get(table, 0)
            for table in after
            if after[table] - before.get(table, 0) > FEW
        }
    assert read == {name: {} for name in calls}


def test_no_page_waits_for_a_compiler(admin: Sql) -> None:
    """What a person waits for is read by indexes; compiling it takes longer than running it."""
    compiled = admin.rows(
        """select functions.oid::regprocedure::text as name
           from pg_proc as functions
           where functions.pronamespace = 'ops_internal'::regnamespace
             and functions.prosecdef
             and functions.proname like 'console\\_%%'
             and not coalesce('jit=off' = any(functions.proconfig), false)"""
    )
    assert compiled == []
