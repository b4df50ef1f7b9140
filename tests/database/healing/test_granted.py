"""A SQL fix touches the tables that were granted and what was shown to come with them, no other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.database.conftest import Orders, Patterns

FIXED = "update {0} set status = 'fixed' where id = 1"


@pytest.fixture
def other(orders: Orders) -> Iterator[str]:
    """Another table of the application, with one row, and nothing granted on it."""
    name = f"{orders.name}_other"
    orders.sql.connection.execute(f"create table {name} (id int primary key, note text)")
    orders.sql.connection.execute(f"insert into {name} values (1, 'secret')")
    yield name
    orders.sql.connection.execute(f"drop table {name} cascade")


def _refused(outcome: dict[str, Any], orders: Orders, *names: str) -> None:
    """The run failed, its error names these, and nothing of it was kept."""
    assert outcome["success"] is False, outcome
    for name in names:
        assert name in outcome["error"]
    assert orders.count("broken") == 10


RIGHTS_OF_OTHERS = {
    "public": ["grant all on {0} to public"],
    "membership": [
        "grant all on {0} to pg_monitor",
        "alter role ops_fixer inherit",
        "grant pg_monitor to ops_fixer",
    ],
    "by hand": ["grant all on {0} to ops_fixer"],
    "a column by hand": ["grant select (id), update (note) on {0} to ops_fixer"],
}


@pytest.mark.parametrize("named", [True, False], ids=["named", "kept quiet"])
@pytest.mark.parametrize(
    "statement", ["update {0} set note = 'x' where id = 1", "select id from {0} where id = 1"]
)
@pytest.mark.parametrize("rights", RIGHTS_OF_OTHERS)
def test_rights_that_were_not_granted_by_the_command_do_not_count(
    patterns: Patterns,
    orders: Orders,
    admin: Any,
    other: str,
    rights: str,
    statement: str,
    *,
    named: bool,
) -> None:
    """Reading is refused as writing is, whatever tables an operator says that the script names."""
    for grant in RIGHTS_OF_OTHERS[rights]:
        admin.connection.execute(grant.format(other))
    try:
        script = f"{FIXED.format(orders.name)}; {statement.format(other)}"
        tables = (orders.name, other) if named else (orders.name,)
        _refused(patterns.heal(script, tables=tables), orders, f"fixer grant {other}")
    finally:
        admin.connection.execute("revoke pg_monitor from ops_fixer")
        admin.connection.execute("alter role ops_fixer noinherit")


def test_a_granted_table_with_rights_of_public_beside_them_is_refused(
    patterns: Patterns, orders: Orders
) -> None:
    """PUBLIC's right to insert would let a fix insert, though nobody granted it that."""
    orders.run("grant insert on {} to public")
    _refused(patterns.heal(FIXED.format(orders.name)), orders, "insert", "PUBLIC")
    with pytest.raises(psycopg.Error, match="PUBLIC"):
        orders.grant("select", "update")


def test_a_grant_that_was_taken_back_is_not_replaced_by_that_of_public(
    patterns: Patterns, orders: Orders
) -> None:
    """What is stored has to be in effect by a grant to ops_fixer itself."""
    orders.run("revoke update on {} from ops_fixer")
    orders.run("grant update on {} to public")
    _refused(patterns.heal(FIXED.format(orders.name)), orders, "not granted")


REACHING = {
    "foreign key, cascade": (
        (
            "create table {1} (order_id int references {0} on delete cascade, at int);"
            "insert into {1} values (1)"
        ),
        "delete from {0} where id = 1",
    ),
    "foreign key, set null": (
        (
            "create table {1} (order_id int references {0} on delete set null);"
            "insert into {1} values (1)"
        ),
        "delete from {0} where id = 1",
    ),
    "foreign key, update": (
        (
            "create table {1} (order_id int references {0} on update cascade);"
            "insert into {1} values (1)"
        ),
        "update {0} set id = 100 where id = 1",
    ),
    "foreign key, checked": (
        "create table {1} (order_id int references {0})",
        "delete from {0} where id = 1",
    ),
    "cascade of a cascade": (
        (
            "create table {0}_between (id int primary key references {0} on delete cascade);"
            "create table {1} (id int references {0}_between on delete cascade);"
            "insert into {0}_between values (1); insert into {1} values (1)"
        ),
        "delete from {0} where id = 1",
    ),
    "trigger": (
        (
            "create table {1} (id int);"
            "create function {0}_f() returns trigger language plpgsql security definer as"
            " $$ begin insert into {1} values (old.id); return new; end $$;"
            "create trigger t after update on {0} for each row execute function {0}_f()"
        ),
        FIXED,
    ),
    "trigger that calls": (
        (
            "create table {1} (id int);"
            "create function {0}_g(int) returns void language sql security definer as"
            " $$ insert into {1} values ($1) $$;"
            "create function {0}_f() returns trigger language plpgsql security definer as"
            " $$ begin perform {0}_g(old.id); return new; end $$;"
            "create trigger t after update on {0} for each row execute function {0}_f()"
        ),
        FIXED,
    ),
    "rule": (
        (
            "create table {1} (id int); grant insert on {1} to postgres;"
            "create rule r as on update to {0} do also insert into {1} values (old.id)"
        ),
        FIXED,
    ),
    "inheritance": (
        "create table {1} () inherits ({0}); insert into {1} values (1, 'child')",
        FIXED,
    ),
    "check": (
        (
            "create table {1} (id int); insert into {1} values (1);"
            "create function {0}_f(text) returns bool language sql stable security definer as"
            " $$ select exists (select from {1}) $$;"
            "alter table {0} add check ({0}_f(status))"
        ),
        FIXED,
    ),
    "domain": (
        (
            "create table {1} (id int); insert into {1} values (1);"
            "create function {0}_f(text) returns bool language sql stable security definer as"
            " $$ select exists (select from {1}) $$;"
            "create domain {0}_d as text check ({0}_f(value));"
            "alter table {0} alter column note type {0}_d"
        ),
        "update {0} set note = 'x', status = 'fixed' where id = 1",
    ),
    "policy": (
        (
            "create table {1} (id int); insert into {1} values (1); "
            "create function {0}_f() returns bool language sql stable security definer as"
            " $$ select exists (select from {1}) $$;"
            "create policy p on {0} for all to ops_fixer using ({0}_f());"
            "alter table {0} enable row level security"
        ),
        FIXED,
    ),
}


@pytest.mark.parametrize("way", REACHING)
def test_what_a_grant_did_not_show_is_refused_and_what_it_showed_is_admitted(
    patterns: Patterns, orders: Orders, way: str
) -> None:
    """A table that came to be reached after the grant takes a new one, which shows it."""
    beyond = f"{orders.name}_beyond"
    structure, script = (text.format(orders.name, beyond) for text in REACHING[way])
    orders.sql.connection.execute(structure)
    try:
        _refused(patterns.heal(script), orders, f"{orders.name}_")
        orders.grant("select", "update", "delete")
        outcome = patterns.heal(script)
        assert outcome["success"], outcome["error"]
    finally:
        for statement in (
            f"drop table if exists {beyond}, {orders.name}_between cascade",
            f"drop function if exists {orders.name}_f, {orders.name}_g cascade",
            f"drop domain if exists {orders.name}_d cascade",
        ):
            orders.sql.connection.execute(statement)
    assert orders.count("broken") <= 10


def test_a_trigger_that_puts_its_statement_together_takes_a_table_by_name(
    patterns: Patterns, orders: Orders, other: str
) -> None:
    """No source is read for what it puts together at run time: the run is refused, and says so."""
    orders.sql.connection.execute(f"""
        create function {orders.name}_f() returns trigger language plpgsql security definer as $$
          begin
            execute 'update ' || tg_argv[0] || ' set note = ''x''';
            return new;
          end $$;
        create trigger t after update on {orders.name}
          for each row execute function {orders.name}_f('{other}');
    """)
    orders.grant("select", "update")
    script = FIXED.format(orders.name)
    _refused(patterns.heal(script), orders, f"--reaches {other}")
    orders.sql.connection.execute(
        "select ops_internal.grant_fixer(%(table)s, %(may)s,"
        " ops_internal.fixer_reach(%(table)s, %(may)s, array[%(other)s]))",
        {"table": orders.name, "may": ["select", "update"], "other": other},
    )
    assert patterns.heal(script)["tables"] == {orders.name: 1, other: 1}
    orders.sql.connection.execute(f"drop function {orders.name}_f() cascade")


def test_a_partition_that_came_after_the_grant_is_refused(
    patterns: Patterns, orders: Orders
) -> None:
    """What is attached later is what nobody was shown."""
    events = f"{orders.name}_events"
    orders.sql.connection.execute(f"""
        create table {events} (day int, note text) partition by list (day);
        create table {events}_1 partition of {events} for values in (1);
    """)
    orders.grant("select", "insert", table=events)
    script = f"insert into {events} values (($1 ->> 'day')::int, 'x')"
    assert patterns.heal(script, day=1)["success"] is True
    orders.sql.connection.execute(
        f"create table {events}_2 partition of {events} for values in (2)"
    )
    outcome = patterns.heal(script, day=2)
    assert f"{events}_2" in outcome["error"]
    orders.grant("select", "insert", table=events)
    assert patterns.heal(script, day=2)["success"] is True
    orders.sql.connection.execute("select ops_internal.revoke_fixer(%s)", (events,))
    orders.sql.connection.execute(f"drop table {events}")


def test_a_function_that_anybody_may_call_reaches_no_further(
    patterns: Patterns, orders: Orders, other: str
) -> None:
    """A cast to a type of the application calls a function with its owner's rights."""
    orders.sql.connection.execute(f"""
        create type {orders.name}_t as (note text);
        create function {orders.name}_c(text) returns {orders.name}_t language plpgsql
          security definer as $$
          begin
            update {other} set note = $1;
            return null;
          end $$;
        create cast (text as {orders.name}_t) with function {orders.name}_c(text);
    """)
    try:
        script = f"{FIXED.format(orders.name)}; select ($1 ->> 'x')::{orders.name}_t"
        _refused(patterns.heal(script, tables=(orders.name,), x="y"), orders, other, "update")
    finally:
        orders.sql.connection.execute(f"drop type {orders.name}_t cascade")


def test_what_a_trigger_creates_is_refused(patterns: Patterns, orders: Orders) -> None:
    """A change of the schema is a write to the catalogue, with whosever rights it is made."""
    orders.sql.connection.execute(f"""
        create function {orders.name}_f() returns trigger language plpgsql security definer as $$
          begin
            create table {orders.name}_made (id int);
            return new;
          end $$;
        create trigger t after update on {orders.name}
          for each row execute function {orders.name}_f();
    """)
    orders.grant("select", "update")
    _refused(patterns.heal(FIXED.format(orders.name)), orders, "pg_catalog", "create")
    orders.sql.connection.execute(f"drop function {orders.name}_f() cascade")


def test_a_view_passes_no_rights_on(patterns: Patterns, orders: Orders, other: str) -> None:
    """Through a view a fix would read with the rights of the view's owner."""
    orders.sql.connection.execute(f"create view {other}_view as select * from {other}")
    orders.sql.connection.execute(f"grant select on {other}_view to public, ops_fixer")
    script = f"{FIXED.format(orders.name)}; select * from {other}_view"
    _refused(patterns.heal(script), orders, other)
    _refused(patterns.heal(script, tables=(f"{other}_view",)), orders, f"{other}_view")


def test_a_table_that_reaches_another_server_is_not_granted(orders: Orders, admin: Any) -> None:
    """What happens there is neither counted nor undone."""
    run = admin.connection.execute
    run("create extension if not exists postgres_fdw with schema extensions")
    run("create server elsewhere foreign data wrapper postgres_fdw")
    run(f"create foreign table {orders.name}_far () inherits ({orders.name}) server elsewhere")
    try:
        with pytest.raises(psycopg.Error, match="foreign table"):
            orders.grant("select")
    finally:
        run("drop extension postgres_fdw cascade")


def test_what_is_not_counted_is_not_run(patterns: Patterns, orders: Orders, admin: Any) -> None:
    """Without PostgreSQL's counters nobody can say what a fix touched."""
    admin.connection.execute("alter function fix.run set track_counts = off")
    try:
        _refused(patterns.heal(FIXED.format(orders.name)), orders, "track_counts")
    finally:
        admin.connection.execute("alter function fix.run reset track_counts")
