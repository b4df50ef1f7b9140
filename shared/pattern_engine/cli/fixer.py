"""`pattern-engine fixer`: which tables SQL fixes may read and change.

The commands for hosts and secrets are in `fixer_hosts`.
"""

import argparse
import json
from dataclasses import asdict, dataclass

from psycopg import sql
from psycopg.rows import class_row

from pattern_engine.cli import fixer_hosts
from pattern_engine.cli.login import Connection, add_database_options, connect
from pattern_engine.local.errors import StackError

ROLE = "ops_fixer"
POLICY = "ops_fixer may fix this table"
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
_SEQUENCES = """
select n.nspname, c.relname
from pg_catalog.pg_depend as d
join pg_catalog.pg_class as c on c.oid = d.objid and c.relkind = 'S'
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
where d.classid = 'pg_catalog.pg_class'::regclass and d.refobjid = %s::oid
  and d.deptype in ('a', 'i')
"""
_LIST = """
select format('%%I.%%I', n.nspname, c.relname) as table_name,
  array_agg(lower(a.privilege_type) order by a.privilege_type) as privileges,
  c.relrowsecurity as has_rls,
  exists (
    select from pg_catalog.pg_policy as p where p.polrelid = c.oid and p.polname = %(policy)s
  ) as has_policy
from pg_catalog.pg_class as c
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
cross join lateral aclexplode(c.relacl) as a
where c.relkind in ('r', 'p') and a.grantee = to_regrole(%(role)s)
  and n.nspname <> all (%(closed)s)
group by c.oid, n.nspname, c.relname, c.relrowsecurity
order by 1
"""


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

    @property
    def identifier(self) -> sql.Identifier:
        """The name, quoted for a statement."""
        return sql.Identifier(self.schema, self.name)


@dataclass(frozen=True)
class Grant:
    """What fixes may do with one table."""

    table_name: str
    privileges: list[str]
    has_rls: bool
    has_policy: bool

    @property
    def note(self) -> str:
        """What an operator should know about row-level security on the table."""
        if self.has_rls and not self.has_policy:
            return "row-level security without a policy, so fixes see no row; grant the table again"
        return "row-level security, with a policy" if self.has_rls else ""


def _privileges(text: str) -> list[str]:
    chosen = [word.strip().lower() for word in text.split(",") if word.strip()]
    unknown = sorted(set(chosen) - set(PRIVILEGES))
    if unknown or not chosen:
        raise argparse.ArgumentTypeError(f"{text!r}: choose from {', '.join(PRIVILEGES)}")
    return chosen


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `fixer grant`, `fixer revoke`, `fixer list`, and those for hosts and secrets."""
    subject = commands.add_parser("fixer", help="manage what fixes may touch, reach and send")
    actions = subject.add_subparsers(title="actions", required=True, metavar="ACTION")
    grant = actions.add_parser("grant", help="let fixes touch a table")
    grant.add_argument("table", metavar="TABLE", help="such as public.orders")
    grant.add_argument(
        "--privileges",
        type=_privileges,
        default=["select", "update"],
        help="comma list of select, insert, update, delete (default: select,update)",
    )
    grant.set_defaults(run=run_grant)
    revoke = actions.add_parser("revoke", help="take back what fixes may do with a table")
    revoke.add_argument("table", metavar="TABLE", help="such as public.orders")
    revoke.set_defaults(run=run_revoke)
    fixer_hosts.add_commands(actions)
    show = actions.add_parser("list", help="show what fixes may touch, reach and send")
    show.add_argument("--json", action="store_true", help="print JSON")
    show.set_defaults(run=run_list)
    for action in (grant, revoke, show):
        add_database_options(action)


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


def grant_table(connection: Connection, table: Table, privileges: list[str]) -> None:
    """Grant fixes exactly these privileges, and create a policy if the table has RLS."""
    _take_back(connection, table)
    role = sql.Identifier(ROLE)
    words = sql.SQL(", ").join(sql.SQL(word) for word in PRIVILEGES if word in privileges)
    schema = sql.Identifier(table.schema)
    connection.execute(sql.SQL("grant usage on schema {} to {}").format(schema, role))
    connection.execute(sql.SQL("grant {} on table {} to {}").format(words, table.identifier, role))
    if "insert" in privileges:
        for sequence in _sequences(connection, table):
            connection.execute(sql.SQL("grant usage on sequence {} to {}").format(sequence, role))
    if table.has_rls:
        connection.execute(
            sql.SQL("create policy {} on {} for all to {} using (true) with check (true)").format(
                sql.Identifier(POLICY), table.identifier, role
            )
        )


def _take_back(connection: Connection, table: Table) -> None:
    role = sql.Identifier(ROLE)
    connection.execute(sql.SQL("revoke all on table {} from {}").format(table.identifier, role))
    for sequence in _sequences(connection, table):
        connection.execute(sql.SQL("revoke all on sequence {} from {}").format(sequence, role))
    connection.execute(
        sql.SQL("drop policy if exists {} on {}").format(sql.Identifier(POLICY), table.identifier)
    )


def _sequences(connection: Connection, table: Table) -> list[sql.Identifier]:
    """Return the sequences that fill the table's columns."""
    found = connection.execute(_SEQUENCES, (table.oid,)).fetchall()
    return [sql.Identifier(str(schema), str(name)) for schema, name in found]


def run_grant(options: argparse.Namespace) -> int:
    """Let fixes touch a table."""
    with connect(options) as connection:
        table = find_table(connection, options.table)
        grant_table(connection, table, options.privileges)
    print(f"fixes may now {', '.join(options.privileges)} on {table.schema}.{table.name}")
    if table.has_rls:
        print(f"it has row-level security, so a policy for {ROLE} was created")
    return 0


def run_revoke(options: argparse.Namespace) -> int:
    """Take back every privilege of fixes on a table."""
    with connect(options) as connection:
        table = find_table(connection, options.table)
        _take_back(connection, table)
    print(f"fixes may not touch {table.schema}.{table.name} any more")
    return 0


def run_list(options: argparse.Namespace) -> int:
    """Show which tables fixes may touch, which hosts they may reach, and with which secrets."""
    values = {"policy": POLICY, "role": ROLE, "closed": sorted(_CLOSED_SCHEMAS)}
    with (
        connect(options) as connection,
        connection.cursor(row_factory=class_row(Grant)) as cursor,
    ):
        grants = cursor.execute(_LIST, values).fetchall()
        hosts = fixer_hosts.granted_hosts(connection)
    if options.json:
        granted = {"tables": [asdict(grant) for grant in grants], "hosts": hosts}
        print(json.dumps(granted, indent=2))
        return 0
    if not grants:
        print("fixes may not touch any table; `pattern-engine fixer grant TABLE` grants one")
    for grant in grants:
        print(f"{grant.table_name:32}  {', '.join(grant.privileges):32}  {grant.note}".rstrip())
    if not hosts:
        print("fixes may not reach any host; `pattern-engine fixer grant-host HOST` grants one")
    fixer_hosts.print_hosts(hosts)
    return 0
