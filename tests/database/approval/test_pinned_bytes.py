"""Whatever decides what runs is in the digest: a stored fix that was changed never runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, LiteralString

import pytest
from tests.conftest import RefusedError

if TYPE_CHECKING:
    from tests.conftest import Person, Rest, Sql
    from tests.database.conftest import Orders, Patterns

#: Column → another value of it. Together with NOT_PINNED these are all columns of the table.
CHANGES: dict[LiteralString, LiteralString] = {
    "fix_type": "'bash'",
    "script": "script || ' '",
    "prepared_script": "prepared_script || ' '",
    "undo_script": "undo_script || ' '",
    "prepared_undo_script": "prepared_undo_script || ' '",
    "sample_table": "sample_table || 'x'",
    "sample_script": "sample_script || ' '",
    "parameters": """parameters || '{"more": 1}'""",
    "timeout_ms": "timeout_ms + 1",
    "max_retries": "max_retries + 1",
    "max_rows": "max_rows + 1",
    "trusted_writers": "array_append(trusted_writers, 'authenticated')",
    "target": "array_append(target, 'number')",
    "guard": """'[{"table": "*"}]'""",
    "tables": "array_append(tables, 'public.other')",
    "hosts": "array_append(hosts, 'example.com')",
    "secrets": 'secrets || \'{"token": ["example.com"]}\'',
    "sha256": "encode(sha256('x'), 'hex')",
}
#: What says when, by whom and why; what the engine and people change; and how well it does.
NOT_PINNED = {
    *("id", "pattern_id", "version", "proposal_id", "proposed_by", "dry_run_rows"),
    *("approved_by", "approved_at", "trusts_until", "disabled_by", "disabled_at"),
    *("disabled_reason", "mode", "mode_changed_at", "mode_changed_by", "mode_reason"),
    *("is_on_probation", "success_rate", "confidence_score", "confidence_lower_bound"),
    *("confidence_outcomes", "consecutive_failures", "rated_at", "ends_at", "max_heals", "heals"),
}


@pytest.fixture
def pattern_id(patterns: Patterns, orders: Orders) -> str:
    """A pattern with a fix that has all there is."""
    made = patterns.new()
    script = f"update {orders.name} set status = 'fixed' where id = 1"
    undo = f"update {orders.name} set status = 'broken' where id = 1"
    patterns.approve(
        made,
        script,
        undo_script=undo,
        prepared_undo_script=undo,
        sample_table=orders.name,
        sample_script=f"select to_jsonb(o.*) as row from {orders.name} as o where id = 1",
        tables=(orders.name,),
    )
    return made


@pytest.fixture
def tampering(admin: Sql) -> Sql:
    """A superuser whom no trigger stops."""
    admin.run("set session_replication_role = replica")
    return admin


def _change(sql: Sql, column: LiteralString, pattern_id: str) -> None:
    sql.run(
        f"update ops.pattern_fixes set {column} = {CHANGES[column]} where pattern_id = %s",
        pattern_id,
    )


def test_every_column_is_pinned_or_does_not_decide(database: Sql) -> None:
    """A column that is added is thought about here."""
    rows = database.rows("""
        select attname::text as name from pg_attribute
        where attrelid = 'ops.pattern_fixes'::regclass and attnum > 0 and not attisdropped
    """)
    assert {row["name"] for row in rows} == {*CHANGES, *NOT_PINNED}
    assert not NOT_PINNED & CHANGES.keys()


@pytest.mark.parametrize("column", CHANGES)
def test_a_changed_column_stops_the_run(
    engine: Rest,
    patterns: Patterns,
    orders: Orders,
    tampering: Sql,
    pattern_id: str,
    column: LiteralString,
) -> None:
    """PL006: nothing is touched, and it is told as critical."""
    run = patterns.claim(pattern_id)["application_id"]
    _change(tampering, column, pattern_id)
    outcome = patterns.run(run)
    assert outcome["success"] is False
    assert "differs from the approved fix" in outcome["error"]
    assert orders.count("fixed") == 0
    (row,) = engine.select("pattern_applications", application_id=f"eq.{run}")
    assert row["metadata"]["sqlstate"] == "PL006"
    (event,) = engine.select(
        "roman_events",
        event_type="eq.fix_refused",
        **{"metadata->>application_id": f"eq.{run}"},
    )
    assert event["severity"] == "critical"


@pytest.mark.parametrize("column", CHANGES)
def test_a_changed_column_is_told_to_the_engine(
    patterns: Patterns, orders: Orders, tampering: Sql, column: LiteralString
) -> None:
    """A candidate says that what is stored is not what was approved."""
    error = patterns.error()
    pattern_id = patterns.learn(error)[0]["pattern_id"]
    patterns.approve(
        pattern_id,
        undo_script="select 2",
        prepared_undo_script="select 2",
        sample_table=orders.name,
        sample_script="select 3",
    )
    found = patterns.find(error["signature"], identifiers={"table": "orders"})
    assert found["fix"]["stored_matches"] is True
    _change(tampering, column, pattern_id)
    found = patterns.find(error["signature"], identifiers={"table": "orders"})
    assert found["fix"]["stored_matches"] is False


@pytest.mark.parametrize("column", ["script", "prepared_undo_script", "max_rows"])
def test_a_changed_fix_takes_nothing_back(
    patterns: Patterns,
    orders: Orders,
    operator: Person,
    tampering: Sql,
    pattern_id: str,
    column: LiteralString,
) -> None:
    """The undo script is pinned with the rest of the fix."""
    run = patterns.claim(pattern_id)["application_id"]
    assert patterns.run(run)["success"] is True
    undo = operator.rest.call("start_rollback_v1", p_application_id=run, p_reason="wrong")
    _change(tampering, column, pattern_id)
    assert "differs from the approved fix" in patterns.run(undo["application_id"])["error"]
    assert orders.count("fixed") == 1


@pytest.mark.parametrize("column", ["script", "secrets", "timeout_ms"])
def test_a_changed_fix_is_not_given_out(
    patterns: Patterns, engine: Rest, tampering: Sql, column: LiteralString
) -> None:
    """PL006: what runs outside the database is checked when it is handed over, secrets and all."""
    pattern_id = patterns.new()
    patterns.approve(pattern_id, "true", type="bash")
    run = patterns.claim(pattern_id)["application_id"]
    _change(tampering, column, pattern_id)
    with pytest.raises(RefusedError) as refused:
        engine.call("application_job_v1", p_application_id=run)
    assert refused.value.code == "PL006"
