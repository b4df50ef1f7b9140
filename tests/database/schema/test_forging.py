"""What somebody with a stolen secret key tries with the record: it is refused, or the journal tells."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, LiteralString

import psycopg
import pytest
from psycopg.sql import SQL, Identifier
from tests.conftest import RefusedError
from tests.database.healing.policy import POLICY

if TYPE_CHECKING:
    from tests.conftest import Person, Rest, Sql
    from tests.database.conftest import Orders, Patterns

NOBODY = str(uuid.UUID(int=0))
# What the secret key never writes by hand, and what it might write there.
FORGED: dict[str, dict[str, Any]] = {
    "error_patterns": {"success_rate": 100, "approved_by": NOBODY, "auto_fix_enabled": True},
    "pattern_applications": {"success": True},
    "pattern_claims": {"finished_at": None, "claimed_by": NOBODY, "purpose": "undo"},
    "pattern_fixes": {"success_rate": 100, "approved_by": NOBODY},
    "pattern_verifications": {"outcome": "verified"},
    "fix_confirmations": {"confirmed_by": NOBODY},
    "fix_proposals": {"analysis": {}, "dry_run": {"rows_touched": 0}},
    "fix_pauses": {"ended_at": "2026-01-01T00:00:00Z"},
    "pattern_incidents": {"target": "another"},
    "pattern_signatures": {"created_at": "2000-01-01T00:00:00Z"},
    "roman_events": {"event_type": "pattern_approved"},
}


@pytest.fixture
def healed(patterns: Patterns) -> dict[str, Any]:
    """A pattern whose fix ran, by its ids."""
    pattern_id = patterns.new()
    patterns.approve(pattern_id)
    run = patterns.claim(pattern_id)["application_id"]
    patterns.run(run)
    return {"pattern_id": pattern_id, "application_id": run}


def _refused(code: str, rest: Rest, function: str, **arguments: object) -> None:
    with pytest.raises(RefusedError) as refused:
        rest.call(function, **arguments)
    assert refused.value.code == code


def _events(engine: Rest, event_type: str, **of: object) -> list[dict[str, Any]]:
    filters = {f"metadata->>{name}": f"eq.{value}" for name, value in of.items()}
    return engine.select("roman_events", event_type=f"eq.{event_type}", **filters)


@pytest.mark.parametrize(
    ("table", "column"), [(table, column) for table, row in FORGED.items() for column in row]
)
def test_the_secret_key_changes_nothing_of_the_record(
    engine: Rest, table: str, column: str
) -> None:
    """Neither an approval nor a run, an outcome or an event: every change by hand is refused."""
    with pytest.raises(RefusedError) as refused:
        engine.update(table, {column: FORGED[table][column]}, **{column: "not.is.null"})
    assert refused.value.code == "42501", refused.value.words
    with pytest.raises(RefusedError) as refused:
        engine.delete(table, **{column: "not.is.null"})
    assert refused.value.code == "42501"


def test_the_secret_key_makes_up_no_run(
    engine: Rest, patterns: Patterns, healed: dict[str, Any]
) -> None:
    """It inserts no claim, of any purpose, and no application: runs begin with a claim by the laws."""
    fix = patterns.fix(healed["pattern_id"])
    claim = {
        "pattern_id": healed["pattern_id"],
        "fix_version": 1,
        "sha256": fix["sha256"],
        "error": {},
        "policy": POLICY,
    }
    undo = {"purpose": "undo", "undoes": healed["application_id"]}
    for row in (claim, claim | undo, claim | {"claimed_by": fix["approved_by"]}):
        with pytest.raises(RefusedError) as refused:
            engine.insert("pattern_claims", row)
        assert refused.value.code == "42501"
    application = {"pattern_id": healed["pattern_id"], "success": True}
    with pytest.raises(RefusedError) as refused:
        engine.insert("pattern_applications", application)
    assert refused.value.code == "42501"


def test_nobody_says_that_a_sql_fix_went_well(
    engine: Rest, patterns: Patterns, orders: Orders
) -> None:
    """PL022: a run that went well has recorded itself; what did not run gets no good outcome."""
    pattern_id = patterns.new()
    patterns.approve(pattern_id, f"update {orders.name} set status = 'fixed' where id = 1")
    run = patterns.claim(pattern_id)["application_id"]
    for success in (True, "true", None):
        outcome = {"success": success, "error": None, "execution_time_ms": 1}
        _refused("PL022", engine, "finish_application_v1", p_application_id=run, p_outcome=outcome)
    assert engine.select("pattern_applications", application_id=f"eq.{run}") == []
    assert patterns.run(run)["success"] is True
    assert orders.count("fixed") == 1


def test_thresholds_that_no_claim_had_before_are_told(
    engine: Rest, patterns: Patterns, healed: dict[str, Any]
) -> None:
    """Whoever loosens the laws for a claim, by the settings or by the key, leaves an event; once."""
    log_ids = patterns.log_rows(2)
    unusual = POLICY | {"cooldown_seconds": 0.125, "runs_per_hour": 999_999_937}
    for log_id in log_ids:
        patterns.claim(healed["pattern_id"], log_id, p_policy=unusual)
    told = [
        event
        for event in _events(engine, "thresholds_changed")
        if event["metadata"]["thresholds"] == unusual
    ]
    assert [event["severity"] for event in told] == ["warning"]
    changed = told[0]["metadata"]["changed"]
    assert changed["runs_per_hour"]["to"] == 999_999_937
    assert "storm_share" not in changed


def test_the_sample_of_rows_is_stored_once(engine: Rest, healed: dict[str, Any]) -> None:
    """PL010 the second time, and for what ended long ago: a record is not written again."""
    run = healed["application_id"]
    rows = {"p_before": [{"status": "broken"}], "p_after": [{"status": "fixed"}]}
    engine.call("note_rows_v1", p_application_id=run, **rows)
    forged: dict[str, Any] = {"p_before": [], "p_after": []}
    _refused("PL010", engine, "note_rows_v1", p_application_id=run, **forged)
    (stored,) = engine.select("pattern_applications", application_id=f"eq.{run}")
    assert stored["system_state_before"]["rows"] == [{"status": "broken"}]


def test_the_sample_of_rows_is_stored_soon(
    engine: Rest, database: Sql, healed: dict[str, Any]
) -> None:
    """PL010 for a run that ended more than five minutes ago."""
    run = healed["application_id"]
    database.run(
        "update ops.pattern_applications set applied_at = now() - interval '6 minutes'"
        " where application_id = %s",
        run,
    )
    _refused("PL010", engine, "note_rows_v1", p_application_id=run, p_before=[], p_after=[])


@pytest.mark.parametrize(
    "event_type",
    ["pattern_approved", "pattern_applied", "fix_verified", "events_pruned", "x", None],
)
def test_the_engine_reports_only_what_it_alone_can_know(
    engine: Rest, event_type: str | None
) -> None:
    """PL022: what the database decides, it records itself."""
    arguments = {"p_severity": "info", "p_description": "forged", "p_event_type": event_type}
    _refused("PL022", engine, "record_event_v1", **arguments)


def test_a_rehearsal_and_a_preview_leave_a_trace(
    engine: Rest, patterns: Patterns, operator: Person, orders: Orders
) -> None:
    """Whoever rehearses a proposal, or stores a preview for it, leaves an event with its digest."""
    script = f"update {orders.name} set status = 'fixed' where id < 3"
    fix = {"type": "sql", "script": script, "prepared_script": script, "tables": [orders.name]}
    arguments = {"p_fix": fix, "p_analysis": {}, "p_seconds": 60}
    made = operator.rest.call("propose_fix_v1", p_pattern_id=patterns.new(), **arguments)
    proposal = made["proposal_id"]
    error = {"message": "x", "captured": {}}
    engine.call("rehearse_proposal_v1", p_proposal_id=proposal, p_errors=[error, error])
    engine.call(
        "note_preview_v1", p_proposal_id=proposal, p_dry_run={"rows_touched": 0}, p_replay={}
    )
    (rehearsed,) = _events(engine, "fix_rehearsed", proposal_id=proposal)
    assert rehearsed["metadata"]["sha256"] == made["sha256"]
    assert rehearsed["metadata"]["rows_touched"] == [2, 2]
    (previewed,) = _events(engine, "fix_previewed", proposal_id=proposal)
    assert previewed["metadata"]["rows_touched"] == 0
    assert orders.count("broken") == 10


def test_the_target_of_an_error_is_said_once(
    engine: Rest, database: Sql, patterns: Patterns, healed: dict[str, Any]
) -> None:
    """Nobody hides that an error came back by giving it another target afterwards."""
    log_id = patterns.log_row()
    database.run(
        "insert into ops.pattern_incidents (pattern_id, signature, system_log_id, target)"
        " select pattern_id, pattern_signature, %s, 'order 7' from ops.error_patterns"
        " where pattern_id = %s",
        log_id,
        healed["pattern_id"],
    )
    refusal = {"system_log_id": log_id, "gate": "writer", "reason": "x", "target": "order 8"}
    engine.call("record_refusals_v1", p_refusals=[refusal])
    patterns.claim(healed["pattern_id"], log_id, p_target="order 8")
    (incident,) = engine.select("pattern_incidents", system_log_id=f"eq.{log_id}")
    assert incident["target"] == "order 7"


def test_an_undo_script_sees_what_was_recalled_first(
    engine: Rest, operator: Person, patterns: Patterns
) -> None:
    """Nobody gives a rollback that is under way another error."""
    pattern_id = patterns.new()
    patterns.approve(pattern_id, undo_script="select 1", prepared_undo_script="select 1")
    error = {"message": "x", "scrubbed": "x", "source": "tests", "captured": {"id": "1"}}
    run = patterns.claim(pattern_id, error=error)["application_id"]
    patterns.run(run)
    undo = operator.rest.call("start_rollback_v1", p_application_id=run)["application_id"]
    forged = error | {"captured": {"id": "2"}}
    assert engine.call("recall_error_v1", p_application_id=undo, p_error=error) is True
    assert engine.call("recall_error_v1", p_application_id=undo, p_error=forged) is False
    (claim,) = engine.select("pattern_claims", application_id=f"eq.{undo}")
    assert claim["error"]["captured"] == {"id": "1"}


def test_changing_and_deleting_log_rows_leaves_a_trace(engine: Rest, patterns: Patterns) -> None:
    """The log is the application's to change; verdicts rest on it, so the journal tells who did."""
    changed, *deleted = patterns.log_rows(3)
    engine.update("system_logs", {"message": "nothing happened"}, id=f"eq.{changed}")
    engine.update("system_logs", {"message": "nothing happened"}, id=f"eq.{changed}")
    engine.delete("system_logs", id=f"in.({','.join(map(str, deleted))})")
    (event,) = _events(engine, "log_rows_changed", first_id=changed)
    assert (event["severity"], event["metadata"]["by"]) == ("warning", "service_role")
    (event,) = _events(engine, "log_rows_deleted", first_id=deleted[0])
    assert (event["metadata"]["ids"], event["severity"]) == (deleted, "warning")


TABLES: LiteralString = """
    select relname::text as name from pg_class
    where relnamespace = 'ops'::regnamespace and relkind = 'r' order by 1
"""
FUNCTIONS: LiteralString = """
    select format('%s(%s)', oid::regproc,
        (select string_agg(format('null::%s', type::regtype), ', ' order by place)
         from unnest(proargtypes::oid[]) with ordinality as arguments (type, place))) as call
    from pg_proc
    where pronamespace = 'ops'::regnamespace and prosecdef order by 1
"""


@pytest.fixture
def generous(database: Sql) -> Any:
    """A connection, in a transaction, after somebody granted everything to the API's roles."""
    with database.undone():
        for kind in ("tables", "sequences", "routines"):
            database.connection.execute(
                SQL(
                    "grant all on all {} in schema ops to anon, authenticated, service_role"
                ).format(SQL(kind))
            )
        yield database


def _fails(database: Sql, statement: SQL | Any) -> str | None:
    """Run a statement and undo it; return its SQLSTATE if it fails."""
    try:
        with database.connection.transaction(force_rollback=True):
            database.connection.execute(statement)
    except psycopg.Error as refused:
        return refused.sqlstate
    return None


@pytest.mark.parametrize("role", ["anon", "authenticated", "service_role"])
def test_a_grant_of_everything_opens_no_table_of_the_record(generous: Sql, role: str) -> None:
    """`grant all on all tables`, with which many expose a schema, changes nothing of it."""
    database = generous
    tables = [row["name"] for row in database.rows(TABLES)]
    assert len(tables) > 20
    columns = {
        name: database.value(
            "select attname::text from pg_attribute where attrelid = %s::regclass and attnum = 1",
            f"ops.{name}",
        )
        for name in tables
    }
    database.connection.execute(SQL("set local role {}").format(Identifier(role)))
    for name in tables:
        table = Identifier("ops", name)
        column = Identifier(columns[name])
        statements = {"truncate": SQL("truncate {} cascade").format(table)}
        if name != "system_logs":
            statements |= {
                "insert": SQL("insert into {} default values").format(table),
                "update": SQL("update {} set {} = default where false").format(table, column),
                "delete": SQL("delete from {} where false").format(table),
            }
        for kind, statement in statements.items():
            assert _fails(database, statement) == "42501", (kind, name)


@pytest.mark.parametrize("role", ["anon", "authenticated"])
def test_a_grant_of_everything_opens_no_function_of_the_engine(generous: Sql, role: str) -> None:
    """What runs with its owner's rights asks who calls, and does not rely on grants alone."""
    calls = [row["call"] for row in generous.rows(FUNCTIONS)]
    assert len(calls) > 10
    generous.connection.execute(SQL("set local role {}").format(Identifier(role)))
    for call in calls:
        statement = SQL("select {}").format(SQL(call))
        assert _fails(generous, statement) == "42501", call
