"""`pattern-engine operators`: which people may read, act and approve."""

import json
from typing import Annotated, Literal
from uuid import UUID

import typer

from pattern_engine.cli.locations import DataDirectory, ProjectDirectory, data_directory
from pattern_engine.cli.owner import Connection, DatabaseUrl, connect
from pattern_engine.cli.terminal import AsJson, show
from pattern_engine.local import sign_in_links
from pattern_engine.local.errors import StackError
from pattern_engine.local.stack import read_status

Role = Literal["ops_viewer", "ops_operator", "ops_admin"]


class UnknownPersonError(StackError):
    """No user of auth.users, or more than one, has this id or e-mail address."""


commands = typer.Typer()
_actions = typer.Typer()
commands.add_typer(_actions, name="operators", help="Manage who may read, act and approve.")


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


@_actions.command("add")
def run_add(
    person: Annotated[
        str, typer.Argument(metavar="EMAIL_OR_UUID", help="a user who has signed up")
    ],
    role: Annotated[
        Role,
        typer.Option(
            help="ops_viewer reads, ops_operator also acts, ops_admin also approves fixes"
        ),
    ],
    db_url: DatabaseUrl = None,
    data_dir: DataDirectory = None,
    project: ProjectDirectory = None,
) -> None:
    """Give a person a role, or change the role."""
    with connect(db_url, data_dir, project) as connection:
        identity, email = find_person(connection, person)
        connection.execute(
            "insert into ops.operators (user_id, role) values (%s, %s) "
            "on conflict (user_id) do update set role = excluded.role",
            (identity, role),
        )
    show(f"{email or identity} now has the role {role}")


@_actions.command("link")
def run_link(
    email: Annotated[str, typer.Argument(metavar="EMAIL", help="the person's address")],
    role: Annotated[
        Role | None, typer.Option(help="the role to give; without it the role stays as it is")
    ] = None,
    data_dir: DataDirectory = None,
    project: ProjectDirectory = None,
) -> None:
    """Show a link that signs a person in to the console of the local stack, once.

    The account is created if there is none. It works on a local stack alone, which keeps the mails
    of Auth; on a hosted project the mail goes to the person.
    """
    status = read_status(data_directory(data_dir, project))
    if not status["running"]:
        raise StackError("the stack is not running; start it with `pattern-engine up`")
    show(sign_in_links.new(status, email, role))


@_actions.command("remove")
def run_remove(
    person: Annotated[str, typer.Argument(metavar="EMAIL_OR_UUID", help="a user who has a role")],
    db_url: DatabaseUrl = None,
    data_dir: DataDirectory = None,
    project: ProjectDirectory = None,
) -> None:
    """Remove a person's role, with immediate effect."""
    with connect(db_url, data_dir, project) as connection:
        identity, email = find_person(connection, person)
        removed = connection.execute(
            "delete from ops.operators where user_id = %s", (identity,)
        ).rowcount
    if not removed:
        raise UnknownPersonError(f"{email or identity} has no role, so there is nothing to remove")
    show(f"{email or identity} has no role any more")


@_actions.command("list")
def run_list(
    *,
    as_json: AsJson = False,
    db_url: DatabaseUrl = None,
    data_dir: DataDirectory = None,
    project: ProjectDirectory = None,
) -> None:
    """Show who has which role."""
    with connect(db_url, data_dir, project) as connection:
        rows = connection.execute(
            "select o.user_id, coalesce(u.email, ''), o.role, o.created_at, o.created_by "
            "from ops.operators as o join auth.users as u on u.id = o.user_id "
            "order by o.created_at, o.user_id"
        ).fetchall()
    names = ("user_id", "email", "role", "created_at", "created_by")
    if as_json:
        show(json.dumps([dict(zip(names, map(str, row), strict=True)) for row in rows], indent=2))
        return
    if not rows:
        show("nobody has a role; `pattern-engine operators add` gives a person one")
    for user_id, email, role, *_ in rows:
        show(f"{role!s:12}  {user_id}  {email}")
