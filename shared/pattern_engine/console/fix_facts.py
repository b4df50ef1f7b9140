"""What the pages about one fix show alike: laws, preview, and who decides."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pattern_engine.laws import verdict
from pattern_engine.laws.circumstances import Circumstances
from pattern_engine.laws.parts import parts
from pattern_engine.steering import explaining

if TYPE_CHECKING:
    from pattern_engine.console.visits import Json, Visit
    from pattern_engine.steering.models import CausePage, Explanation


def laws(fix: Json, analysis: Json, limits: Json, read_parts: list[Json], visit: Visit) -> Json:
    """Return each law with its parts as sentences, and whether a run would be allowed now.

    Those parts that depend on earlier errors and runs are what the database read.
    """
    dry_run = analysis.get("dry_run_rows")
    circumstances = Circumstances(
        fix_type=fix["type"],
        destructive=analysis.get("destructive", ()),
        writes=bool(analysis.get("written_tables")),
        tables=fix["tables"],
        hosts=fix["hosts"],
        max_rows=limits["max_rows"],
        dry_run_rows=dry_run,
        timeout_ms=limits["timeout_ms"],
        max_retries=limits["max_retries"],
        now=datetime.now(UTC),
    )
    own = [part._asdict() for part in parts(circumstances, visit.settings.thresholds)]
    every = [
        _law(number, name, [part for part in own + read_parts if part["law"] == number])
        for number, name in enumerate(verdict.NAMES, 1)
    ]
    return {"laws": every, "allow": all(law["verdict"] != "fails" for law in every)}


def _law(number: int, name: str, of_law: list[Json]) -> Json:
    numbers = {key: value for part in of_law for key, value in part["numbers"].items()}
    held = [part["holds"] for part in of_law]
    return {
        "number": number,
        "name": name,
        "verdict": "fails" if False in held else "passes" if True in held else "no data",
        "parts": [
            {
                "holds": part["holds"],
                "text": verdict.of_part(part["part"], part["holds"], numbers),
            }
            for part in of_law
        ],
    }


def preview(proposal: Json) -> Json | None:
    """Return the dry-run and the replay of a proposal as the page shows them."""
    done = proposal["dry_run"]
    if done is None:
        return None
    known = set(proposal["fix"]["tables"])
    whole = set(done.get("whole_tables") or ())
    tables = [
        {
            "name": name,
            "rows": rows,
            "is_outside": name not in known,
            "is_whole": name in whole,
        }
        for name, rows in sorted((done.get("tables") or {}).items())
    ]
    return {
        "done": done,
        "tables": tables,
        "whole_tables": sorted(whole),
        "outside": [each["name"] for each in tables if each["is_outside"]],
        "rows": pairs(done.get("rows_before"), done.get("rows_after")),
        "plan": done.get("plan"),
        "replay": proposal["replay"],
        "at": proposal["previewed_at"],
    }


def pairs(before: Any, after: Any) -> list[Json]:  # noqa: ANN401  any JSON
    """Return the sampled rows with what became of each; a row that is gone has no `after`.

    The rows come without their key, so each is paired with the most similar one that is left.
    """
    if not isinstance(before, list):
        return []
    left = list(after) if isinstance(after, list) else []
    found = []
    for row in before:
        best = max(left, key=lambda other: _alike(row, other), default=None)
        if best is not None:
            left.remove(best)
        cells = [
            {
                "column": column,
                "before": value,
                "after": best.get(column) if best else None,
                "is_changed": best is not None and best.get(column) != value,
            }
            for column, value in row.items()
        ]
        is_gone = best is None and isinstance(after, list)
        shown = [each for each in cells if is_gone or each["is_changed"] or each["column"] == "id"]
        unchanged = len(cells) - len(shown)
        found.append({"cells": shown, "is_gone": is_gone, "unchanged": unchanged})
    return found


def _alike(row: Json, other: Json) -> int:
    same = sum(1 for column, value in row.items() if other.get(column) == value)
    # A key is what rows most often differ in.
    return same + (len(row) if other.get("id") == row.get("id") else 0)


def explanation(pattern: Json) -> Explanation | None:
    """Return what the catalogue says of a pattern's latest error; None if no text is left."""
    text = pattern["example"] or pattern["template"]
    return explaining.explained(text) if text else None


def cause_of(pattern: Json) -> CausePage | None:
    """Return the catalogue's page about the errors of a pattern, with its draft and its probe."""
    found = explanation(pattern)
    return found.cause if found else None


def terms(visit: Visit) -> Json:
    """Return until when and for how many runs the form says that an approval holds.

    Raises:
        InvalidField: if a field cannot be read.
    """
    given: Json = {}
    if visit.entered("max_heals"):
        given["max_heals"] = visit.number("max_heals")
    if visit.entered("ends_at"):
        given["ends_at"] = visit.moment("ends_at")
    return given


def is_own_under_two(visit: Visit, author: str | None) -> bool:
    """Whether the person wrote the fix, and approval takes another one."""
    return visit.settings.thresholds.two_people and author == visit.caller.user_id


def may_decide(visit: Visit, author: str | None) -> bool:
    """Whether the person may approve what this author proposed; the database decides again."""
    return visit.may("ops_admin") and not is_own_under_two(visit, author)
