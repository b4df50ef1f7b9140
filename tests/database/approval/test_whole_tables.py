"""A rehearsal names the tables of which it changed or deleted every row that they had."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import pytest
from tests.database.approval.proposing import message

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Person, Rest, Sql
    from tests.database.approval.proposing import Desk
    from tests.database.conftest import Orders, Patterns


class Rehearse(Protocol):
    """Proposes a script without analysing it, and rehearses it once for each error."""

    def __call__(self, script: str, *errors: dict[str, Any]) -> list[dict[str, Any]]:
        """What became of each rehearsal."""


@pytest.fixture
def rehearse(engine: Rest, operator: Person, patterns: Patterns) -> Rehearse:
    """Rehearses a script as the engine does."""

    def rehearse(script: str, *errors: dict[str, Any]) -> list[dict[str, Any]]:
        proposal = operator.rest.call(
            "propose_fix_v1",
            p_pattern_id=patterns.new(),
            p_fix={
                "type": "sql",
                "script": script,
                "prepared_script": script,
                "parameters": {},
                "tables": [],
            },
            p_analysis={"operations": []},
            p_seconds=3600,
        )
        outcomes: list[dict[str, Any]] = engine.call(
            "rehearse_proposal_v1",
            p_proposal_id=proposal["proposal_id"],
            p_errors=list(errors or ({},)),
        )
        return outcomes

    return rehearse


@pytest.fixture
def lines(orders: Orders) -> Iterator[str]:
    """A table on whose rows ops_fixer has no right: three lines of order 1, deleted with it."""
    name = f"{orders.name}_lines"
    orders.sql.connection.execute(
        f"create table {name} (order_id int references {orders.name} on delete cascade);"
        f"insert into {name} select 1 from generate_series(1, 3)"
    )
    orders.grant("select", "update", "delete")
    yield name
    orders.sql.connection.execute(f"drop table {name}")


def whole(rehearse: Rehearse, script: str) -> list[str]:
    """The tables that one successful rehearsal names."""
    (outcome,) = rehearse(script)
    assert outcome["success"], outcome["error"]
    names: list[str] = outcome["whole_tables"]
    return names


@pytest.mark.parametrize(
    "script",
    [
        "update {0} set status = 'fixed' where id > 0",
        "update {0} set status = 'fixed' where status is not null",
        "delete from {0} where id < 100",
        "delete from {0} where id <= 5; update {0} set note = 'kept' where id > 5",
        "update {0} set id = id + 100 where id > 5; update {0} set note = '' where id <= 5",
        "update {0} set note = '1' where id > 0; update {0} set note = '2' where id > 0",
    ],
)
def test_a_table_is_named_if_each_of_its_rows_was_changed_or_deleted(
    rehearse: Rehearse, orders: Orders, script: str
) -> None:
    """A condition that restricts nothing is seen by what it does, however it is written."""
    assert whole(rehearse, script.format(orders.name)) == [orders.name]
    assert orders.count("broken") == 10


@pytest.mark.parametrize(
    "script",
    [
        "update {0} set status = 'fixed' where id <= 5",
        "update {0} set status = 'fixed' where id <= 9",
        "update {0} set note = '1' where id <= 5; update {0} set note = '2' where id <= 5",
        "delete from {0} where id <= 9",
        "update {0} set status = 'fixed' where id > 10",
        "select id from {0} where id > 0 for update",
    ],
)
def test_a_table_is_not_named_while_one_of_its_rows_was_left_alone(
    rehearse: Rehearse, orders: Orders, script: str
) -> None:
    """Distinct rows count: changing one half twice changes half of the table."""
    assert whole(rehearse, script.format(orders.name)) == []


@pytest.mark.parametrize(
    "script",
    [
        "update {0} set status = 'fixed' where true",
        "insert into {0} values (1, 'new')",
        "insert into {0} values (1, 'new'); update {0} set note = 'x' where id = 1",
        "insert into {0} values (1, 'new'); delete from {0} where id = 1",
    ],
)
def test_a_table_that_was_empty_is_not_named(
    rehearse: Rehearse, orders: Orders, script: str
) -> None:
    """It had no row that could be changed; the rows that the script inserts do not count."""
    orders.run("delete from {}")
    orders.grant("select", "insert", "update", "delete")
    assert whole(rehearse, script.format(orders.name)) == []


def test_rows_that_the_script_inserts_do_not_hide_that_it_changed_all_others(
    rehearse: Rehearse, orders: Orders
) -> None:
    """What counts is what became of the rows that were there before."""
    orders.grant("select", "insert", "update", "delete")
    script = f"insert into {orders.name} values (11, 'new')"
    assert whole(rehearse, script) == []
    assert whole(rehearse, f"{script}; delete from {orders.name} where id <= 10") == [orders.name]


def test_each_rehearsal_is_looked_at_by_itself(rehearse: Rehearse, orders: Orders) -> None:
    """All rehearsals of a call are one transaction; what an earlier one touched does not count."""
    script = f"update {orders.name} set status = 'fixed' where id > ($2 ->> 'above')::int"
    errors: list[dict[str, Any]] = [{"above": 0}, {"above": "x"}, {"above": 5}, {"above": 0}]
    outcomes = rehearse(script, *errors)
    assert [outcome["success"] for outcome in outcomes] == [True, False, True, True]
    assert [outcome["whole_tables"] for outcome in outcomes] == [
        [orders.name],
        [],
        [],
        [orders.name],
    ]


def test_rows_that_go_with_others_count_for_their_own_table(
    rehearse: Rehearse, orders: Orders, lines: str
) -> None:
    """A cascade empties a table that the script does not name, nor ops_fixer may read."""
    assert whole(rehearse, f"delete from {orders.name} where id = 1") == [lines]
    assert whole(rehearse, f"delete from {orders.name} where id > 1") == []
    assert whole(rehearse, f"delete from {orders.name} where id > 0") == [orders.name, lines]


def test_rows_that_a_trigger_changes_count_in_its_subtransactions_too(
    rehearse: Rehearse, orders: Orders
) -> None:
    """A trigger that catches errors writes in a subtransaction; what it catches is undone."""
    totals = f"{orders.name}_totals"
    orders.sql.connection.execute(f"""
        create table {totals} (id int primary key, changes int);
        insert into {totals} values (0, 0), (1, 0);
        create function {totals}() returns trigger language plpgsql security definer
          set search_path = '' as $$
          begin
            begin
              update {totals} set changes = changes + 1 where id = old.id % 2;
            exception when division_by_zero then
              null;
            end;
            begin
              update {totals} set changes = 0;
              perform 1 / 0;
            exception when division_by_zero then
              null;
            end;
            return new;
          end $$;
        create trigger totals after update on {orders.name}
          for each row execute function {totals}();
    """)
    orders.grant("select", "update", "delete")
    script = f"update {orders.name} set status = 'fixed' where"
    assert whole(rehearse, f"{script} id in (2, 4)") == []
    assert whole(rehearse, f"{script} id in (2, 3)") == [totals]
    orders.sql.connection.execute(f"drop function {totals}() cascade; drop table {totals}")


def test_an_error_of_a_trigger_is_a_failure_whatever_its_code(
    rehearse: Rehearse, orders: Orders
) -> None:
    """PL025 is the code by which a rehearsal undoes itself; anybody may raise it."""
    refuse = f"{orders.name}_refuse"
    orders.sql.connection.execute(f"""
        create function {refuse}() returns trigger language plpgsql as $$
          begin
            raise exception using errcode = 'PL025', message = 'orders are closed';
          end $$;
        create trigger refuse before update on {orders.name}
          for each row execute function {refuse}();
    """)
    (outcome,) = rehearse(f"update {orders.name} set status = 'fixed' where true")
    assert (outcome["success"], outcome["error"]) == (False, "orders are closed")
    assert outcome["whole_tables"] == []
    orders.sql.connection.execute(f"drop function {refuse}() cascade")


def test_a_trigger_that_keeps_a_row_as_it_was_leaves_it_unchanged(
    rehearse: Rehearse, orders: Orders
) -> None:
    """What the script says is not enough: the row has to be written."""
    keep = f"{orders.name}_keep"
    orders.sql.connection.execute(f"""
        create function {keep}() returns trigger language plpgsql as $$
          begin
            return case when old.id = 7 then null else new end;
          end $$;
        create trigger keep before update on {orders.name}
          for each row execute function {keep}();
    """)
    assert whole(rehearse, f"update {orders.name} set status = 'fixed' where true") == []
    orders.sql.connection.execute(f"drop function {keep}() cascade")


@pytest.mark.parametrize(
    ("policy", "named"), [("id < 3", False), ("id < 100", True), ("true", True)]
)
def test_rows_that_a_policy_hides_from_the_fixer_were_left_alone(
    rehearse: Rehearse, orders: Orders, policy: str, *, named: bool
) -> None:
    """The table is meant, and not the part of it that ops_fixer sees."""
    orders.run("alter table {} enable row level security")
    orders.sql.connection.execute(
        f"create policy fixes on {orders.name} for all to ops_fixer using ({policy})"
    )
    names = whole(rehearse, f"update {orders.name} set status = 'fixed' where true")
    assert names == ([orders.name] if named else [])


def test_a_table_that_hides_rows_from_the_engine_too_is_not_named(
    rehearse: Rehearse, orders: Orders, admin: Sql
) -> None:
    """It may have rows that nobody looked at. The rehearsal answers everything else."""
    orders.run("alter table {} enable row level security")
    orders.run("alter table {} force row level security")
    orders.run("create policy everyone on {} for all to public using (true)")
    admin.connection.execute("alter role postgres nobypassrls")
    try:
        (outcome,) = rehearse(f"update {orders.name} set status = 'fixed' where true")
    finally:
        admin.connection.execute("alter role postgres bypassrls")
    assert (outcome["success"], outcome["rows_touched"]) == (True, 10)
    assert outcome["whole_tables"] == []


def test_the_fixer_needs_no_right_to_read_the_table(rehearse: Rehearse, orders: Orders) -> None:
    """A fix may be granted to change a table without reading it."""
    orders.run("revoke select on {} from ops_fixer")
    assert whole(rehearse, f"update {orders.name} set status = 'fixed'") == [orders.name]


def test_each_partition_is_a_table_of_its_own(rehearse: Rehearse, orders: Orders) -> None:
    """As in the counts by table. A partition that rows moved to kept the rows that it had."""
    events = f"{orders.name}_events"
    orders.sql.connection.execute(f"""
        create table {events} (day int, note text) partition by list (day);
        create table {events}_1 partition of {events} for values in (1);
        create table {events}_2 partition of {events} for values in (2);
        insert into {events} values (1, ''), (1, ''), (2, '');
    """)
    orders.grant("select", "update", "delete", "insert", table=events)
    assert whole(rehearse, f"update {events} set note = 'x' where day = 1") == [f"{events}_1"]
    assert whole(rehearse, f"update {events} set day = 2 where day = 1") == [f"{events}_1"]
    assert whole(rehearse, f"update {events} set note = 'x' where day in (1, 2)") == [
        f"{events}_1",
        f"{events}_2",
    ]
    orders.sql.connection.execute("select ops_internal.revoke_fixer(%s)", (events,))
    orders.sql.connection.execute(f"drop table {events}")


def test_a_name_that_needs_quotes_is_named_as_in_the_counts(
    rehearse: Rehearse, orders: Orders
) -> None:
    """A table may have any name."""
    name = f'{orders.name}_"odd" Name'.replace("public.", "").replace('"', '""')
    orders.sql.connection.execute(f"""
        create table public."{name}" (id int);
        insert into public."{name}" values (1);
    """)
    orders.grant("select", "delete", table=f'public."{name}"')
    (outcome,) = rehearse(f'delete from public."{name}" where id = 1')
    assert outcome["whole_tables"] == list(outcome["tables"]) == [f'public."{name}"']
    orders.sql.connection.execute(f'drop table public."{name}"')


def test_the_dry_run_and_the_replay_of_a_proposal_name_the_tables(
    desk: Desk, orders: Orders, operator: Person
) -> None:
    """Who decides on the proposal sees that its condition restricts nothing."""
    pattern_id, _ = desk.occur(message())
    script = f"update {orders.name} set status = 'mended' where status = 'broken'"
    proposal = desk.propose(pattern_id, operator, script)
    assert proposal.dry_run is not None
    assert proposal.replay is not None
    assert proposal.dry_run["whole_tables"] == [orders.name]
    assert [each["whole_tables"] for each in proposal.replay["incidents"]] == [[orders.name]]
    orders.run("update {} set status = 'fine' where id = 1")
    again = desk.preview(proposal, operator)
    assert again.dry_run is not None
    assert again.dry_run["whole_tables"] == []
