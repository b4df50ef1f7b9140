"""What a person who decides on a fix has to see, on a terminal.

The exact bytes with line numbers and marks for what cannot be seen, what they would do, for which
errors, what the preview showed and what it cannot show, how often it helped, and how it is undone.
"""

from __future__ import annotations

import difflib
import json
from typing import TYPE_CHECKING, Any, Final

from rich.text import Text

from pattern_engine.approval import telling
from pattern_engine.cli import law_lines
from pattern_engine.cli.remote import RemoteError
from pattern_engine.cli.screen import (
    ago,
    fields,
    heading,
    line,
    pairs,
    text,
    when,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import RenderableType

    from pattern_engine.cli.remote import Remote

_LIMITS: Final = ("max_rows", "timeout_ms", "max_retries", "trusted_writers", "target")
_ROWS: Final = 5


def material(here: Remote, proposal_id: str) -> dict[str, Any]:
    """Read a proposal with its pattern and the version that it would replace."""
    (stored,) = here.rows("fix_proposals", select="pattern_id", proposal_id=f"eq.{proposal_id}")
    pattern_id = stored["pattern_id"]
    proposals = here.get("proposals", pattern_id=pattern_id, open_only="false", limit=100)
    listed = {each["proposal_id"]: each for each in proposals["proposals"]}
    if proposal_id not in listed:
        raise RemoteError(f"the proposal {proposal_id} has a hundred later ones for its pattern")
    proposal = listed[proposal_id]
    of_it = {"pattern_id": f"eq.{pattern_id}"}
    (pattern,) = here.rows(
        "error_patterns",
        select="pattern_id,pattern_type,severity,status,occurrence_count,first_seen,last_seen,"
        "template:metadata->>template,sample:metadata->>sample",
        **of_it,
    )
    fixes = here.rows(
        "pattern_fixes",
        select="version,mode,fix_type,script,disabled_at,disabled_reason,success_rate,"
        "confidence_lower_bound,confidence_outcomes",
        order="version.desc",
        limit=1,
        **of_it,
    )
    outcomes = here.rows(
        "pattern_verifications",
        select="fix_version,outcome,reason,decided_at",
        order="started_at.desc",
        limit=5,
        **of_it,
    )
    return {
        "proposal": proposal,
        "pattern": pattern,
        "last_fix": fixes[0] if fixes else None,
        "last_outcomes": outcomes,
        "laws": law_lines.read(here, proposal),
        "suggestions": here.get("suggestions", pattern_id=pattern_id, limit=3)["suggestions"],
    }


def painted(found: dict[str, Any]) -> Iterator[RenderableType]:
    """Return what is to be read before a decision."""
    proposal, pattern = found["proposal"], found["pattern"]
    fix, analysis = proposal["fix"], proposal["analysis"]
    does = "; ".join(analysis.get("operations") or ()) or "nothing that the analysis names"
    yield Text.assemble(("It would: ", "bold"), line(does, longest=400))
    yield fields(
        (
            ("proposal", proposal["proposal_id"]),
            ("digest", Text.assemble((proposal["sha256"][:12], "bold"), proposal["sha256"][12:])),
            ("state", _state(proposal)),
            ("proposed", f"{when(proposal['proposed_at'])} by {proposal['proposed_by']}"),
            ("decides", "an ops_admin; where two people are required, not who proposed it"),
            ("for pattern", f"{pattern['pattern_id']} ({pattern['status']})"),
            ("error", pattern["template"]),
            (
                "why now",
                f"{pattern['occurrence_count']} errors, the last {ago(pattern['last_seen'])}",
            ),
        )
    )
    yield heading(f"The script ({fix['type']}), to the letter")
    yield from _to_the_letter(fix["script"], fix["prepared_script"])
    yield from _difference(found["last_fix"], fix)
    yield from _undo(fix)
    yield from _reach(proposal)
    yield from _guard(proposal)
    yield from _dry_run(proposal)
    yield from _replay(proposal)
    yield from _laws(found["laws"])
    yield from _record(found)


def _state(proposal: dict[str, Any]) -> Text:
    if proposal["decision"]:
        reason = proposal["decision_reason"] or "no reason given"
        return text(f"{proposal['decision']} {ago(proposal['decided_at'])}: {reason}")
    if proposal["closed_because"]:
        return text(f"closed: {proposal['closed_because']}", "bold red")
    return text(f"open; it expires {ago(proposal['expires_at'])}")


def numbered(script: str) -> Iterator[Text]:
    """Return the lines of a script with their numbers, whole, with marks for what is not seen."""
    lines = script.split("\n")
    width = len(str(len(lines)))
    for number, each in enumerate(lines, 1):
        yield Text.assemble((f"{number:{width}} │ ", "dim"), text(each, longest=len(each) * 10))
    if not script.isascii():
        yield Text(
            "The script has characters beyond ASCII: letters may look like others.", "bold red"
        )


def _to_the_letter(script: str, prepared: str) -> Iterator[RenderableType]:
    yield from numbered(script)
    if prepared != script:
        yield Text("What runs, with every table name qualified:", "dim")
        yield from numbered(prepared)


def _difference(last: dict[str, Any] | None, fix: dict[str, Any]) -> Iterator[RenderableType]:
    if last is None:
        yield Text("The pattern has had no fix before.", "dim")
        return
    changed = list(
        difflib.unified_diff(
            last["script"].split("\n"),
            fix["script"].split("\n"),
            f"version {last['version']}",
            "proposal",
            lineterm="",
        )
    )
    yield heading(f"As proposed, against version {last['version']}")
    if not changed:
        yield Text("The script is that of the last version.")
    for each in changed:
        yield text(each, {"+": "green", "-": "red"}.get(each[:1], ""))


def _undo(fix: dict[str, Any]) -> Iterator[RenderableType]:
    yield heading("Undo")
    if fix["undo_script"]:
        yield from _to_the_letter(fix["undo_script"], fix["prepared_undo_script"])
    else:
        yield Text("There is no undo script: a run cannot be rolled back.", "red")


def _reach(proposal: dict[str, Any]) -> Iterator[RenderableType]:
    fix, analysis = proposal["fix"], proposal["analysis"]
    parameters = fix["parameters"]
    others = {name: value for name, value in parameters.items() if name not in _LIMITS}
    yield heading("What it may touch")
    yield fields(
        (
            ("tables", ", ".join(analysis.get("tables") or ()) or None),
            ("written", ", ".join(analysis.get("written_tables") or ()) or None),
            ("destructive", _red(analysis.get("destructive"))),
            ("hosts", ", ".join(fix["hosts"]) or None),
            ("secrets", json.dumps(fix["secrets"]) if fix["secrets"] else None),
            *((name, json.dumps(parameters[name])) for name in _LIMITS if name in parameters),
            ("parameters", json.dumps(others) if others else None),
        )
    )


def _red(found: list[str] | None) -> Text | None:
    return text("; ".join(found), "bold red") if found else None


def _guard(proposal: dict[str, Any]) -> Iterator[RenderableType]:
    coverage = (proposal["replay"] or {}).get("guard") or {}
    yield heading("For which errors")
    if proposal["guard"] is None:
        yield Text("All errors of the pattern: they name nothing that could guard the fix.", "red")
    for each in proposal["guard"] or ():
        yield text(f"  {pairs(each)}")
    if coverage:
        outside = coverage["outside"]
        yield text(
            f"{outside} of the latest {coverage['incidents']} errors are outside of this",
            "yellow" if outside else "",
        )
        for each in coverage["samples"]:
            yield text(f"  outside: {pairs(each['identifiers'])} ({each['occurrences']} times)")


def _dry_run(proposal: dict[str, Any]) -> Iterator[RenderableType]:
    ran = proposal["dry_run"]
    yield heading(f"Dry-run, made {ago(proposal['previewed_at'])}")
    if ran is None:
        yield Text("There is none.", "bold red")
        return
    if ran.get("error"):
        yield text(f"It failed: {ran['error']}", "bold red")
    whole = set(ran.get("whole_tables") or ())
    known = set(proposal["analysis"].get("written_tables") or ())
    for name, count in (ran.get("tables") or {}).items():
        marks = [
            *(["TOUCHES EVERY ROW"] if name in whole else []),
            *(["OUTSIDE THE ANALYSIS"] if name not in known else []),
        ]
        yield Text.assemble(text(f"  {name}: {count} rows "), (", ".join(marks), "bold red"))
    if ran.get("is_over_cap"):
        yield text(
            f"It touches more than max_rows, {ran.get('max_rows')}: a run would be undone",
            "bold red",
        )
    for name in ("rows_before", "rows_after"):
        for row in (ran.get(name) or ())[:_ROWS]:
            yield text(f"  {name[5:]:6} {json.dumps(row, ensure_ascii=False)}", longest=400)
    for name in ("plan", "rehearsal"):
        if ran.get(name):
            yield text(f"  {name}: {json.dumps(ran[name], indent=2, ensure_ascii=False)}")
    for warning in ran.get("warnings") or ():
        yield text(f"  {warning}", "yellow")
    yield text(f"What this cannot show: {' '.join(telling.UNSEEN[proposal['fix']['type']])}", "dim")


def _replay(proposal: dict[str, Any]) -> Iterator[RenderableType]:
    replay = proposal["replay"]
    if not replay:
        return
    yield heading("Replay of stored errors")
    if replay.get("error"):
        yield text(f"It failed: {replay['error']}", "bold red")
    totals = replay.get("totals") or {}
    yield text(", ".join(f"{name.replace('_', ' ')} {count}" for name, count in totals.items()))
    refused = {each["refusal"] for each in replay.get("incidents") or () if each.get("refusal")}
    for each in sorted(refused):
        yield text(f"  would be refused: {each}", "yellow")
    yield text(replay.get("about", ""), "dim")


def _laws(laws: dict[str, Any]) -> Iterator[RenderableType]:
    yield heading(f"The Four Laws, by {laws['thresholds']}")
    styles = {True: "green", False: "bold red", None: "yellow"}
    words = {True: "holds", False: "FAILS", None: "unknown"}
    for each in laws["parts"]:
        holds = each["holds"]
        yield Text.assemble(
            f"  law {each['law']}  ", (f"{words[holds]:8}", styles[holds]), text(each["says"])
        )
    if laws["last_verdict"]:
        yield text(f"The last verdict for this pattern, {ago(laws['last_verdict']['claimed_at'])}:")
        for outcome, reason in law_lines.reasons(laws["last_verdict"]):
            yield text(f"  {outcome:6} {reason}", "red" if outcome == "fail" else "")
    else:
        yield Text("Load, history and rhythm are judged at each run; there was none yet.", "dim")


def _record(found: dict[str, Any]) -> Iterator[RenderableType]:
    last = found["last_fix"]
    yield heading("Track record")
    if last:
        bound = last["confidence_lower_bound"]
        least = f", at least {bound * 100:.0f} % with 95 % certainty" if bound is not None else ""
        yield text(
            f"version {last['version']} helped in {last['success_rate']:g} % of "
            f"{last['confidence_outcomes']:g} outcomes{least}"
        )
    for each in found["last_outcomes"]:
        yield text(f"  version {each['fix_version']}: {each['outcome']}: {each['reason'] or ''}")
    for each in found["suggestions"]:
        outcome = each["track_record"]
        yield line(
            f"  a similar pattern's fix: {outcome['verified']} verified, {outcome['failed']} "
            f"failed: {each['template']}"
        )
    yield Text(
        "A run is judged by whether the error stays away: verified, failed or inconclusive.", "dim"
    )
