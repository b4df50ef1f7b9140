"""How a command asks a person for a reason, and whether to go on."""

import re
import sys
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from pattern_engine.cli.terminal import show

Reason = Annotated[
    str | None,
    typer.Option(metavar="REASON", help="recorded for later readers"),
]
AskedReason = Annotated[
    str | None,
    typer.Option(
        "--reason", metavar="REASON", help="recorded for later readers", show_default="asked for"
    ),
]
Yes = Annotated[bool, typer.Option("--yes", help="do not ask for a confirmation")]
Until = Annotated[
    datetime | None,
    typer.Option(
        formats=["%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M", "%Y-%m-%d"],
        metavar="TIME",
        help="it ends then, as 2030-01-31T08:00 of your clock",
    ),
]
Lasting = Annotated[
    str | None,
    typer.Option("--for", metavar="TIME", help="it ends after this time, as 30m, 8h or 7d"),
]
_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def require_answers(reason: str | None, *, yes: bool) -> None:
    """Go on only if everything was given, or somebody can be asked for the rest.

    Raises:
        BadParameter: A reason or a confirmation is missing, and nobody can be asked.
    """
    if sys.stdin.isatty():
        return
    if reason is None:
        raise typer.BadParameter("nobody can be asked here for a reason", param_hint="--reason")
    if not yes:
        raise typer.BadParameter("nobody can be asked here to confirm it", param_hint="--yes")


def reasoned(given: str | None, question: str) -> str:
    """Return the reason that was given, or ask for one.

    Raises:
        BadParameter: It is blank, or nobody can be asked.
    """
    if given is None and sys.stdin.isatty():
        given = typer.prompt(question, err=True)
    if not given or not given.strip():
        raise typer.BadParameter("give a reason: it is recorded", param_hint="--reason")
    return given


def confirmed(question: str, *, yes: bool) -> None:
    """Go on only if the person agrees.

    Raises:
        BadParameter: Nobody can be asked.
        Exit: The person does not agree.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise typer.BadParameter("nobody can be asked here to confirm it", param_hint="--yes")
    if not typer.confirm(question, err=True):
        show("nothing was done", error=True)
        raise typer.Exit(1)


def ending(until: datetime | None, lasting: str | None) -> str | None:
    """Return the time that one of the two options says, for the API.

    Raises:
        BadParameter: Both were given.
    """
    if until and lasting:
        raise typer.BadParameter("give one of the two", param_hint="--until or --for")
    if lasting:
        return (datetime.now(UTC) + duration(lasting)).isoformat()
    return until.astimezone().isoformat() if until else None


def duration(given: str) -> timedelta:
    """Return a duration such as 30m, 8h or 7d.

    Raises:
        BadParameter: It is none.
    """
    found = re.fullmatch(r"([1-9][0-9]{0,5})([smhd])", given.strip())
    if not found:
        raise typer.BadParameter(
            f"{given!r} is no duration such as 30m, 8h or 7d", param_hint="--for"
        )
    return timedelta(seconds=int(found[1]) * _UNITS[found[2]])
