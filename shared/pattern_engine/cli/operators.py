"""`pattern-engine operators`: who may look, act and approve."""

import argparse
import json
from uuid import UUID

import psycopg

from pattern_engine.cli.login import Connection, add_database, connect
from pattern_engine.cli.places import fail
from pattern_engine.local.errors import StackError

ROLES = ("ops_viewer", "ops_operator", "ops_admin")


class UnknownPersonError(StackError):
    """No such user in auth.users."""


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `operators add`, `operators remove` and `operators list`."""
    subject = commands.add_parser("operators", help="say who may look, act and approve")
    actions = subject.add_subparsers(title="actions", required=True, metavar="ACTION")
    add = actions.add_parser("add", help="give a person a role, or another one")
    add.add_argument("person", metavar="EMAIL_OR_UUID", help="a user who has signed up")
    add.add_argument("--role", choices=ROLES, required=True)
    add.set_defaults(run=run_add)
    remove = actions.add_parser("remove", help="take a person's role; works at once")
    remove.add_argument("person", metavar="EMAIL_OR_UUID")
    remove.set_defaults(run=run_remove)
    show = actions.add_parser("list", help="show who has which role")
    show.add_argument("--json", action="store_true", help="print JSON")
    show.set_defaults(run=run_list)
    for action in (add, remove, show):
        add_database(action)


def find_person(connection: Connection, person: str) -> tuple[UUID, str]:
    """Return a user's id and e-mail address, found by either.

    Raises:
        UnknownPersonError: Nobody, or more than one, has signed up so.
    """
    found = connection.execute(
        "select id, coalesce(email, '') from auth.users "
        "where id::text = lower(%(person)s) or lower(email) = lower(%(person)s)",
        {"person": person.strip()},
    ).fetchall()
    if len(found) != 1:
        told = (
            f"{len(found)} users signed up as {person!r}; give the id of the one you mean"
            if found
            else f"nobody signed up as {person!r}; check the spelling, or sign the person up"
        )
        raise UnknownPersonError(told)
    identity, email = found[0]
    return UUID(str(identity)), str(email)


def run_add(options: argparse.Namespace) -> int:
    """Give a person a role."""
    try:
        with connect(options) as connection:
            identity, email = find_person(connection, options.person)
            connection.execute(
                "insert into ops.operators (user_id, role) values (%s, %s) "
                "on conflict (user_id) do update set role = excluded.role",
                (identity, options.role),
            )
    except (StackError, psycopg.Error) as error:
        return fail(error)
    print(f"{email or identity} is {options.role}")
    return 0


def run_remove(options: argparse.Namespace) -> int:
    """Take a person's role."""
    try:
        with connect(options) as connection:
            identity, email = find_person(connection, options.person)
            removed = connection.execute(
                "delete from ops.operators where user_id = %s", (identity,)
            ).rowcount
    except (StackError, psycopg.Error) as error:
        return fail(error)
    if not removed:
        return fail(UnknownPersonError(f"{email or identity} has no role"))
    print(f"{email or identity} has no role any more")
    return 0


def run_list(options: argparse.Namespace) -> int:
    """Show who has which role."""
    try:
        with connect(options) as connection:
            rows = connection.execute(
                "select o.user_id, coalesce(u.email, ''), o.role, o.created_at, o.created_by "
                "from ops.operators as o join auth.users as u on u.id = o.user_id "
                "order by o.created_at, o.user_id"
            ).fetchall()
    except (StackError, psycopg.Error) as error:
        return fail(error)
    names = ("user_id", "email", "role", "created_at", "created_by")
    if options.json:
        print(json.dumps([dict(zip(names, map(str, row), strict=True)) for row in rows], indent=2))
        return 0
    for user_id, email, role, *_ in rows:
        print(f"{role!s:12}  {user_id}  {email}")
    return 0
