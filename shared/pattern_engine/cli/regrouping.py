"""`pattern-engine merge`, `split`, `undo`, `confirm`, and the life cycle of a pattern."""

from typing import Annotated, Any

import typer

from pattern_engine.cli import abbreviations, remote
from pattern_engine.cli.asking import Lasting, Reason, Until, Yes, confirmed, ending
from pattern_engine.cli.locations import DataDirectory
from pattern_engine.cli.on_call import PatternId, overview
from pattern_engine.cli.profiles import LOCAL
from pattern_engine.cli.remote import ProjectName, Remote
from pattern_engine.cli.screen import paint, table
from pattern_engine.cli.terminal import AsJson, show, show_json, tell
from pattern_engine.local.errors import StackError

commands = typer.Typer()
_SEEN = (
    "pattern_id,pattern_signature,pattern_type,occurrence_count,last_seen,auto_fix_enabled,"
    "template:metadata->>template"
)


@commands.command("merge")
def run_merge(
    patterns: Annotated[
        list[str],
        typer.Argument(metavar="PATTERN PATTERN", help="two or more; the first one is kept"),
    ],
    reason: Reason = None,
    project: ProjectName = LOCAL,
    data_dir: DataDirectory = None,
    *,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Merge patterns that are the same error, after a look at them."""
    here = remote.connect(project, data_dir)
    ids = [abbreviations.pattern_id(here, each) for each in patterns]
    if len(set(ids)) < 2:
        raise typer.BadParameter("name two different patterns or more", param_hint="PATTERN")
    if not yes:
        rows = here.rows("error_patterns", select=_SEEN, pattern_id=f"in.({','.join(ids)})")
        paint(overview(sorted(rows, key=lambda each: ids.index(each["pattern_id"]))))
        moved = sum(each["occurrence_count"] for each in rows if each["pattern_id"] != ids[0])
        confirmed(f"merge them, so that {moved} errors move to {ids[0][:8]}?", yes=yes)
    answer = here.call("merge", pattern_ids=ids, reason=reason)
    undo = ", ".join(each["merge_id"][:8] for each in answer["merges"])
    kept = answer["pattern"]["pattern_id"]
    tell(answer, f"merged into {kept}; `pattern-engine undo` takes back {undo}", as_json=as_json)


@commands.command("split")
def run_split(
    pattern: PatternId,
    signatures: Annotated[
        list[str] | None,
        typer.Option(
            "--signature",
            metavar="SIGNATURE",
            help="one to move, or its beginning; may be repeated. Without it they are listed",
        ),
    ] = None,
    reason: Reason = None,
    project: ProjectName = LOCAL,
    data_dir: DataDirectory = None,
    *,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Move some signatures of a pattern to a new pattern."""
    here = remote.connect(project, data_dir)
    pattern_id = abbreviations.pattern_id(here, pattern)
    known = here.rows(
        "pattern_signatures", select="signature,template,created_at", pattern_id=f"eq.{pattern_id}"
    )
    if not signatures:
        _list_signatures(known, as_json=as_json)
        return
    moved = [_signature(known, each) for each in signatures]
    if not yes:
        _list_signatures([each for each in known if each["signature"] in moved], as_json=False)
        confirmed("move these to a new pattern?", yes=yes)
    answer = here.call("split", pattern_id=pattern_id, signatures=moved, reason=reason)
    made = answer["other_pattern"]["pattern_id"]
    tell(
        answer,
        f"{answer['incident_count']} errors are now those of {made}"
        f"; `pattern-engine undo {answer['split_id'][:8]}` takes it back",
        as_json=as_json,
    )


def _list_signatures(known: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        show_json(known)
        return
    rows = ((each["signature"], each["template"]) for each in known)
    paint(table(("signature", "template"), rows, wide="template"))


def _signature(known: list[dict[str, Any]], given: str) -> str:
    found = [each["signature"] for each in known if each["signature"].startswith(given)]
    if len(found) != 1:
        raise StackError(
            f"{len(found)} signatures of the pattern begin with {given}; "
            "`pattern-engine split PATTERN` lists them"
        )
    return str(found[0])


@commands.command("undo")
def run_undo(
    change: Annotated[
        str, typer.Argument(metavar="ID", help="of a merge or a split, or the beginning of it")
    ],
    project: ProjectName = LOCAL,
    data_dir: DataDirectory = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Undo a merge or a split."""
    here = remote.connect(project, data_dir)
    which, whole = abbreviations.change_id(here, change)
    answer = here.call("undo", **{which: whole})
    both = f"{answer['pattern']['pattern_id']} and {answer['other_pattern']['pattern_id']}"
    tell(answer, f"undone: the patterns are {both} again", as_json=as_json)


@commands.command("confirm")
def run_confirm(
    pattern: PatternId,
    signatures: Annotated[
        list[str] | None,
        typer.Option(
            "--signature", metavar="SIGNATURE", help="came after the approval; may be repeated"
        ),
    ] = None,
    identifiers: Annotated[
        list[str] | None,
        typer.Option(
            "--identifiers",
            metavar="NAME=VALUE,…",
            help="outside of the guard, as constraint=orders_pkey,table=orders; may be repeated",
        ),
    ] = None,
    version: Annotated[
        int | None, typer.Option(metavar="VERSION", help="which fix, if the pattern has several")
    ] = None,
    project: ProjectName = LOCAL,
    data_dir: DataDirectory = None,
    *,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Let a live fix run for errors that its approver did not see.

    Without --signature and --identifiers it lists those for which the fix did not run.
    """
    here = remote.connect(project, data_dir)
    pattern_id = abbreviations.pattern_id(here, pattern)
    if not signatures and not identifiers:
        _list_refused(here, pattern_id, as_json=as_json)
        return
    tuples = [_tuple(each) for each in identifiers or ()]
    confirmed("let the fix run for these from now on?", yes=yes)
    answer = here.call(
        "confirm",
        pattern_id=pattern_id,
        signatures=signatures or None,
        identifiers=tuples or None,
        version=version,
    )
    tell(answer, "confirmed", as_json=as_json)


def _list_refused(here: Remote, pattern_id: str, *, as_json: bool) -> None:
    found = here.rows(
        "pattern_incidents",
        select="signature,identifiers,refusal,occurred_at",
        pattern_id=f"eq.{pattern_id}",
        refusal="not.is.null",
        order="occurred_at.desc",
        limit=50,
    )
    if as_json:
        show_json(found)
        return
    once = {(each["signature"], str(each["identifiers"]), each["refusal"]): each for each in found}
    rows = (
        (
            each["signature"],
            ",".join(f"{name}={value}" for name, value in each["identifiers"].items()),
            each["refusal"],
        )
        for each in once.values()
    )
    paint(table(("signature", "identifiers", "why no fix ran"), rows, wide="why no fix ran"))


def _tuple(given: str) -> dict[str, str]:
    found = dict(part.partition("=")[::2] for part in given.split(","))
    if not all(name and value for name, value in found.items()):
        raise typer.BadParameter(f"{given!r} is not NAME=VALUE", param_hint="--identifiers")
    return found


@commands.command("ignore")
def run_ignore(
    patterns: Annotated[
        list[str], typer.Argument(metavar="PATTERN", help="one or more, by id or its beginning")
    ],
    until: Until = None,
    lasting: Lasting = None,
    occurrences: Annotated[
        int | None,
        typer.Option(metavar="COUNT", min=1, help="open again after so many more errors"),
    ] = None,
    reason: Reason = None,
    project: ProjectName = LOCAL,
    data_dir: DataDirectory = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Ignore patterns until a time, until a number of further errors, or for good."""
    ends = ending(until, lasting)
    here = remote.connect(project, data_dir)
    ids = [abbreviations.pattern_id(here, each) for each in patterns]
    changes = {"until": ends, "occurrences": occurrences, "reason": reason}
    answers = [here.call("ignore", pattern_id=each, **changes) for each in ids]
    _states(answers, as_json=as_json)


@commands.command("resolve")
def run_resolve(
    pattern: PatternId,
    release: Annotated[
        str | None,
        typer.Option(metavar="RELEASE", help="the release that contains the solution"),
    ] = None,
    reason: Reason = None,
    project: ProjectName = LOCAL,
    data_dir: DataDirectory = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Mark a pattern as resolved; if its error happens again, that is a regression."""
    here = remote.connect(project, data_dir)
    pattern_id = abbreviations.pattern_id(here, pattern)
    answer = here.call("resolve", pattern_id=pattern_id, release=release, reason=reason)
    _states([answer], as_json=as_json)


@commands.command("reopen")
def run_reopen(
    pattern: PatternId,
    reason: Reason = None,
    project: ProjectName = LOCAL,
    data_dir: DataDirectory = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Open a resolved, ignored or archived pattern."""
    here = remote.connect(project, data_dir)
    pattern_id = abbreviations.pattern_id(here, pattern)
    _states([here.call("reopen", pattern_id=pattern_id, reason=reason)], as_json=as_json)


def _states(answers: list[dict[str, Any]], *, as_json: bool) -> None:
    patterns = [answer["pattern"] for answer in answers]
    if as_json:
        show_json(patterns)
        return
    for each in patterns:
        show(f"{each['pattern_id']} is {each['status']}")
