"""A run of SQL on one table shows some of its rows as they were before and as they are after."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from psycopg.sql import SQL, Identifier

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Rest, Sql
    from tests.database.conftest import Orders, Patterns


def _sampled(patterns: Patterns, script: str, table: str, sample: str) -> dict[str, Any]:
    """Approve a script with its sample for a new pattern, and run it."""
    pattern_id = patterns.new()
    patterns.approve(pattern_id, script, sample_table=table, sample_script=sample)
    return patterns.apply(pattern_id)


def _sample(orders: Orders, where: str) -> str:
    return f"select to_jsonb(orders.*) as row from {orders.name} as orders where {where} limit 5"


def test_an_update_shows_its_rows_before_and_after(patterns: Patterns, orders: Orders) -> None:
    """The same rows, by their key, with all their columns."""
    where = "id in (3, 4)"
    script = f"update {orders.name} set status = 'fixed' where {where}"
    outcome = _sampled(patterns, script, orders.name, _sample(orders, where))
    assert outcome["success"] is True
    by_id = {
        name: sorted(outcome[name], key=lambda row: int(row["id"]))
        for name in ("rows_before", "rows_after")
    }
    assert by_id["rows_before"] == [{"id": n, "status": "broken", "note": None} for n in (3, 4)]
    assert by_id["rows_after"] == [{"id": n, "status": "fixed", "note": None} for n in (3, 4)]


def test_a_delete_leaves_nothing_to_show_after(patterns: Patterns, orders: Orders) -> None:
    """What was there, and an empty list."""
    script = f"delete from {orders.name} where id = 3"
    outcome = _sampled(patterns, script, orders.name, _sample(orders, "id = 3"))
    assert [row["id"] for row in outcome["rows_before"]] == [3]
    assert outcome["rows_after"] == []
    assert outcome["rows_touched"] == 1


def test_no_row_is_an_empty_sample(patterns: Patterns, orders: Orders) -> None:
    """A fix that finds nothing to do says so."""
    script = f"delete from {orders.name} where id = 30"
    outcome = _sampled(patterns, script, orders.name, _sample(orders, "id = 30"))
    assert (outcome["rows_before"], outcome["rows_after"]) == ([], [])


def test_parameters_and_error_choose_the_rows(patterns: Patterns, orders: Orders) -> None:
    """A sample sees $1 and $2 as the script does."""
    pattern_id = patterns.new()
    where = "id = ($2 #>> '{captured,order}')::int and status = $1 ->> 'status'"
    patterns.approve(
        pattern_id,
        f"update {orders.name} set status = 'fixed' where {where}",
        sample_table=orders.name,
        sample_script=_sample(orders, where),
        parameters={"status": "broken"},
    )
    outcome = patterns.apply(pattern_id, {"message": "x", "captured": {"order": "7"}})
    assert [row["id"] for row in outcome["rows_before"]] == [7]
    assert [row["status"] for row in outcome["rows_after"]] == ["fixed"]


def test_five_rows_are_shown_at_most(patterns: Patterns, orders: Orders) -> None:
    """Whatever the sample itself would select."""
    script = f"update {orders.name} set status = 'fixed' where id > 0"
    sample = f"select to_jsonb(orders.*) as row from {orders.name} as orders"
    outcome = _sampled(patterns, script, orders.name, sample)
    assert outcome["rows_touched"] == 10
    assert len(outcome["rows_before"]) == len(outcome["rows_after"]) == 5
    assert {row["id"] for row in outcome["rows_before"]} == {
        row["id"] for row in outcome["rows_after"]
    }


def test_what_may_not_be_read_is_not_shown(patterns: Patterns, orders: Orders) -> None:
    """A fix that may change a row without reading all of it runs, and shows nothing."""
    orders.run("revoke select on {} from ops_fixer")
    orders.run("grant select (id, status) on {} to ops_fixer")
    script = f"update {orders.name} set status = 'fixed' where id = 3"
    outcome = _sampled(patterns, script, orders.name, _sample(orders, "id = 3"))
    assert outcome["success"] is True
    assert (outcome["rows_before"], outcome["rows_after"]) == (None, None)
    assert orders.count("fixed") == 1


def test_a_sample_that_fails_stops_no_fix(patterns: Patterns, orders: Orders) -> None:
    """It is something to look at, and never in the way."""
    script = f"update {orders.name} set status = 'fixed' where id = 3"
    for sample in (_sample(orders, "1 / 0 = id"), "select nonsense as row", "select 1 as other"):
        outcome = _sampled(patterns, script, orders.name, sample)
        assert outcome["success"] is True
        assert outcome["rows_before"] is None
    other = f"{orders.name}_other"
    orders.sql.connection.execute(f"create table {other} (id int primary key)")
    for table in ("public.gone", other):
        outcome = _sampled(patterns, script, table, _sample(orders, "id = 3"))
        assert outcome["success"] is True, outcome["error"]
        assert outcome["rows_before"] is not None
        assert outcome["rows_after"] is None
    orders.sql.connection.execute(f"drop table {other}")


def test_what_a_sample_changes_counts(patterns: Patterns, orders: Orders) -> None:
    """It cannot write past the cap on rows."""
    orders.sql.connection.execute(f"""
        create function {orders.name}_f() returns jsonb language sql set search_path = '' as
        $$ update {orders.name} set note = 'sampled' where id > 0 returning null::jsonb $$;
        grant execute on function {orders.name}_f() to ops_fixer;
    """)
    try:
        pattern_id = patterns.new()
        patterns.approve(
            pattern_id,
            f"update {orders.name} set status = 'fixed' where id = 3",
            sample_table=orders.name,
            sample_script=f"select {orders.name}_f() as row",
            parameters={"max_rows": 5},
        )
        assert "touched 11 rows" in patterns.apply(pattern_id)["error"]
        assert orders.count("broken") == 10
    finally:
        orders.sql.connection.execute(f"drop function {orders.name}_f()")


def test_without_a_primary_key_nothing_is_shown_after(patterns: Patterns, orders: Orders) -> None:
    """Which rows they were, nobody can tell."""
    orders.run("alter table {} drop column id")
    orders.run("update {} set note = 'one' where ctid = '(0,1)'")
    script = f"update {orders.name} set status = 'fixed' where note = 'one'"
    outcome = _sampled(patterns, script, orders.name, _sample(orders, "note = 'one'"))
    assert outcome["rows_before"] == [{"status": "broken", "note": "one"}]
    assert outcome["rows_after"] is None


@pytest.fixture
def odd(database: Sql, patterns: Patterns) -> Iterator[str]:
    """The name of a table in schema public that has to be quoted, and its key too."""
    name = f'Odd "{patterns.word()}" 100%s $1'
    table = Identifier("public", name)
    for statement in (
        'create table {} ("Key ""1%" int, "select" text, "A B" text, primary key ("Key ""1%", "select"))',
        "insert into {} values (1, 'a', 'x'), (1, 'b', 'x'), (2, 'a', 'x')",
    ):
        database.connection.execute(SQL(statement).format(table))
    database.connection.execute(
        "select ops_internal.grant_fixer(%s, '{select,update}')",
        (table.as_string(database.connection),),
    )
    yield name
    database.connection.execute(SQL("drop table {}").format(table))


def test_names_may_be_odd(patterns: Patterns, database: Sql, odd: str) -> None:
    """Mixed case, quotes, spaces, signs; a key of two columns, one of them a keyword."""
    quoted = Identifier("public", odd).as_string(database.connection)
    where = """ "Key ""1%" = 1 and "select" = 'b' """
    outcome = _sampled(
        patterns,
        f"""update {quoted} set "A B" = 'y' where {where}""",
        f"public.{odd}",
        f"select to_jsonb(o.*) as row from {quoted} as o where {where}",
    )
    assert outcome["success"] is True, outcome["error"]
    row = {'Key "1%': 1, "select": "b"}
    assert outcome["rows_before"] == [row | {"A B": "x"}]
    assert outcome["rows_after"] == [row | {"A B": "y"}]


def test_a_sample_is_stored_once_it_is_scrubbed(
    engine: Rest, patterns: Patterns, orders: Orders
) -> None:
    """The run itself stores no row of the application; note_rows_v1 adds what the engine sends."""
    pattern_id = patterns.new()
    where = "id = 3"
    patterns.approve(
        pattern_id,
        f"update {orders.name} set status = 'fixed' where {where}",
        sample_table=orders.name,
        sample_script=_sample(orders, where),
    )
    claim = patterns.claim(pattern_id)
    run = claim["application_id"]
    patterns.run(run)

    def states() -> list[dict[str, Any]]:
        (row,) = engine.select("pattern_applications", application_id=f"eq.{run}")
        return [row["system_state_before"], row["system_state_after"]]

    before, after = states()
    assert before == {"system_entropy": claim["validation"]["system_entropy"]}
    assert after == {"rows_touched": 1, "tables": {orders.name: 1}}
    rows = {"p_before": [{"status": "[scrubbed]"}], "p_after": None}
    engine.call("note_rows_v1", p_application_id=run, **rows)
    assert states() == [before | {"rows": [{"status": "[scrubbed]"}]}, after | {"rows": None}]
