"""`pattern-engine fixer`: which tables SQL fixes may read and change.

The commands for hosts and secrets are in `fixer_hosts`.
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Annotated, cast

import typer
from psycopg import sql
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from pattern_engine.cli import fixer_hosts
from pattern_engine.cli.locations import DataDirectory, ProjectDirectory
from pattern_engine.cli.owner import Connection, DatabaseUrl, connect
from pattern_engine.cli.terminal import AsJson, show
from pattern_engine.local.errors import StackError

ROLE = "ops_fixer"
PRIVILEGES = ("select", "insert", "update", "delete")
# A fix that could write to these schemas could change Auth, the vault, the schedules or the engine.
_CLOSED_SCHEMAS = frozenset({
    "auth", "cron", "extensions", "fix", "graphql", "information_schema", "net", "ops",
    "ops_internal", "pgmq", "realtime", "storage", "supabase_functions", "supabase_migrations",
    "vault",
})  # fmt: skip

_FIND = """
select c.oid::text as oid, n.nspname as schema, c.relname as name, c.relkind::text as kind,
  c.relrowsecurity as has_rls
from pg_catalog.pg_class as c
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
where c.oid = to_regclass(%s)
"""
_LIST = """
select known.*
from ops_internal.fixer_privileges() as known
where split_part(known.table_name, '.', 1) <> all (%(closed)s) or known.stored <> '{}'
order by known.table_name
"""
_REACH = "select ops_internal.fixer_reach(%s, %s, %s)"
_GRANT = "select ops_internal.grant_fixer(%s, %s, %s)"
_REVOKE = "select ops_internal.revoke_fixer(%s)"
_LEFT = "select known.* from ops_internal.fixer_privileges(array[%s]) as known"


class RefusedTableError(StackError):
    """Fixes may not be granted this table."""


@dataclass(frozen=True)
class Table:
    """A table of the application."""

    oid: str
    schema: str
    name: str
    kind: str
    has_rls: bool

    def qualified(self, connection: Connection) -> str:
        """The name with its schema, quoted for SQL."""
        return sql.Identifier(self.schema, self.name).as_string(connection)


@dataclass(frozen=True)
class Grant:
    """What fixes may do with one table."""

    table_name: str
    granted: list[str]
    """By grants to `ops_fixer` itself, on the table or on columns."""
    effective: list[str]
    """What the role may do now, by PUBLIC and by memberships too."""
    stored: list[str]
    """What `fixer grant` stored; a run that does anything else is refused."""
    reaches: list[dict[str, str | None]]
    """What was stored as coming with the table."""
    has_rls: bool
    has_policy: bool

    @property
    def notes(self) -> Iterator[str]:
        """What an operator should know about the table."""
        again = f"`pattern-engine fixer grant {self.table_name}`"
        if foreign := sorted(set(self.effective) - set(self.granted)):
            yield f"{', '.join(foreign)} by PUBLIC or a membership: fixes that use it are refused"
        if extra := sorted(set(self.granted) - set(self.stored)):
            yield f"{', '.join(extra)} granted without {again}: fixes that use it are refused"
        if lost := sorted(set(self.stored) - set(self.effective)):
            yield f"{', '.join(lost)} was revoked since; {again} gives it back"
        if self.has_rls and not self.has_policy:
            yield "row-level security without a policy, so fixes see no row; grant the table again"
        elif self.has_rls:
            yield "row-level security, with a policy"


def _privileges(text: str) -> list[str]:
    chosen = [word.strip().lower() for word in text.split(",") if word.strip()]
    unknown = sorted(set(chosen) - set(PRIVILEGES))
    if unknown or not chosen:
        raise typer.BadParameter(
            f"{text!r}: choose from {', '.join(PRIVILEGES)}", param_hint="--privileges"
        )
    return chosen


commands = typer.Typer()
_actions = typer.Typer()
commands.add_typer(_actions, name="fixer", help="Manage what fixes may touch, reach and send.")
_TableName = Annotated[str, typer.Argument(metavar="TABLE", help="such as public.orders")]


def find_table(connection: Connection, name: str) -> Table:
    """Return a table that fixes may be granted.

    Raises:
        RefusedTableError: It does not exist, is not a table, or is in a closed schema.
    """
    with connection.cursor(row_factory=class_row(Table)) as cursor:
        table = cursor.execute(_FIND, (name,)).fetchone()
    if table is None:
        raise RefusedTableError(f"there is no table {name}; check the spelling and the schema")
    if table.schema in _CLOSED_SCHEMAS or table.schema.startswith("pg_"):
        raise RefusedTableError(f"{name} is refused: the schema {table.schema} is closed to fixes")
    if table.kind not in ("r", "p"):
        raise RefusedTableError(f"{name} is not a table; grant the tables that it reads")
    return table


def reach_of(
    connection: Connection, table: Table, privileges: list[str], named: list[str]
) -> list[dict[str, str | None]]:
    """Return what comes with a table: partitions, foreign keys, triggers and the like.

    Raises:
        RefusedTableError: A table named with --reaches does not exist.
    """
    for name in named:
        if connection.execute("select to_regclass(%s)", (name,)).fetchone() == (None,):
            raise RefusedTableError(f"there is no table {name}; check the spelling and the schema")
    found = connection.execute(_REACH, (table.qualified(connection), privileges, named)).fetchone()
    return cast("list[dict[str, str | None]]", found[0] if found else [])


def _confirmed(reaches: list[dict[str, str | None]], *, yes: bool) -> bool:
    """Show what comes with a table, and ask whether it may."""
    if not reaches:
        return True
    show("with it come:")
    for each in reaches:
        named = f"{each['operation']} on {each['table']}" if each["table"] else "a function"
        show(f"  {named:48}  {each['via']}")
    if yes:
        return True
    if not sys.stdin.isatty():
        raise RefusedTableError("nothing was granted; repeat the command with --yes to agree")
    return input("grant all of this to fixes? [y/N] ").strip().lower() in ("y", "yes")


@_actions.command("grant")
def run_grant(
    name: _TableName,
    privileges: Annotated[
        str,
        typer.Option(metavar="PRIVILEGES", help="comma list of select, insert, update, delete"),
    ] = "select,update",
    reaches: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TABLE",
            help="one more table that comes with it, such as one that a trigger writes by dynamic "
            "SQL; may be repeated",
        ),
    ] = None,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask about what comes with it")] = False,
    db_url: DatabaseUrl = None,
    data_dir: DataDirectory = None,
    project: ProjectDirectory = None,
) -> int:
    """Let fixes touch a table."""
    chosen = _privileges(privileges)
    with connect(db_url, data_dir, project) as connection:
        table = find_table(connection, name)
        found = reach_of(connection, table, chosen, reaches or [])
        if not _confirmed(found, yes=yes):
            show("nothing was granted")
            return 1
        connection.execute(_GRANT, (table.qualified(connection), chosen, Jsonb(found)))
    show(f"fixes may now {', '.join(chosen)} on {table.schema}.{table.name}")
    if table.has_rls:
        show(f"it has row-level security, so a policy for {ROLE} was created")
    return 0


@_actions.command("revoke")
def run_revoke(
    name: _TableName,
    db_url: DatabaseUrl = None,
    data_dir: DataDirectory = None,
    project: ProjectDirectory = None,
) -> None:
    """Take back what fixes may do with a table."""
    with connect(db_url, data_dir, project) as connection:
        table = find_table(connection, name)
        qualified = table.qualified(connection)
        connection.execute(_REVOKE, (qualified,))
        with connection.cursor(row_factory=class_row(Grant)) as cursor:
            left = cursor.execute(_LEFT, (qualified,)).fetchone()
    if left and left.effective:
        show(
            f"{ROLE} still has {', '.join(left.effective)} on {table.schema}.{table.name}, by "
            "PUBLIC, a membership or another grantor; fixes that use it are refused"
        )
        return
    show(f"fixes may not touch {table.schema}.{table.name} any more")


@_actions.command("list")
def run_list(
    *,
    as_json: AsJson = False,
    db_url: DatabaseUrl = None,
    data_dir: DataDirectory = None,
    project: ProjectDirectory = None,
) -> None:
    """Show what fixes may touch, reach and send."""
    with (
        connect(db_url, data_dir, project) as connection,
        connection.cursor(row_factory=class_row(Grant)) as cursor,
    ):
        grants = cursor.execute(_LIST, {"closed": sorted(_CLOSED_SCHEMAS)}).fetchall()
        hosts = fixer_hosts.granted_hosts(connection)
    if as_json:
        granted = {"tables": [asdict(grant) for grant in grants], "hosts": hosts}
        show(json.dumps(granted, indent=2))
        return
    if not grants:
        show("fixes may not touch any table; `pattern-engine fixer grant TABLE` grants one")
    for grant in grants:
        notes = "; ".join(grant.notes)
        show(f"{grant.table_name:32}  {', '.join(grant.effective):32}  {notes}".rstrip())
        for each in grant.reaches:
            if each["table"]:
                show(f"    with {each['operation']} on {each['table']} ({each['via']})")
    if not hosts:
        show("fixes may not reach any host; `pattern-engine fixer grant-host HOST` grants one")
    fixer_hosts.print_hosts(hosts)


for _name, _run in fixer_hosts.ACTIONS.items():
    _actions.command(_name)(_run)
