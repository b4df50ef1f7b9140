"""Claiming an error, and finding the fix of many, where a pattern has few or very many runs."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, LiteralString

import psycopg
from benchmarks.applying import approve
from benchmarks.result import Result, side_by_side
from benchmarks.stack import Counted, fresh_stack, settings_of
from psycopg.types.json import Jsonb

from pattern_engine.healing import candidates
from pattern_engine.laws.circumstances import Circumstances
from pattern_engine.laws.parts import parts
from pattern_engine.learning import counting
from pattern_engine.learning.recording import record
from pattern_engine.learning.sightings import sighted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pattern_engine.laws.parts import Part

ROUNDS = 100
FEW, MANY = 10, 10_000
#: Errors of one webhook.
DELIVERY = 500
#: What the watched runs have in common with the one that is claimed.
KINDS = {"other targets": False, "the same target": True}
#: Errors so different that each is a pattern of its own.
MESSAGES = itertools.cycle(
    (
        "the left shelf is empty",
        "no ladder reaches the upper floor",
        "cannot open door of hall",
        "bell rang twice without any visitor outside",
    )
)


def run() -> Iterator[Result]:
    """Measure on a new stack, with limits so high that no claim is refused."""
    loose = {
        "cooldown_seconds": 0,
        "runs_per_hour": 1_000_000,
        "runs_per_incident": 1_000,
        "errors_at_maximum": 1_000_000,
        "storm_patterns": 10_000,
    }
    with fresh_stack() as status:
        database = Counted(settings_of(status, **loose))
        with psycopg.connect(status["admin_db_url"], autocommit=True) as connection:
            connection.execute("select cron.alter_job(jobid, active := false) from cron.job")
            for kind, is_same in KINDS.items():
                yield _claims(kind, database, connection, is_same=is_same)
            yield _search(database)


def _search(database: Counted) -> Result:
    """Compare the search for the fixes of a full delivery to that for one error."""
    sighting = sighted(next(MESSAGES), source="shelves")
    delivery = [sighting] * DELIVERY
    median = side_by_side(
        {
            "one": lambda: candidates.find(database, [sighting]),
            "many": lambda: candidates.find(database, delivery),
        },
        rounds=ROUNDS // 5,
        warm_up=5,
    )
    name = f"find the fix of {DELIVERY} errors of one pattern"
    return Result(name, median["many"], "ms", "of one error", median["one"])


def _claims(
    kind: str, database: Counted, connection: psycopg.Connection[Any], *, is_same: bool
) -> Result:
    """Compare a claim of a pattern with very many watched runs to one of a pattern with few."""
    actions: dict[str, Callable[[], object]] = {}
    for count in (FEW, MANY):
        (learned,) = counting.count(database, [record(sighted(next(MESSAGES), source="shelves"))])
        pattern_id = learned["pattern_id"]
        approve("sql", pattern_id, connection)
        values = {"pattern": pattern_id, "count": count, "same": is_same}
        with connection.transaction():
            # Only their being there matters: no webhook is to be called for them.
            connection.execute("set local session_replication_role = replica")
            connection.execute(_WATCHED, values | {"policy": Jsonb(_policy(database))})
        actions[str(count)] = lambda pattern_id=pattern_id: _claim(  # type: ignore[misc]
            pattern_id, database, connection
        )
    connection.execute("vacuum analyze")
    median = side_by_side(actions, rounds=ROUNDS, warm_up=10)
    return Result(
        f"claim among {MANY:,} watched runs of {kind}",
        median[str(MANY)],
        "ms",
        f"among {FEW}",
        median[str(FEW)],
        "ratio < 1.2",
    )


def _parts(database: Counted) -> list[Part]:
    return parts(Circumstances(now=datetime.now(UTC)), database.settings.thresholds)


def _policy(database: Counted) -> dict[str, float]:
    return database.settings.thresholds.policy()


def _claim(pattern_id: str, database: Counted, connection: psycopg.Connection[Any]) -> None:
    """Claim an error as the engine does, and take it back."""
    values = {
        "pattern": pattern_id,
        "parts": Jsonb([part._asdict() for part in _parts(database)]),
        "error": Jsonb({"message": "x", "source": "shelves", "captured": {}}),
        "policy": Jsonb(_policy(database)),
    }
    with connection.transaction(force_rollback=True):
        connection.execute("set local role service_role")
        row = connection.execute(_CLAIM, values).fetchone()
    if row is None or row[0]["refusal"] is not None:
        raise RuntimeError(f"the claim was refused: {row}")


_CLAIM: LiteralString = """
select ops.claim_application_v1(
  pattern_id, null, version, sha256, %(parts)s, %(error)s, '', %(policy)s
)
from ops.pattern_fixes where pattern_id = %(pattern)s
"""
_WATCHED = """
with numbers as (
  select n, now() - interval '70 minutes' - n * interval '20 hours' / %(count)s as moment
  from generate_series(1, %(count)s) as n
),

logs as (
  insert into ops.system_logs (created_at, log_level, message, source, written_by)
  select moment - interval '1 second', 'error', 'x', 'shelves', 'service_role' from numbers
  returning id, created_at + interval '1 second' as moment
),

watched as (
  select
    logs.id, logs.moment, gen_random_uuid() as application_id,
    case when %(same)s then '' else md5(logs.id::text) end as target
  from logs
),

incidents as (
  insert into ops.pattern_incidents (pattern_id, signature, system_log_id, occurred_at, target)
  select patterns.pattern_id, patterns.pattern_signature, watched.id, watched.moment, watched.target
  from watched inner join ops.error_patterns as patterns on patterns.pattern_id = %(pattern)s
),

claims as (
  insert into ops.pattern_claims (
    application_id, pattern_id, system_log_id, fix_version, sha256, target, source, error, policy,
    claimed_at, lease_until, finished_at
  )
  select
    application_id, %(pattern)s, id, 1, 'x', target, 'shelves', '{}', '{}', moment, moment, moment
  from watched
  returning application_id
),

applications as (
  insert into ops.pattern_applications (
    application_id, pattern_id, applied_at, success, system_state_after
  )
  select application_id, %(pattern)s, moment, true, '{"rows_touched": 1}' from watched
)

insert into ops.pattern_verifications (
  application_id, pattern_id, fix_version, mode, target, source, started_at, due_at, late_until,
  outcome, decided_at, policy
)
select
  application_id, %(pattern)s, 1, 'live', target, 'shelves', moment, moment + interval '5 minutes',
  moment + interval '1 day', 'verified', now(), %(policy)s
from watched
"""
