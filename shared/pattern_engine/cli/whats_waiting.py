"""`pattern-engine inbox`: what waits for a person, the most pressing first."""

from collections.abc import Callable, Iterator
from typing import Annotated, Any, Final, Literal

import typer
from rich.console import RenderableType
from rich.text import Text

from pattern_engine.cli import remote
from pattern_engine.cli.locations import DataDirectory
from pattern_engine.cli.profiles import LOCAL
from pattern_engine.cli.remote import ProjectName, Remote
from pattern_engine.cli.screen import ago, heading, line, paint, pairs, short, table, text, when
from pattern_engine.cli.terminal import AsJson, show, show_json

commands = typer.Typer()
_TITLES: Final = {
    "control": "Out of control",
    "decision": "Needs a decision",
    "changed": "Changed",
    "healing": "Healing now",
}
#: Kind of an entry → what it says beside the pattern.
_NOTES: Final[dict[str, Callable[[dict[str, Any]], str]]] = {
    "changed_fix": lambda each: f"a fix was refused: {each['reason']}",
    "demoted": lambda each: f"version {each['version']} was demoted: {each['reason']}",
    "disabled": lambda each: f"version {each['version']} was disabled: {each['reason']}",
    "healed_often": lambda each: (
        f"healed {each['heals']} times this week: the fix works, and the cause is still there"
    ),
    "proposal": lambda each: (
        f"proposal {short(each['proposal_id'])} expires {ago(each['expires_at'])}"
    ),
    "unconfirmed_signature": lambda each: (
        f"the fix does not run for {each['signatures']} signatures that came after its approval"
    ),
    "unconfirmed_identifiers": lambda each: (
        f"the fix does not run for {pairs(each['identifiers'])}"
    ),
    "review": lambda _: "no fix yet",
    "regressed": lambda each: f"came back {ago(each['at'])}, after it was resolved",
    "spiked": lambda each: f"{each['errors']} errors instead of {each['usual_errors']}",
    "new": lambda each: f"new {ago(each['at'])}",
    "running": lambda each: f"a fix runs since {ago(each['at'])}",
    "verifying": lambda each: f"healed; whether it helps is known {ago(each['due_at'])}",
}


@commands.command("inbox")
def run_inbox(
    section: Annotated[
        Literal["control", "decision", "changed", "healing"] | None,
        typer.Option(help="only this part"),
    ] = None,
    pattern_type: Annotated[
        str | None, typer.Option("--type", metavar="TYPE", help="such as database or api")
    ] = None,
    severity: Annotated[
        Literal["debug", "info", "warning", "error", "critical"] | None,
        typer.Option(help="this one or a worse one"),
    ] = None,
    source: Annotated[
        str | None, typer.Option(metavar="SOURCE", help="the component that the errors come from")
    ] = None,
    environment: Annotated[
        str | None, typer.Option(metavar="NAME", help="where they happen, such as production")
    ] = None,
    limit: Annotated[
        int, typer.Option(metavar="COUNT", min=1, max=200, help="how many of each part")
    ] = 10,
    project: ProjectName = LOCAL,
    data_dir: DataDirectory = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Show what waits for a person: out of control, to decide, changed, healing."""
    filters = {
        "section": section,
        "type": pattern_type,
        "severity": severity,
        "source": source,
        "environment": environment,
    }
    found = _read(remote.connect(project, data_dir), filters, limit)
    if as_json:
        show_json(found)
    elif any(found.values()):
        paint(*_painted(found))
    else:
        show("nothing waits for you")


def _read(here: Remote, filters: dict[str, str | None], limit: int) -> dict[str, Any]:
    given = {name: value for name, value in filters.items() if value is not None}
    sections = here.rpc("console_inbox_v1", p_filters=given, p_limit=limit)
    pauses = here.rows(
        "fix_pauses",
        select="pause_id,cause,reason,started_at,expires_at",
        ended_at="is.null",
        expires_at="gt.now",
        order="expires_at.desc",
    )
    return {"pauses": pauses, **{name: sections.get(name) for name in _TITLES}}


def _painted(found: dict[str, Any]) -> Iterator[RenderableType]:
    for each in found["pauses"]:
        why = "a storm of errors" if each["cause"] == "storm" else "a person"
        yield text(
            f"No fix starts until {when(each['expires_at'])}: paused by {why}: {each['reason']}",
            "bold red",
        )
    for name, title in _TITLES.items():
        section = found[name]
        if not section:
            continue
        shown, total = len(section["entries"]), section["total"]
        yield heading(title if shown == total else f"{title}: {shown} of {total}")
        yield table(
            ("pattern", "errors", "last seen", "what", "error"),
            map(_row, section["entries"]),
            wide="error",
        )


def _row(entry: dict[str, Any]) -> tuple[object, ...]:
    note = _NOTES.get(entry["kind"])
    return (
        Text(short(entry["pattern_id"]), "cyan"),
        entry["occurrence_count"],
        ago(entry["last_seen"]),
        line(note(entry["details"]) if note else entry["kind"], longest=70),
        line(entry["template"], longest=200),
    )
