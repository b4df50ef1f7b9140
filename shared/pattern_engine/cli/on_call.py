"""`pattern-engine patterns` and `show`: find a pattern, and see everything about it."""

from collections.abc import Iterator
from operator import itemgetter
from typing import Annotated, Any, Literal

import typer
from rich.console import RenderableType

from pattern_engine.cli import abbreviations, remote
from pattern_engine.cli.locations import DataDirectory
from pattern_engine.cli.profiles import LOCAL
from pattern_engine.cli.remote import ProjectName, Remote
from pattern_engine.cli.screen import (
    ago,
    fields,
    heading,
    line,
    paint,
    pairs,
    short,
    spark,
    table,
    text,
    when,
)
from pattern_engine.cli.terminal import AsJson, show, show_json

commands = typer.Typer()
Status = Literal["open", "snoozed", "ignored", "resolved", "archived", "any"]
PatternId = Annotated[
    str, typer.Argument(metavar="PATTERN", help="its id, the beginning of it, or a signature")
]
_MOST_FOUND = 200
_ORDERS = {"last-seen": "last_seen", "count": "occurrence_count", "first-seen": "first_seen"}
_COLUMNS = (
    "pattern_id", "pattern_type", "severity", "status", "error_source", "occurrence_count",
    "untrusted_occurrences", "first_seen", "last_seen", "auto_fix_enabled",
    "template:metadata->>template",
)  # fmt: skip
_OF_ONE = ",".join((
    *_COLUMNS, "pattern_signature", "success_rate", "confidence_lower_bound", "first_release",
    "last_release", "last_environment", "merged_into", "ignored_until", "ignored_until_count",
    "resolved_at", "resolved_release", "symptom:metadata->>symptom", "sample:metadata->>sample",
))  # fmt: skip
_FIXES = (
    "version,mode,mode_reason,fix_type,sha256,guard,disabled_at,disabled_reason,approved_by,"
    "approved_at,ends_at,max_heals,success_rate,confidence_lower_bound,confidence_outcomes"
)
_RUNS = "application_id,applied_at,success,error_after,system_log_id,metadata"
_INCIDENTS = "system_log_id,occurred_at,identifiers,frame,refusal,counts"


@commands.command("patterns")
def run_patterns(
    search: Annotated[str | None, typer.Argument(metavar="TEXT", help="words of the error")] = None,
    status: Annotated[Status, typer.Option(help="state of the pattern")] = "open",
    pattern_type: Annotated[
        str | None, typer.Option("--type", metavar="TYPE", help="such as database or api")
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(metavar="SOURCE", help="the component that the first error came from"),
    ] = None,
    order: Annotated[
        Literal["last-seen", "count", "first-seen"], typer.Option("--sort", help="what comes first")
    ] = "last-seen",
    limit: Annotated[int, typer.Option(metavar="COUNT", min=1, max=1000, help="how many")] = 20,
    project: ProjectName = LOCAL,
    data_dir: DataDirectory = None,
    *,
    as_json: AsJson = False,
) -> None:
    """List and search patterns."""
    here = remote.connect(project, data_dir)
    if search or status not in {"open", "any"}:
        filters = {"type": pattern_type, "source": source, "status": status, "search": search}
        found = _found(here, filters, limit, _ORDERS[order])
    else:
        filters = {"pattern_type": pattern_type, "error_source": source, "status": status}
        found = _listed(here, filters, limit, _ORDERS[order])
    if as_json:
        show_json(found)
    elif found:
        paint(overview(found))
    else:
        show("no pattern is like that")


def _listed(
    here: Remote, filters: dict[str, str | None], limit: int, order: str
) -> list[dict[str, Any]]:
    given = {name: f"eq.{value}" for name, value in filters.items() if value not in {None, "any"}}
    paging = {"order": f"{order}.desc,id.desc", "limit": limit}
    return here.rows("error_patterns", select=",".join(_COLUMNS), **given, **paging)


def _found(
    here: Remote, filters: dict[str, str | None], limit: int, order: str
) -> list[dict[str, Any]]:
    """Search by words, parts of words and words that are alike, by the index of the templates."""
    given = {name: value for name, value in filters.items() if value not in {None, "any"}}
    answer = here.rpc("console_inbox_v1", p_filters=given, p_limit=min(limit, _MOST_FOUND))
    entries = (answer.get("found") or {}).get("entries", [])
    names = [column.partition(":")[0] for column in _COLUMNS]
    found = [{name: each[name] for name in names} for each in entries]
    return sorted(found, key=itemgetter(order), reverse=True)


def overview(patterns: list[dict[str, Any]]) -> RenderableType:
    """Return a table of patterns."""
    return table(
        ("id", "type", "count", "last seen", "fix", "error"),
        (
            (
                line(short(each["pattern_id"]), "cyan"),
                each["pattern_type"],
                each["occurrence_count"],
                ago(each["last_seen"]),
                "live" if each.get("auto_fix_enabled") else "",
                line(each.get("template") or "no template", longest=400),
            )
            for each in patterns
        ),
        wide="error",
    )


@commands.command("show")
def run_show(
    pattern: PatternId,
    project: ProjectName = LOCAL,
    data_dir: DataDirectory = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Show a pattern: what its errors named, its fixes and their runs, and what is similar."""
    here = remote.connect(project, data_dir)
    found = everything(here, abbreviations.pattern_id(here, pattern))
    if as_json:
        show_json(found)
        return
    paint(*_painted(found))


def everything(here: Remote, pattern_id: str) -> dict[str, Any]:
    """Read all that is known about a pattern."""
    of_it = {"pattern_id": f"eq.{pattern_id}"}
    (pattern,) = here.rows("error_patterns", select=_OF_ONE, **of_it)
    latest = {"order": "id.desc", "limit": 10, **of_it}
    runs = here.rows("pattern_applications", select=_RUNS, **latest)
    ids = ",".join(run["application_id"] for run in runs)
    outcomes = here.rows(
        "pattern_verifications",
        select="application_id,outcome,reason,due_at",
        application_id=f"in.({ids})",
    )
    by_run = {each.pop("application_id"): each for each in outcomes}
    facets = here.get("facets", pattern_id=pattern_id)
    occurrences = here.rpc("console_pattern_occurrences_v1", p_pattern_id=pattern_id)
    return {
        "pattern": pattern,
        "facets": occurrences.pop("facets"),
        "refusals": occurrences.pop("refusals"),
        "occurrences": occurrences,
        "identifiers": facets["identifiers"],
        "causes": facets["causes"],
        "symptoms": facets["symptoms"],
        "signatures": here.rows(
            "pattern_signatures", select="signature,template,created_at,confirmed_at", **of_it
        ),
        "fixes": here.rows("pattern_fixes", select=_FIXES, order="version.desc", **of_it),
        "proposals": here.get("proposals", pattern_id=pattern_id)["proposals"],
        "applications": [run | {"outcome": by_run.get(run["application_id"])} for run in runs],
        "incidents": here.rows("pattern_incidents", select=_INCIDENTS, **latest),
        "similar": here.get("similar", pattern_id=pattern_id, limit=5)["patterns"],
        "suggestions": here.get("suggestions", pattern_id=pattern_id, limit=5)["suggestions"],
    }


def _painted(found: dict[str, Any]) -> Iterator[RenderableType]:
    pattern = found["pattern"]
    yield text(pattern["template"] or pattern["pattern_signature"], "bold")
    yield fields(
        (
            ("pattern", pattern["pattern_id"]),
            ("state", _state(pattern)),
            ("type", f"{pattern['pattern_type']}, {pattern['severity']}"),
            ("source", pattern["error_source"]),
            ("errors", _counts(pattern)),
            ("first seen", when(pattern["first_seen"])),
            ("last seen", when(pattern["last_seen"])),
            ("releases", _releases(pattern)),
            ("symptom", pattern["symptom"]),
            ("sample", pattern["sample"]),
        )
    )
    yield from _occurrences(found["occurrences"])
    yield from _facets(found)
    yield from _fixes(found)
    yield from _runs(found)
    yield from _incidents(found)
    yield from _neighbours(found)


def _state(pattern: dict[str, Any]) -> str:
    until = pattern["ignored_until"]
    if pattern["status"] == "ignored" and (until or pattern["ignored_until_count"]):
        count = pattern["ignored_until_count"]
        return f"ignored until {when(until) if until else f'{count} errors'}"
    if pattern["status"] == "merged":
        return f"merged into {pattern['merged_into']}"
    if pattern["status"] == "open" and pattern["resolved_at"]:
        return f"open, a regression: it was resolved {ago(pattern['resolved_at'])}"
    return str(pattern["status"])


def _counts(pattern: dict[str, Any]) -> str:
    others = pattern["untrusted_occurrences"]
    return f"{pattern['occurrence_count']}{f' and {others} that do not count' if others else ''}"


def _releases(pattern: dict[str, Any]) -> str | None:
    first, last = pattern["first_release"], pattern["last_release"]
    return f"{first or 'unknown'} to {last}" if last else None


def _occurrences(found: dict[str, Any]) -> Iterator[RenderableType]:
    counts = [counted + others for _, counted, others in found["buckets"]]
    yield heading(f"The last {len(counts)} {found['unit']}s, at most {max(counts)} errors in one")
    yield spark(counts)
    for each in found["releases"][-3:]:
        yield text(f"  release {each['release']} since {when(each['at'])}", "dim")


def _facets(found: dict[str, Any]) -> Iterator[RenderableType]:
    if found["facets"]:
        yield heading("What the errors named")
        yield fields(
            (
                each["name"],
                ", ".join(f"{one['value']} ({one['occurrences']})" for one in each["values"][:5]),
            )
            for each in found["facets"]
        )


def _fixes(found: dict[str, Any]) -> Iterator[RenderableType]:
    if found["proposals"]:
        yield heading("Open proposals")
        yield table(
            ("id", "type", "expires", "digest"),
            (
                (
                    each["proposal_id"][:8],
                    each["fix"]["type"],
                    ago(each["expires_at"]),
                    each["sha256"][:12],
                )
                for each in found["proposals"]
            ),
        )
    if found["fixes"]:
        yield heading("Fixes")
        yield table(
            ("version", "mode", "helped", "for", "digest", "why"),
            (
                (
                    each["version"],
                    "disabled" if each["disabled_at"] else each["mode"],
                    f"{each['success_rate']:g} %",
                    " or ".join(pairs(one) for one in each["guard"]) if each["guard"] else "all",
                    each["sha256"][:12],
                    each["disabled_reason"] or each["mode_reason"] or "",
                )
                for each in found["fixes"]
            ),
            wide="why",
        )


def _runs(found: dict[str, Any]) -> Iterator[RenderableType]:
    if found["applications"]:
        yield heading("Latest runs")
        yield table(
            ("application", "when", "script", "outcome", "why"),
            (
                (
                    short(each["application_id"]),
                    ago(each["applied_at"]),
                    "succeeded" if each["success"] else "failed",
                    (each["outcome"] or {}).get("outcome", ""),
                    each["error_after"] or (each["outcome"] or {}).get("reason") or "",
                )
                for each in found["applications"]
            ),
            wide="why",
        )


def _incidents(found: dict[str, Any]) -> Iterator[RenderableType]:
    if found["refusals"]:
        yield heading("Why no fix ran")
        yield table(
            ("errors", "reason"),
            ((each["errors"], each["refusal"]) for each in found["refusals"]),
            wide="reason",
        )
    yield heading("Latest errors")
    yield table(
        ("log row", "when", "named", "why no fix ran"),
        (
            (
                each["system_log_id"] or "",
                ago(each["occurred_at"]),
                line(pairs(each["identifiers"]), longest=60),
                each["refusal"] or "",
            )
            for each in found["incidents"]
        ),
        wide="why no fix ran",
    )


def _neighbours(found: dict[str, Any]) -> Iterator[RenderableType]:
    rates = {each["pattern_id"]: each for each in found["suggestions"]}
    if found["similar"]:
        yield heading("Similar patterns")
        yield table(
            ("id", "alike", "its fix helped", "words that differ"),
            (
                (
                    line(short(each["pattern_id"]), "cyan"),
                    f"{each['score'] * 100:.0f} %",
                    _rate(rates.get(each["pattern_id"])),
                    "; ".join(
                        f"{one['this'] or '∅'} ↔ {one['other'] or '∅'}"
                        for one in each["differences"]
                    ),
                )
                for each in found["similar"]
            ),
            wide="words that differ",
        )
    for name in ("causes", "symptoms"):
        if found[name]:
            yield heading(f"Logged with it: {name}")
            yield table(
                ("id", "times", "error"),
                (
                    (short(each["pattern_id"]), each["occurrences"], each["template"])
                    for each in found[name]
                ),
                wide="error",
            )


def _rate(suggestion: dict[str, Any] | None) -> str:
    return f"{suggestion['success_rate']:g} %" if suggestion else ""
