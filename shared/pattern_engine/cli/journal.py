"""`pattern-engine verify-events`: whether the journal is as it was sealed."""

import json
import re
from dataclasses import asdict, dataclass
from typing import Annotated

import typer
from psycopg import IsolationLevel
from psycopg.rows import class_row

from pattern_engine.cli.locations import DataDirectory, ProjectDirectory
from pattern_engine.cli.owner import Connection, DatabaseUrl, connect
from pattern_engine.cli.terminal import AsJson, show

_FIGURES = """
select
  (select count(*) from ops.event_seals) as seals,
  count(events.seal_id) as events,
  count(*) - count(events.seal_id) as waiting,
  min(events.created_at) filter (
    where events.seal_id is null and events.created_at < now() - interval '1 hour'
  )::text as waiting_since,
  (
    select last.id || ':' || encode(last.seal, 'hex')
    from ops.event_seals as last order by last.id desc limit 1
  ) as head
from ops.roman_events as events
"""
_PROBLEM = "select problem from ops_internal.broken_seals() limit 1"
_HEAD = "select from ops.event_seals where id = %s and seal = decode(%s, 'hex')"


@dataclass(frozen=True)
class Figures:
    """The size of the journal, and the last seal of its chain."""

    seals: int
    events: int
    waiting: int
    waiting_since: str | None
    head: str | None


commands = typer.Typer()


def _head(text: str) -> tuple[int, str]:
    if not re.fullmatch(r"[1-9][0-9]{0,17}:[0-9a-f]{64}", text):
        raise typer.BadParameter(
            f"{text!r} is no head; it looks like 12:5f0c…", param_hint="--head"
        )
    seal_id, digest = text.split(":")
    return int(seal_id), digest


@commands.command("verify-events")
def run(
    head: Annotated[
        str | None,
        typer.Option(
            metavar="ID:DIGEST",
            help="the head that an earlier check printed, which has to be part of the chain still",
        ),
    ] = None,
    *,
    as_json: AsJson = False,
    db_url: DatabaseUrl = None,
    data_dir: DataDirectory = None,
    project: ProjectDirectory = None,
) -> int:
    """Check that no event of the journal was changed or removed.

    The exit code is 1 if one was, or if events wait for their seal too long.
    """
    known = _head(head) if head else None
    with connect(db_url, data_dir, project) as connection:
        # One snapshot for all questions, and as much time as they take.
        connection.isolation_level = IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        connection.execute("set statement_timeout = 0")
        with connection.cursor(row_factory=class_row(Figures)) as cursor:
            (figures,) = cursor.execute(_FIGURES).fetchall()
        problem = _problem(connection, known) or _waiting(figures)
    if as_json:
        show(json.dumps({"whole": problem is None, "problem": problem, **asdict(figures)}))
    elif problem is None:
        show(f"the journal is whole: {figures.events} events in {figures.seals} seals")
        show(f"{figures.waiting} events wait for the next seal")
        show(f"head {figures.head}")
    if problem is not None:
        show(f"pattern-engine: {problem}", error=True)
    return 0 if problem is None else 1


def _problem(connection: Connection, head: tuple[int, str] | None) -> str | None:
    """Return the first thing that is wrong with the chain; None if it is whole."""
    found = connection.execute(_PROBLEM).fetchone()
    if found is not None:
        return str(found[0])
    if head is not None and connection.execute(_HEAD, head).fetchone() is None:
        return f"seal {head[0]} is not the one with the digest {head[1]}: the chain was made anew"
    return None


def _waiting(figures: Figures) -> str | None:
    if figures.waiting_since is None:
        return None
    return (
        f"events wait for their seal since {figures.waiting_since}; see whether the job "
        "pattern-engine-seal-events runs, in cron.job_run_details"
    )
