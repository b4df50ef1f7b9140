"""What the pages about one fix show alike: laws, preview, its blind spots, and who decides."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from pattern_engine.exceptions import InvalidField
from pattern_engine.laws import verdict
from pattern_engine.laws.circumstances import Circumstances
from pattern_engine.laws.parts import parts
from pattern_engine.steering import explaining

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pattern_engine.console.visits import Json, Visit
    from pattern_engine.steering.models import CausePage, Explanation

BLIND: Final[Mapping[str, tuple[str, ...]]] = {
    "sql": (
        "The script really ran and was undone, for one error and on the rows of that moment.",
        "At the next error other rows may match.",
        "What others do after a commit was not seen, as webhooks and replication do.",
        "Numbers that a sequence gave out stay given out.",
    ),
    "api_call": (
        "Nothing was sent. The values of headers are left out here.",
        "What the other side answers, changes or charges is not known before it is called.",
    ),
    "typescript": (
        "The program ran without sending anything, so what follows the first answer may differ.",
        "What the other side answers, changes or charges is not known before it is called.",
    ),
    "bash": (
        "With directories the script ran on copies of them; without any it was only read.",
        "Files may have changed until the next error, and so may what the script finds.",
    ),
}
"""Type of fix → what its preview cannot show."""


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
    heals, ends_at = visit.entered("max_heals"), visit.entered("ends_at")
    given: Json = {}
    if heals:
        given["max_heals"] = int(heals) if heals.isdecimal() else heals
    if ends_at:
        given["ends_at"] = _in_zone(ends_at, visit.entered("zone", "0") or "0")
    return given


def _in_zone(local: str, minutes: str) -> str:
    """The typed time in UTC; a browser tells by how many minutes UTC is ahead of its zone."""
    try:
        moment = datetime.fromisoformat(local)
        ahead = timedelta(minutes=int(minutes))
        return (moment.replace(tzinfo=UTC) + ahead).isoformat()
    except (ValueError, OverflowError):
        raise InvalidField(f"{local[:50]!r} is no time, as in 2026-01-31T18:00.") from None


def is_own_under_two(visit: Visit, author: str | None) -> bool:
    """Whether the person wrote the fix, and approval takes another one."""
    return visit.settings.thresholds.two_people and author == visit.caller.user_id


def may_decide(visit: Visit, author: str | None) -> bool:
    """Whether the person may approve what this author proposed; the database decides again."""
    return visit.may("ops_admin") and not is_own_under_two(visit, author)
