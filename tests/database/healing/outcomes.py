"""Makes time pass for a pattern, and runs of its fix end as a test wants them to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, LiteralString

from psycopg.types.json import Jsonb
from tests.database.healing.policy import POLICY

if TYPE_CHECKING:
    from tests.conftest import Rest, Sql
    from tests.database.conftest import Patterns

Writer = Literal["service_role", "authenticated"]
DAY = 86_400
WINDOW = 300
"""Seconds that an error of one occurrence has to stay away under the policy of these tests."""

_PAST = """
with passed as (select make_interval(secs => %(seconds)s) as time),

incidents as (
  update ops.pattern_incidents
  set occurred_at = occurred_at - passed.time, learned_at = learned_at - passed.time
  from passed where pattern_id = %(pattern)s
),

claims as (
  update ops.pattern_claims
  set claimed_at = claimed_at - passed.time, lease_until = lease_until - passed.time,
    finished_at = finished_at - passed.time
  from passed where pattern_id = %(pattern)s
),

-- Approval itself stays when it was; failures are counted from the last change of the mode.
fixes as (
  update ops.pattern_fixes set mode_changed_at = mode_changed_at - passed.time
  from passed where pattern_id = %(pattern)s and disabled_at is null
)

update ops.pattern_verifications
set started_at = started_at - passed.time, due_at = due_at - passed.time,
  late_until = late_until - passed.time
from passed where pattern_id = %(pattern)s
"""

_CLAIM: LiteralString = """
insert into ops.pattern_claims
  (pattern_id, fix_version, sha256, target, source, error, policy, lease_until)
select fixes.pattern_id, fixes.version, fixes.sha256, %s, %s, %s, %s, ops_internal.lease(fixes)
from ops.pattern_fixes as fixes
where fixes.pattern_id = %s
order by fixes.version desc
limit 1
returning application_id
"""


class Outcomes:
    """What becomes of the runs of patterns, without waiting for it."""

    def __init__(self, engine: Rest, database: Sql, patterns: Patterns) -> None:
        self._engine = engine
        self._database = database
        self._patterns = patterns

    def passes(self, pattern_id: str, seconds: float) -> None:
        """Move all that happened to a pattern so far into the past."""
        values = {"seconds": seconds, "pattern": pattern_id}
        self._database.connection.execute(_PAST, values)

    def traffic(
        self, source: str = "tests", seconds_ago: float = 1, writer: Writer = "service_role"
    ) -> None:
        """Have a source write a log row that is no error."""
        self._log("info", source, seconds_ago, writer)

    def occurs(
        self,
        pattern_id: str,
        seconds_ago: float = 0,
        target: str | None = None,
        writer: Writer = "service_role",
        signature: str | None = None,
    ) -> None:
        """Have the error of a pattern occur once more, by its first signature or another."""
        self._database.run(
            """insert into ops.pattern_incidents
                 (pattern_id, signature, system_log_id, occurred_at, target)
               select patterns.pattern_id, coalesce(%s, patterns.pattern_signature), logs.id,
                 logs.created_at, %s
               from ops.error_patterns as patterns, ops.system_logs as logs
               where patterns.pattern_id = %s and logs.id = %s""",
            signature,
            target,
            pattern_id,
            self._log("error", "tests", seconds_ago, writer),
        )

    def _log(self, level: str, source: str, seconds_ago: float, writer: Writer) -> int:
        """Write a log row that a trigger took for this role's; return its id."""
        written: int = self._database.value(
            """insert into ops.system_logs (log_level, message, source, created_at)
               values (%s, 'as it is', %s, clock_timestamp() - make_interval(secs => %s))
               returning id""",
            level,
            source,
            seconds_ago,
        )
        self._database.run(
            "update ops.system_logs set written_by = %s where id = %s", writer, written
        )
        return written

    def judge(self, pattern_id: str) -> int:
        """Decide what can be decided of a pattern; return how many were."""
        judged: int = self._database.value("select ops_internal.judge_pattern(%s)", pattern_id)
        return judged

    def begin(
        self,
        pattern_id: str,
        source: str = "tests",
        target: str = "",
        policy: dict[str, float] | None = None,
    ) -> str:
        """Claim a run, whatever the Four Laws say of it; return its id.

        They would stop a fix whose runs fail more often than they help.
        """
        policy = POLICY if policy is None else policy
        self.judge(pattern_id)
        claimed = self._database.value(
            _CLAIM, target, source, Jsonb({"source": source}), Jsonb(policy), pattern_id
        )
        return str(claimed)

    def finish(
        self, pattern_id: str, success: bool = True, source: str = "tests", **claim: Any
    ) -> str:
        """Have a run begin and end without running anything; return its id."""
        application_id = self.begin(pattern_id, source, **claim)
        self.record(application_id, success=success)
        return application_id

    def record(self, application_id: str, *, success: bool = True) -> None:
        """Have a claimed run end, as ops.run_application_v1 records it."""
        outcome = {"success": success, "error": None, "execution_time_ms": 1}
        self._database.value(
            "select ops_internal.record_application(claims, %s)"
            " from ops.pattern_claims as claims where claims.application_id = %s",
            Jsonb(outcome),
            application_id,
        )

    def settle(self, pattern_id: str, outcome: str, **claim: Any) -> str:
        """Have a run end verified (+), failed (-) or inconclusive (?); return its id."""
        source = self._patterns.word("source")
        application_id = self.finish(pattern_id, outcome != "-", source, **claim)
        self.passes(pattern_id, WINDOW + 1)
        if outcome == "+":
            self.traffic(source, WINDOW / 2)
        self.judge(pattern_id)
        names = {"+": "verified", "-": "failed", "?": "inconclusive"}
        assert self.of(application_id)["outcome"] == names[outcome]
        return application_id

    def of(self, application_id: str) -> dict[str, Any]:
        """Return the verification of a run."""
        return self._database.row(
            "select * from ops.pattern_verifications where application_id = %s", application_id
        )
