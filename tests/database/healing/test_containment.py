"""A SQL fix runs as ops_fixer, within its limits, and leaves nothing behind when it fails."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.conftest import RefusedError

if TYPE_CHECKING:
    from tests.conftest import Rest, Sql
    from tests.database.conftest import Orders, Patterns


def test_a_fix_changes_what_it_was_granted(patterns: Patterns, orders: Orders) -> None:
    """The approved statement runs, and the rows that it touched are counted per table."""
    outcome = patterns.heal(f"update {orders.name} set status = 'fixed' where id <= 4")
    milliseconds = outcome.pop("execution_time_ms")
    assert isinstance(milliseconds, int)
    assert outcome == {
        "success": True,
        "error": None,
        "rows_touched": 4,
        "tables": {orders.name: 4},
        "pattern": {"success_rate": 0, "confidence_score": 0.5},
        "rows_before": None,
        "rows_after": None,
        "raised": None,
    }
    assert orders.count("fixed") == 4


def test_a_fix_sees_its_parameters_and_the_error(patterns: Patterns, orders: Orders) -> None:
    """$1 is what was approved, $2 what is known of the error, in every statement of the script."""
    script = f"""
        update {orders.name} set note = $2 ->> 'message'
        where id = ($2 #>> '{{captured,order}}')::int;
        update {orders.name} set status = $1 ->> 'status' where note = 'order 7 is broken'
    """
    error = {"message": "order 7 is broken", "source": "shop", "captured": {"order": "7"}}
    assert patterns.heal(script, error=error, status="mended")["rows_touched"] == 2
    assert orders.count("mended") == 1


def test_parameters_are_values_and_never_sql(patterns: Patterns, orders: Orders) -> None:
    """What an error carries cannot become part of the statement."""
    evil = f"x'; delete from {orders.name}; --"
    script = f"update {orders.name} set status = $2 ->> 'message' where id = 1"
    assert patterns.heal(script, error={"message": evil})["rows_touched"] == 1
    assert orders.count(evil) == 1
    assert orders.count("broken") == 9


def test_more_rows_than_approved_undo_the_fix(patterns: Patterns, orders: Orders) -> None:
    """PL007: one row over the cap, and nothing of the fix is kept."""
    script = f"update {orders.name} set status = 'fixed' where id > 0"
    outcome = patterns.heal(script, max_rows=9)
    assert outcome["success"] is False
    assert "touched 10 rows; at most 9" in outcome["error"]
    assert orders.count("broken") == 10
    assert patterns.heal(script, max_rows=10)["success"] is True
    assert orders.count("fixed") == 10


def test_rows_of_cascades_count(patterns: Patterns, orders: Orders) -> None:
    """Rows that a foreign key deletes along are touched rows, though no statement names them."""
    lines = f"{orders.name}_lines"
    orders.sql.connection.execute(
        f"create table {lines} (order_id int references {orders.name} on delete cascade);"
        f"insert into {lines} select 1 from generate_series(1, 7)"
    )
    orders.grant("select", "update", "delete")
    script = f"delete from {orders.name} where id = 1"
    assert "touched 8 rows" in patterns.heal(script, max_rows=7)["error"]
    outcome = patterns.heal(script, max_rows=8)
    assert outcome["tables"] == {orders.name: 1, lines: 7}
    orders.sql.connection.execute(f"drop table {lines}")


def test_rows_of_triggers_count(patterns: Patterns, orders: Orders) -> None:
    """Rows that a trigger writes elsewhere, with its owner's rights, are touched rows."""
    history = f"{orders.name}_history"
    orders.sql.connection.execute(f"""
        create table {history} (order_id int);
        create function {history}() returns trigger language plpgsql security definer
          set search_path = '' as $$
          begin
            insert into {history} select old.id from generate_series(1, 3);
            return new;
          end $$;
        create trigger history after update on {orders.name}
          for each row execute function {history}();
    """)
    orders.grant("select", "update", "delete")
    outcome = patterns.heal(f"update {orders.name} set status = 'fixed' where id <= 2")
    assert outcome["tables"] == {orders.name: 2, history: 6}
    orders.sql.connection.execute(f"drop function {history}() cascade; drop table {history}")


def test_what_a_fix_leaves_for_the_commit_is_counted_and_undone(
    patterns: Patterns, orders: Orders
) -> None:
    """A deferred constraint fails inside the run, where it is a recorded failure."""
    lines = f"{orders.name}_lines"
    orders.sql.connection.execute(f"""
        create table {lines} (
          order_id int references {orders.name} deferrable initially deferred);
        insert into {lines} values (1);
    """)
    orders.grant("select", "update", "delete")
    outcome = patterns.heal(f"delete from {orders.name} where id = 1")
    assert outcome["success"] is False
    assert "foreign key" in outcome["error"]
    assert orders.count("broken") == 10
    orders.sql.connection.execute(f"drop table {lines}")


def test_a_failing_statement_undoes_those_before_it(patterns: Patterns, orders: Orders) -> None:
    """A script is applied whole or not at all; sequences aside nothing of it remains."""
    outcome = patterns.heal(
        f"update {orders.name} set status = 'fixed' where id = 1;"
        f"update {orders.name} set status = null where id = 2"
    )
    assert outcome["success"] is False
    assert "not-null" in outcome["error"]
    assert outcome["rows_touched"] == 0
    assert orders.count("fixed") == 0


def test_an_error_tells_no_rows(patterns: Patterns, orders: Orders) -> None:
    """PostgreSQL's details quote the row that failed; what is recorded does not."""
    orders.run("update {} set note = 'card 4111 1111 1111 1111' where id = 1")
    outcome = patterns.heal(f"update {orders.name} set status = null where id = 1")
    assert "4111" not in outcome["error"]


ESCAPES = {
    "set role postgres": "cannot set parameter",
    "reset role": "cannot set parameter",
    "set session authorization postgres": "cannot set parameter",
    "select set_config('role', 'postgres', false)": "cannot set parameter",
    "select set_config('session_authorization', 'postgres', false)": "cannot set parameter",
    "set session_replication_role = replica": "permission denied to set parameter",
    "commit": "transaction",
    "rollback": "transaction",
    "savepoint s": "transaction",
    "do $do$ begin commit; end $do$": "invalid transaction termination",
    "do $do$ begin execute 'set role postgres'; end $do$": "cannot set parameter",
    "select * from ops.operators": "permission denied for schema ops",
    "select ops.ping_v1()": "permission denied for schema ops",
    "update ops.error_patterns set auto_fix_script = 'x' where true": "permission denied",
    "select * from ops_internal.sweep": "permission denied for table sweep",
    "select ops_internal.caller_role()": "permission denied for function caller_role",
    "select ops_internal.approve_pattern(null, '{}', null, 'live', null, null)": (
        "permission denied for function approve_pattern"
    ),
    "select * from auth.users": "permission denied for schema auth",
    "select * from vault.decrypted_secrets": "permission denied for schema vault",
    "select net.http_post('http://127.0.0.1:1/')": "permission denied for schema net",
    "select cron.schedule('x', '* * * * *', 'select 1')": "permission denied",
    "select pg_read_file('postgresql.conf')": "permission denied for function pg_read_file",
    "copy (select 1) to program 'true'": "COPY to or from an external program",
    "create table public.mine (id int)": "permission denied for schema public",
    "create function fix.mine() returns int language sql as 'select 1'": (
        "permission denied for schema fix"
    ),
    "create or replace function fix.execute(p_application_id uuid) returns jsonb language sql "
    "as 'select null::jsonb'": "permission denied for schema fix",
    "grant ops_fixer to authenticated": "ops_fixer",
    "alter role ops_fixer bypassrls": "",
    "alter function fix.execute(uuid) security invoker": "may not create, alter or drop",
    "alter function fix.execute(uuid) reset all": "may not create, alter or drop",
    "grant execute on function fix.execute(uuid) to public": "may not create, alter or drop",
    "drop function fix.execute(uuid)": "may not create, alter or drop",
    "create temporary table jsonb (id int)": "may not create, alter or drop",
    "create function pg_temp.mine() returns int language sql as 'select 1'": (
        "may not create, alter or drop"
    ),
    "select lo_create(0)": "may not create, alter or drop",
}


@pytest.mark.parametrize("script", ESCAPES)
def test_a_fix_cannot_leave_its_role(patterns: Patterns, script: str) -> None:
    """PostgreSQL itself refuses every way out, and the refusal is an ordinary failed outcome."""
    outcome = patterns.heal(script)
    assert outcome["success"] is False
    assert ESCAPES[script] in outcome["error"]


def test_a_fix_runs_as_the_fixer_with_an_empty_search_path(
    patterns: Patterns, orders: Orders
) -> None:
    """Inside, the user is ops_fixer, and no name is looked up in a schema that somebody chose."""
    script = (
        f"update {orders.name} set status = current_user::text, "
        "note = current_setting('search_path') where id = 1"
    )
    assert patterns.heal(script)["success"] is True
    assert orders.count("ops_fixer") == 1
    unqualified = orders.name.removeprefix("public.")
    outcome = patterns.heal(f"update {unqualified} set status = 'x' where id = 1")
    assert f'relation "{unqualified}" does not exist' in outcome["error"]


def test_a_fix_does_not_see_the_secret_key(
    patterns: Patterns, orders: Orders, addresses: dict[str, Any]
) -> None:
    """The request's headers, which PostgREST keeps in the transaction, are gone inside a fix."""
    patterns.heal(
        f"update {orders.name} set note = current_setting('request.headers', true), "
        "status = 'told' where id = 1"
    )
    assert orders.count("told") == 1
    notes = orders.sql.connection.execute(f"select note from {orders.name} where id = 1")
    told = notes.fetchone()
    assert told == {"note": ""}
    assert addresses["secret_key"] not in str(told)


def test_a_fix_reads_no_table_that_was_not_granted(patterns: Patterns, orders: Orders) -> None:
    """The owner takes a table back, and the fix fails."""
    orders.run("revoke all on {} from ops_fixer")
    outcome = patterns.heal(f"update {orders.name} set status = 'fixed' where id = 1")
    assert "permission denied for table" in outcome["error"]


@pytest.mark.parametrize(
    "policy",
    [
        None,
        "create policy everyone on {} for all to public using (true)",
        "create policy owners on {} for all to authenticated using (true)",
    ],
)
def test_a_table_that_hides_its_rows_fails_the_fix(
    patterns: Patterns, orders: Orders, policy: str | None
) -> None:
    """PL008: row-level security without a policy for ops_fixer is an error, not 0 rows touched."""
    orders.run("alter table {} enable row level security")
    if policy:
        orders.run(policy)
    script = f"update {orders.name} set status = 'fixed' where id = 1"
    outcome = patterns.heal(script, tables=(orders.name,))
    assert outcome["success"] is False
    assert "no policy for ops_fixer" in outcome["error"]
    assert f"pattern-engine fixer grant {orders.name}" in outcome["error"]


def test_a_policy_for_the_fixer_shows_the_rows(patterns: Patterns, orders: Orders) -> None:
    """With its own policy the fix runs on a table under row-level security."""
    orders.run("alter table {} enable row level security")
    orders.run("create policy fixes on {} for all to ops_fixer using (id < 3) with check (true)")
    script = f"update {orders.name} set status = 'fixed' where true"
    assert patterns.heal(script, tables=(orders.name,))["rows_touched"] == 2


def test_the_function_that_runs_fixes_takes_no_script(engine: Rest, database: Sql) -> None:
    """fix.execute takes an application's id, and answers PL010 for one that is not there."""
    assert database.value("select pronargs from pg_proc where oid = 'fix.execute'::regproc") == 1
    with pytest.raises(RefusedError) as refused:
        engine.call("run_application_v1", p_application_id="00000000-0000-0000-0000-000000000000")
    assert refused.value.code == "PL010"
