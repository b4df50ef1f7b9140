"""What a claim and a search for fixes read grows neither with the runs nor with the errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, LiteralString

import pytest
from psycopg.types.json import Jsonb
from tests.database.healing.policy import PARTS, POLICY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Sql
    from tests.database.conftest import Patterns

# Verified runs of the last day, which a late recurrence could overturn, each with its error.
_WATCHED: LiteralString = """
with numbers as (
  select n, now() - interval '2 hours' - make_interval(secs => n) as moment
  from generate_series(1, %(count)s) as n
),

incidents as (
  insert into ops.pattern_incidents (pattern_id, signature, occurred_at, target)
  select patterns.pattern_id, patterns.pattern_signature, numbers.moment,
    case when %(target)s = '' then null else %(target)s || numbers.n end
  from numbers inner join ops.error_patterns as patterns on patterns.pattern_id = %(pattern)s
),

claims as (
  insert into ops.pattern_claims
    (pattern_id, fix_version, sha256, target, error, policy, claimed_at, finished_at)
  select %(pattern)s, 1, 'x', case when %(target)s = '' then '' else %(target)s || n end, '{}',
    %(policy)s, moment, moment
  from numbers
  returning *
)

insert into ops.pattern_verifications
  (application_id, pattern_id, fix_version, mode, target, started_at, due_at, late_until, outcome,
   decided_at, policy)
select application_id, pattern_id, 1, 'live', target, claimed_at, claimed_at + interval '5 minutes',
  claimed_at + interval '1 day', 'verified', now(), policy
from claims
"""
_CLAIM: LiteralString = """
select ops.claim_application_v1(
  pattern_id, null, version, sha256, %(parts)s, '{"message": "x", "source": "tests"}', %(target)s,
  %(policy)s
)
from ops.pattern_fixes where pattern_id = %(pattern)s
"""
_READS: LiteralString = """
select sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::bigint
from pg_stat_xact_user_tables
where relid in ('ops.pattern_verifications'::regclass, 'ops.pattern_claims'::regclass)
"""
FEW, MANY = 10, 3_000


@pytest.fixture
def quiet(admin: Sql) -> Iterator[Sql]:
    """A transaction in which rows can be stored without webhooks; rolled back at the end."""
    with admin.undone():
        admin.run("set local session_replication_role = replica")
        yield admin


def _reads(sql: Sql, statement: LiteralString, **values: object) -> int:
    """Return how many rows of runs and their verdicts a statement reads.

    Those of other tables depend on what other tests left there: their errors are the load.
    """
    before: int = sql.value(_READS)
    sql.connection.execute(statement, values)
    after: int = sql.value(_READS)
    return after - before


@pytest.mark.parametrize("target", ["", "order "])
def test_a_claim_reads_the_same_among_few_and_among_many_watched_runs(
    quiet: Sql, patterns: Patterns, target: str
) -> None:
    """Only the last runs for the claimed target are judged in a claim; the job judges the rest."""
    reads = []
    for count in (FEW, MANY):
        pattern_id = patterns.new()
        patterns.approve(pattern_id)
        values = {"pattern": pattern_id, "target": target, "policy": Jsonb(POLICY)}
        quiet.connection.execute(_WATCHED, values | {"count": count})
        quiet.run("analyze ops.pattern_verifications, ops.pattern_claims, ops.pattern_incidents")
        values["target"] = f"{target}1" if target else ""
        reads.append(_reads(quiet, _CLAIM, **values, parts=Jsonb(PARTS)))
    few, many = reads
    assert many <= few + 50


def test_a_claim_asks_once_and_not_for_each_error_who_counts(
    quiet: Sql, patterns: Patterns
) -> None:
    """The recent errors are counted for the load; who wrote each is compared with one list."""
    other, pattern_id = patterns.new(), patterns.new()
    patterns.approve(pattern_id)
    quiet.run(
        """with logs as (
             insert into ops.system_logs (message, written_by)
             select 'a flood', 'service_role' from generate_series(1, 2000) returning id
           )
           insert into ops.pattern_incidents (pattern_id, signature, system_log_id)
           select patterns.pattern_id, patterns.pattern_signature, logs.id
           from logs inner join ops.error_patterns as patterns on patterns.pattern_id = %s""",
        other,
    )
    of_settings: LiteralString = (
        "select (seq_tup_read + coalesce(idx_tup_fetch, 0))::bigint "
        "from pg_stat_xact_user_tables where relid = 'ops.project_settings'::regclass"
    )
    before = quiet.value(of_settings)
    values = {"pattern": pattern_id, "target": "", "policy": Jsonb(POLICY)}
    quiet.connection.execute(_CLAIM, values | {"parts": Jsonb(PARTS)})
    assert quiet.value(of_settings) - before < 200


def test_a_search_reads_a_fix_once_for_all_errors_of_its_pattern(
    quiet: Sql, patterns: Patterns
) -> None:
    """The fix, its guard and what holds it back are the same for all errors of a pattern."""
    signature = patterns.word("pattern")
    pattern_id = str(patterns.learn(patterns.error(signature))[0]["pattern_id"])
    patterns.approve(pattern_id)
    reads = []
    for count in (1, 500):
        query: list[dict[str, Any]] = [
            {"signatures": [signature], "system_log_id": None, "identifiers": {}}
        ] * count
        of_fixes: LiteralString = (
            "select (seq_tup_read + coalesce(idx_tup_fetch, 0))::bigint "
            "from pg_stat_xact_user_tables where relid = 'ops.pattern_fixes'::regclass"
        )
        before = quiet.value(of_fixes)
        found = quiet.value("select ops.find_candidates_v1(%s)", Jsonb(query))
        assert [each["fix"]["version"] for each in found] == [1] * count
        reads.append(quiet.value(of_fixes) - before)
    assert reads[1] < reads[0] + 10


def test_the_outcome_for_another_target_is_decided_by_the_job(
    quiet: Sql, patterns: Patterns
) -> None:
    """A claim leaves the runs for other targets open, and verify_applications_v1 decides them."""
    pattern_id = patterns.new()
    patterns.approve(pattern_id)
    values = {"pattern": pattern_id, "target": "order ", "policy": Jsonb(POLICY), "count": 2}
    quiet.connection.execute(_WATCHED, values)
    quiet.run(
        """update ops.pattern_verifications set outcome = 'pending', decided_at = null
           where pattern_id = %s""",
        pattern_id,
    )
    values = {"pattern": pattern_id, "target": "order 1", "policy": Jsonb(POLICY)}
    quiet.connection.execute(_CLAIM, values | {"parts": Jsonb(PARTS)})
    outcomes: LiteralString = (
        "select target, outcome from ops.pattern_verifications "
        "where pattern_id = %s order by target"
    )
    decided = [(row["target"], row["outcome"]) for row in quiet.rows(outcomes, pattern_id)]
    assert decided == [("order 1", "inconclusive"), ("order 2", "pending")]
    quiet.run("select ops.verify_applications_v1()")
    decided = [(row["target"], row["outcome"]) for row in quiet.rows(outcomes, pattern_id)]
    assert decided == [("order 1", "inconclusive"), ("order 2", "inconclusive")]
