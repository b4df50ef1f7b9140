"""Runs of fixes: the list, one run with its evidence, undoing a run, and disabling its fix."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from pattern_engine import fixes
from pattern_engine.approval import approval
from pattern_engine.approval.models import DisableRequest
from pattern_engine.console.pages import run_timeline
from pattern_engine.console.visits import TYPES, Go, Page, Route
from pattern_engine.healing import refusals, rollback
from pattern_engine.healing.models import RollbackRequest
from pattern_engine.laws import verdict
from pattern_engine.serving import bodies

if TYPE_CHECKING:
    from collections.abc import Container

    from pattern_engine.console.visits import Json, Visit

OUTCOMES = {
    "running": "running",
    "pending": "pending: watched",
    "verified": "verified: the error stopped",
    "failed": "failed",
    "inconclusive": "inconclusive",
    "overturned": "overturned: it came back late",
    "undone": "undone",
}
MODES = {"heal": "live runs", "shadow": "shadow runs", "undo": "undoings"}


def chosen(visit: Visit, name: str, allowed: Container[str]) -> str | None:
    """The value of a filter; None if it is not given, or is no choice of it."""
    value = visit.asked(name)
    return value if value in allowed else None


def asked_id(visit: Visit, name: str) -> str | None:
    """The id in a parameter of the address; None if it is not given, or is no id."""
    try:
        return str(uuid.UUID(visit.asked(name)))
    except ValueError:
        return None


def listed(visit: Visit) -> Page:
    """The newest runs that fit the filters."""
    filters = {
        "outcome": chosen(visit, "outcome", OUTCOMES),
        "pattern": asked_id(visit, "pattern"),
        "type": chosen(visit, "type", TYPES),
        "mode": chosen(visit, "mode", MODES),
    }
    before, before_id = visit.asked("before"), asked_id(visit, "before_id")
    place = {"before": before, "before_id": before_id} if before and before_id else {}
    found = visit.read("console_applications_v1", filters=filters | place)
    given = {name: value for name, value in filters.items() if value}
    following = found["next"]
    return Page(
        "applications.html",
        found
        | {
            "filters": filters,
            "here": urlencode(given | place),
            "first": urlencode(given),
            "is_first": not place,
            "following": urlencode(given | following) if following else None,
            "outcomes": OUTCOMES,
            "modes": MODES,
            "types": TYPES,
        },
    )


def held_back(visit: Visit) -> Page:
    """The latest errors for which no fix ran, and why."""
    filters = {
        "gate": chosen(visit, "gate", {*refusals.GATES, "no_fix"}),
        "pattern": asked_id(visit, "pattern"),
    }
    before = visit.asked("before")
    place = {"before": before} if before.isdecimal() else {}
    found = visit.read("console_held_back_v1", filters=filters | place)
    given = {name: value for name, value in filters.items() if value}
    return Page(
        "held_back.html",
        found
        | {
            "gate": filters["gate"],
            "gates": refusals.GATES,
            "of_pattern": filters["pattern"],
            "here": urlencode(given | place),
            "first": urlencode(given),
            "is_first": not place,
            "following": urlencode(given | {"before": found["next"]}) if found["next"] else None,
        },
    )


def _read(visit: Visit, application_id: uuid.UUID) -> Json:
    found: Json = visit.read("console_application_v1", application_id=str(application_id))
    return found


def one(visit: Visit, application_id: uuid.UUID) -> Page:
    """One run."""
    found = _read(visit, application_id)
    return Page("application.html", found | _told(found, visit))


def _told(found: Json, visit: Visit) -> Json:
    """What the page shows beside what the database answered."""
    fix = found["fix"]
    application = found["application"] or {}
    after = application.get("system_state_after") or {}
    before = application.get("system_state_before") or {}
    return {
        "steps": run_timeline.steps(found),
        "evidence_told": run_timeline.evidence(found),
        "laws": verdict.worded(found["validation"])["laws"] if found["validation"] else [],
        "rows": _beside(before.get("rows"), after.get("rows")),
        "tables": after.get("tables") or {},
        "rows_touched": after.get("rows_touched"),
        "output": _text(after.get("output")),
        "can_disable": visit.may("ops_operator") and fix["disabled_at"] is None,
        "can_undo": visit.may("ops_operator") and found["run"]["undo_problem"] is None,
    }


def _text(output: object) -> str | None:
    """A script's output as text."""
    if output is None or isinstance(output, str):
        return output
    return json.dumps(output, indent=2, ensure_ascii=False)


def _beside(before: list[Json] | None, after: list[Json] | None) -> list[Json]:
    """Each sampled row before and after the run, column by column; which ones differ is marked."""
    rows = []
    for place, old in enumerate(before or []):
        new = after[place] if after is not None and place < len(after) else None
        names = list(dict.fromkeys([*old, *(new or {})]))
        rows.append(
            {
                "gone": new is None and after is not None,
                "columns": [
                    {
                        "name": name,
                        "before": old.get(name),
                        "after": (new or {}).get(name),
                        "differs": new is not None and old.get(name) != new.get(name),
                    }
                    for name in names
                ],
            }
        )
    return rows


def confirm_undo(visit: Visit, application_id: uuid.UUID) -> Page:
    """What the undo script does, and the form that runs it."""
    found = _read(visit, application_id)
    undo = _undo_told(found["fix"], visit)
    return Page("roll_back.html", found | _told(found, visit) | {"undo": undo})


def _undo_told(fix: Json, visit: Visit) -> Json:
    """What the undo script does by its analysis, which is made again before it runs."""
    if fix["undo_script"] is None:
        return {"operations": (), "destructive": (), "findings": ()}
    facilities = visit.settings.facilities()
    analysis: Any = fixes.analyse(
        fix["fix_type"], fix["undo_script"], fix["parameters"], facilities
    )
    return {
        "operations": analysis.operations,
        "destructive": analysis.destructive,
        "findings": [finding.message for finding in analysis.findings],
    }


def undo(visit: Visit, application_id: uuid.UUID) -> Go:
    """Undo a run."""
    request = bodies.validate(
        {"application_id": str(application_id), "reason": visit.entered("reason")}, RollbackRequest
    )
    done = rollback.roll_back(request, visit.caller, visit.database, visit.settings)
    where = f"/applications/{application_id}"
    if not done.success:
        return Go(where, f"The run was not undone: {done.reason}")
    rows = f"{done.rows_touched:,} row{'' if done.rows_touched == 1 else 's'}"
    return Go(where, f"The run was undone: {rows} touched. Its fix is demoted.")


def disable(visit: Visit, application_id: uuid.UUID) -> Go:
    """Disable the version of the fix that ran."""
    run = _read(visit, application_id)["run"]
    request = bodies.validate(
        {
            "pattern_id": run["pattern_id"],
            "version": run["fix_version"],
            "reason": visit.entered("reason"),
        },
        DisableRequest,
    )
    approval.disable(request, visit.caller, visit.database)
    return Go(f"/applications/{application_id}", f"Version {run['fix_version']} is disabled.")


ROUTES: tuple[Route, ...] = (
    Route("GET", "/applications", listed),
    Route("GET", "/applications/held-back", held_back),
    Route("GET", "/applications/<uuid:application_id>", one),
    Route("GET", "/applications/<uuid:application_id>/roll-back", confirm_undo),
    Route("POST", "/applications/<uuid:application_id>/roll-back", undo),
    Route("POST", "/applications/<uuid:application_id>/disable", disable),
)
