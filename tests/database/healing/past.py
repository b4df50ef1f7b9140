"""Writes what happened to a pattern so far, row by row, and asks what the Four Laws say of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, LiteralString, Self

from psycopg.types.json import Jsonb
from tests.database.healing.policy import PARTS

from pattern_engine.thresholds import Thresholds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.conftest import Sql

USUAL = Thresholds().policy()

_ERRORS: LiteralString = """
insert into ops.system_logs (created_at, log_level, message, written_by)
select now() - make_interval(secs => %(seconds_ago)s), %(level)s, 'x', 'service_role'
from generate_series(1, %(count)s)
"""
_INCIDENTS: LiteralString = """
insert into ops.pattern_incidents (pattern_id, signature, occurred_at)
select %(pattern)s, 'x', now() - make_interval(secs => %(seconds_ago)s)
from generate_series(1, %(count)s)
"""
_RUNS: LiteralString = """
with claims as (
  insert into ops.pattern_claims
    (pattern_id, fix_version, sha256, purpose, undoes, target, error, policy, claimed_at)
  select %(pattern)s, %(version)s, 'x', %(purpose)s,
    case when %(purpose)s = 'undo' then gen_random_uuid() end, %(target)s, '{}', '{}',
    now() - make_interval(secs => %(seconds_ago)s)
  from generate_series(1, %(count)s)
  returning application_id
)

insert into ops.pattern_applications (application_id, pattern_id, success, system_state_after)
select application_id, %(pattern)s, true, jsonb_build_object('rows_touched', %(rows)s::int)
from claims
"""
_OUTCOMES: LiteralString = """
insert into ops.pattern_verifications
  (application_id, pattern_id, fix_version, mode, started_at, due_at, late_until, outcome,
   decided_at, overturned_at, policy)
select gen_random_uuid(), %(pattern)s, %(version)s, %(mode)s, moments.started, now(), now(),
  %(outcome)s, now(), now() - make_interval(secs => %(overturned)s), '{}'
from generate_series(1, %(count)s),
  lateral (select now() - make_interval(secs => %(seconds_ago)s) as started) as moments
"""
_JUDGE: LiteralString = """
select ops_internal.judge_laws(
  jsonb_populate_record(ops_internal.latest_fix(%(pattern)s), %(fix)s), %(taken)s, %(target)s,
  %(parts)s, %(policy)s
)
"""


@dataclass(frozen=True)
class Past:
    """What happened to one pattern, in a transaction in which nothing else did."""

    sql: Sql
    pattern_id: str

    def errors(self, count: int, seconds_ago: float = 10, level: str = "error") -> Self:
        """Log rows of whatever pattern."""
        return self._write(_ERRORS, count=count, seconds_ago=seconds_ago, level=level)

    def incidents(self, count: int, seconds_ago: float = 1_000) -> Self:
        """Errors of this pattern."""
        return self._write(_INCIDENTS, count=count, seconds_ago=seconds_ago)

    def runs(
        self,
        count: int,
        seconds_ago: float = 1_000,
        *,
        target: str = "another",
        rows: int = 0,
        purpose: str = "heal",
        version: int = 1,
    ) -> Self:
        """Runs of its fix, each of which touched so many rows."""
        return self._write(
            _RUNS,
            count=count,
            seconds_ago=seconds_ago,
            target=target,
            rows=rows,
            purpose=purpose,
            version=version,
        )

    def outcomes(
        self,
        count: int,
        outcome: str,
        seconds_ago: float = 100,
        *,
        mode: str = "live",
        version: int = 1,
        overturned: float | None = None,
    ) -> Self:
        """Decided outcomes of its fix; `overturned` is how many seconds ago that happened."""
        return self._write(
            _OUTCOMES,
            count=count,
            seconds_ago=seconds_ago,
            outcome=outcome,
            mode=mode,
            version=version,
            overturned=overturned,
        )

    def rated(self, **columns: object) -> Self:
        """Columns of the fix, as the rating of its outcomes leaves them."""
        self.sql.run(
            """update ops.pattern_fixes set
                 confidence_score = coalesce(%s, confidence_score),
                 confidence_lower_bound = %s,
                 confidence_outcomes = coalesce(%s, confidence_outcomes),
                 consecutive_failures = coalesce(%s, consecutive_failures)
               where pattern_id = %s""",
            columns.get("confidence_score"),
            columns.get("confidence_lower_bound"),
            columns.get("confidence_outcomes"),
            columns.get("consecutive_failures"),
            self.pattern_id,
        )
        return self

    def judged(
        self,
        policy: Mapping[str, float] | None = None,
        *,
        parts: list[dict[str, Any]] | None = None,
        fix: dict[str, Any] | None = None,
        taken: str | None = None,
        target: str = "",
    ) -> dict[str, Any]:
        """The verdict on a run now."""
        values = {
            "pattern": self.pattern_id,
            "fix": Jsonb(fix or {}),
            "taken": taken,
            "target": target,
            "parts": Jsonb(PARTS if parts is None else parts),
            "policy": Jsonb(USUAL | dict(policy or {})),
        }
        row = self.sql.connection.execute(_JUDGE, values).fetchone()
        assert row is not None
        verdict: dict[str, Any] = row["judge_laws"]
        return verdict

    def _write(self, statement: LiteralString, **values: object) -> Self:
        self.sql.connection.execute(statement, values | {"pattern": self.pattern_id})
        return self
