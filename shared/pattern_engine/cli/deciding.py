"""`pattern-engine propose`, `review`, `approve`, `reject`, `enable`, `disable` and `rollback`."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from pattern_engine.cli import abbreviations, remote, review_sheet
from pattern_engine.cli.asking import (
    AskedReason,
    Lasting,
    Until,
    Yes,
    confirmed,
    ending,
    reasoned,
    require_answers,
)
from pattern_engine.cli.locations import DataDirectory
from pattern_engine.cli.on_call import PatternId
from pattern_engine.cli.profiles import LOCAL
from pattern_engine.cli.remote import ProjectName, Remote, StaleError
from pattern_engine.cli.screen import paint
from pattern_engine.cli.terminal import AsJson, show, show_json, tell
from pattern_engine.limits import FixType
from pattern_engine.local.errors import StackError

commands = typer.Typer()
ProposalId = Annotated[
    str, typer.Argument(metavar="PROPOSAL", help="its id, or the beginning of it")
]
MaxHeals = Annotated[
    int | None, typer.Option(metavar="COUNT", min=1, help="it ends after so many runs of the fix")
]
Digest = Annotated[
    str | None,
    typer.Option(
        metavar="DIGEST",
        help="what you have read, or the first 12 digits of it; another digest is refused",
    ),
]


@commands.command("propose")
def run_propose(
    pattern: PatternId,
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="file with the script; - reads standard input")
    ],
    fix_type: Annotated[FixType, typer.Option("--type", help="type of the fix")],
    params: Annotated[
        Path | None,
        typer.Option(metavar="PARAMS.json", help="file with its parameters, a JSON object"),
    ] = None,
    undo: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="script of the same type that undoes a run"),
    ] = None,
    project: ProjectName = LOCAL,
    data_dir: DataDirectory = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Propose a fix, which is analysed and tried at once, for an administrator to decide on."""
    here = remote.connect(project, data_dir)
    answer = here.call(
        "propose",
        pattern_id=abbreviations.pattern_id(here, pattern),
        auto_fix_type=fix_type,
        auto_fix_script=sys.stdin.read() if file == "-" else _read(Path(file)),
        auto_fix_parameters=_object(params) if params else None,
        undo_script=_read(undo) if undo else None,
    )
    _show_review(here, answer["proposal"]["proposal_id"], as_json=as_json)


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode()
    except OSError as problem:
        raise typer.BadParameter(f"{path} cannot be read: {problem.strerror}") from problem
    except UnicodeDecodeError as problem:
        raise typer.BadParameter(f"{path} is not UTF-8: {problem.reason}") from problem


def _object(path: Path) -> dict[str, Any]:
    try:
        given = json.loads(_read(path))
    except ValueError as problem:
        raise typer.BadParameter(f"{path} is not valid JSON: {problem}") from problem
    if not isinstance(given, dict):
        raise typer.BadParameter(f"{path} does not contain a JSON object")
    return given


@commands.command("review")
def run_review(
    proposal: ProposalId,
    project: ProjectName = LOCAL,
    data_dir: DataDirectory = None,
    *,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="repeat dry-run and replay with the present data first")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show all that a decision on a proposal rests on: script, guard, dry-run, replay, record."""
    here = remote.connect(project, data_dir)
    proposal_id = abbreviations.proposal_id(here, proposal)
    if fresh:
        here.call("preview", proposal_id=proposal_id)
    _show_review(here, proposal_id, as_json=as_json)


def _show_review(here: Remote, proposal_id: str, *, as_json: bool) -> dict[str, Any]:
    found = review_sheet.material(here, proposal_id)
    if as_json:
        show_json(found)
    else:
        paint(*review_sheet.painted(found))
    return found


@commands.command("approve")
def run_approve(
    proposal: ProposalId,
    reason: AskedReason = None,
    digest: Digest = None,
    mode: Annotated[
        Literal["live", "shadow"],
        typer.Option(help="shadow records what the fix would have done, and runs nothing"),
    ] = "live",
    until: Until = None,
    lasting: Lasting = None,
    max_heals: MaxHeals = None,
    project: ProjectName = LOCAL,
    data_dir: DataDirectory = None,
    *,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Approve a proposal: from then on its fix runs by itself whenever the error occurs.

    It is shown and confirmed before, with a fresh dry-run; --yes approves it unseen, if --digest
    names what was read.
    """
    if yes and not digest:
        raise typer.BadParameter("--yes needs the digest that you have read", param_hint="--digest")
    terms = {"mode": mode, "ends_at": ending(until, lasting), "max_heals": max_heals}
    _decide("approve", proposal, reason, digest, terms, project, data_dir, yes=yes, as_json=as_json)


@commands.command("reject")
def run_reject(
    proposal: ProposalId,
    reason: AskedReason = None,
    digest: Digest = None,
    project: ProjectName = LOCAL,
    data_dir: DataDirectory = None,
    *,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Reject a proposal, with the reason for it."""
    _decide("reject", proposal, reason, digest, {}, project, data_dir, yes=yes, as_json=as_json)


def _decide(
    decision: str,
    proposal: str,
    reason: str | None,
    digest: str | None,
    terms: Mapping[str, object],
    project: str,
    data_dir: Path | None,
    *,
    yes: bool,
    as_json: bool,
) -> None:
    require_answers(reason, yes=yes)
    here = remote.connect(project, data_dir)
    proposal_id = abbreviations.proposal_id(here, proposal)
    if not yes and decision == "approve":
        here.call("preview", proposal_id=proposal_id)
    found = review_sheet.material(here, proposal_id)
    sha256 = _same(found["proposal"]["sha256"], digest)
    if not yes and not as_json:
        paint(*review_sheet.painted(found))
        show()
    reason = reasoned(reason, f"Why do you {decision} it?")
    confirmed(f"{decision} exactly this, with the digest {sha256[:12]}?", yes=yes)
    answer = here.call(
        "decide",
        proposal_id=proposal_id,
        sha256=sha256,
        decision=decision,
        reason=reason,
        **terms,
    )
    words = f"{answer['proposal']['decision']}: {proposal_id}, digest {sha256[:12]}"
    tell(answer, words, as_json=as_json)


def _same(stored: str, read: str | None) -> str:
    """Return the digest that is stored, if it is the one that was read."""
    if read and (len(read) < 12 or not stored.startswith(read.lower())):
        raise StaleError(
            f"the proposal has the digest {stored[:12]}, not {read}: it is not the one that was "
            "read; `pattern-engine review` shows it"
        )
    return stored


@commands.command("enable")
def run_enable(
    pattern: PatternId,
    reason: AskedReason = None,
    digest: Digest = None,
    version: Annotated[
        int | None, typer.Option(metavar="VERSION", help="which fix, if the pattern has several")
    ] = None,
    until: Until = None,
    lasting: Lasting = None,
    max_heals: MaxHeals = None,
    project: ProjectName = LOCAL,
    data_dir: DataDirectory = None,
    *,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Put a demoted or expired fix back in use, or make a shadow live."""
    require_answers(reason, yes=yes)
    here = remote.connect(project, data_dir)
    pattern_id = abbreviations.pattern_id(here, pattern)
    fix = _only_fix(here, pattern_id, version)
    sha256 = _same(fix["sha256"], digest)
    if not as_json:
        paint(*review_sheet.numbered(fix["prepared_script"]))
        why = f": {fix['mode_reason']}" if fix["mode_reason"] else ""
        show(f"\nversion {fix['version']} is {fix['mode']}{why}")
    reason = reasoned(reason, "Why do you enable it?")
    confirmed(f"enable exactly this, with the digest {sha256[:12]}?", yes=yes)
    answer = here.call(
        "enable",
        pattern_id=pattern_id,
        sha256=sha256,
        reason=reason,
        ends_at=ending(until, lasting),
        max_heals=max_heals,
    )
    tell(answer, f"version {fix['version']} of the fix is live", as_json=as_json)


def _only_fix(here: Remote, pattern_id: str, version: int | None) -> dict[str, Any]:
    """Return the fix that is meant: the one that does not run though it was not disabled."""
    found = here.rows(
        "pattern_fixes",
        select="version,mode,mode_reason,sha256,prepared_script",
        pattern_id=f"eq.{pattern_id}",
        disabled_at="is.null",
        version=f"eq.{version}" if version else None,
        mode=None if version else "neq.live",
    )
    if not found:
        raise StaleError(
            "the pattern has no demoted or expired fix and no shadow; a disabled fix needs a "
            "new approval"
        )
    if len(found) > 1:
        versions = ", ".join(str(each["version"]) for each in found)
        raise StackError(f"the pattern has several; give one of the versions {versions}")
    return found[0]


@commands.command("disable")
def run_disable(
    pattern: PatternId,
    reason: AskedReason = None,
    version: Annotated[
        int | None, typer.Option(metavar="VERSION", help="which fix, if the pattern has several")
    ] = None,
    project: ProjectName = LOCAL,
    data_dir: DataDirectory = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Switch a fix off at once; only a new approval puts it back in use."""
    here = remote.connect(project, data_dir)
    pattern_id = abbreviations.pattern_id(here, pattern)
    reason = reasoned(reason, "Why do you disable it?")
    answer = here.call("disable", pattern_id=pattern_id, version=version, reason=reason)
    tell(answer, f"the fix of pattern {pattern_id} is disabled", as_json=as_json)


@commands.command("rollback")
def run_rollback(
    application: Annotated[
        str,
        typer.Argument(metavar="APPLICATION", help="id of the run to undo, or the beginning of it"),
    ],
    reason: AskedReason = None,
    project: ProjectName = LOCAL,
    data_dir: DataDirectory = None,
    *,
    yes: Yes = False,
    as_json: AsJson = False,
) -> int:
    """Undo a run with the undo script that was approved with its fix, which is demoted then."""
    require_answers(reason, yes=yes)
    here = remote.connect(project, data_dir)
    application_id = abbreviations.application_id(here, application)
    reason = reasoned(reason, "Why do you undo it?")
    confirmed(f"undo the run {application_id}?", yes=yes)
    answer = here.call("rollback", application_id=application_id, reason=reason)
    if as_json:
        show_json(answer)
    elif answer["success"]:
        show(f"undone: {answer['rows_touched']} rows; the fix is demoted until somebody enables it")
    else:
        show(f"pattern-engine: the undo failed: {answer['reason']}", error=True)
    return 0 if answer["success"] else 1
