"""`pattern-engine operators`: which people may read, act and approve."""

import argparse
import json
from uuid import UUID

from pattern_engine.cli.login import Connection, add_database_options, connect
from pattern_engine.cli.terminal import show
from pattern_engine.local.errors import StackError

ROLES = ("ops_viewer", "ops_operator", "ops_admin")


class UnknownPersonError(StackError):
    """No user of auth.users, or more than one, has this id or e-mail address."""


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `operators add`, `operators remove` and `operators list`."""
    subject = commands.add_parser("operators", help="manage who may read, act and approve")
    actions = subject.add_subparsers(title="actions", required=True, metavar="ACTION")
    add = actions.add_parser("add", help="give a person a role, or change the role")
    add.add_argument("person", metavar="EMAIL_OR_UUID", help="a user who has signed up")
    add.add_argument(
        "--role",
        choices=ROLES,
        required=True,
        help="ops_viewer reads, ops_operator also acts, ops_admin also approves fixes",
    )
    add.set_defaults(run=run_add)
    remove = actions.add_parser("remove", help="remove a person's role, with immediate effect")
    remove.add_argument("person", metavar="EMAIL_OR_UUID", help="a user who has a role")
    remove.set_defaults(run=run_remove)
    show = actions.add_parser("list", help="show who has which role")
    show.add_argument("--json", action="store_true", help="print JSON")
    show.set_defaults(run=run_list)
    for action in (add, remove, show):
        add_database_options(action)


def find_person(connection: Connection, person: str) -> tuple[UUID, str]:
    """Return the id and the e-mail address of a user, given one of the two.

    Raises:
        UnknownPersonError: No user, or more than one, was found.
    """
    found = connection.execute(
        "select id, coalesce(email, '') from auth.users "
        "where id::text = lower(%(person)s) or lower(email) = lower(%(person)s)",
        {"person": person.strip()},
    ).fetchall()
    if not found:
        raise UnknownPersonError(
            f"nobody signed up as {person!r}; check the spelling, or let the person sign up first"
        )
    if len(found) > 1:
        raise UnknownPersonError(
            f"{len(found)} users signed up as {person!r}; use the id of one of them"
        )
    identity, email = found[0]
    return UUID(str(identity)), str(email)


def run_add(options: argparse.Namespace) -> int:
    """Give a person a role."""
    with connect(options) as connection:
        identity, email = find_person(connection, options.person)
        connection.execute(
            "insert into ops.operators (user_id, role) values (%s, %s) "
            "on conflict (user_id) do update set role = excluded.role",
            (identity, options.role),
        )
    show(f"{email or identity} now has the role {options.role}")
    return 0


def run_remove(options: argparse.Namespace) -> int:
    """Remove a person's role."""
    with connect(options) as connection:
        identity, email = find_person(connection, options.person)
        removed = connection.execute(
            "delete from ops.operators where user_id = %s", (identity,)
        ).rowcount
    if not removed:
        raise UnknownPersonError(f"{email or identity} has no role, so there is nothing to remove")
    show(f"{email or identity} has no role any more")
    return 0


def run_list(options: argparse.Namespace) -> int:
    """Show who has which role."""
    with connect(options) as connection:
        rows = connection.execute(
            "select o.user_id, coalesce(u.email, ''), o.role, o.created_at, o.created_by "
            "from ops.operators as o join auth.users as u on u.id = o.user_id "
            "order by o.created_at, o.user_id"
        ).fetchall()
    names = ("user_id", "email", "role", "created_at", "created_by")
    if options.json:
        show(json.dumps([dict(zip(names, map(str, row), strict=True)) for row in rows], indent=2))
        return 0
    if not rows:
        show("nobody has a role; `pattern-engine operators add` gives a person one")
    for user_id, email, role, *_ in rows:
        show(f"{role!s:12}  {user_id}  {email}")
    return 0
