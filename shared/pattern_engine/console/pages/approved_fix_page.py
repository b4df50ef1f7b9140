"""One approved version of a fix: its exact bytes, its state, its record, and switching it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pattern_engine.approval import approval, telling
from pattern_engine.approval.models import DisableRequest, EnableRequest
from pattern_engine.console import differences, fix_facts
from pattern_engine.console.visits import Go, Page, Route
from pattern_engine.exceptions import InvalidField
from pattern_engine.serving import bodies

if TYPE_CHECKING:
    from uuid import UUID

    from pattern_engine.console.visits import Json, Visit


def show(visit: Visit, pattern_id: UUID, version: int) -> Page:
    """The whole page, or only what may change while somebody looks at it."""
    read: Json = visit.read(
        "console_fix_v1",
        pattern_id=str(pattern_id),
        version=version,
        policy=visit.settings.thresholds.policy(),
    )
    if visit.is_fragment:
        return Page("review_runs.html", read)
    fix = read["fix"] | {"type": read["fix"]["fix_type"]}
    analysis = {"operations": [], "hosts": fix["hosts"]}
    values = read | {
        "fix": fix,
        "summary": telling.told(fix, analysis, fix["max_rows"]),
        "parameters": differences.pretty(fix["parameters"]),
        "difference": differences.of_fixes(read["previous"], fix) if read["previous"] else [],
        "cause": fix_facts.cause_of(read["pattern"]),
        "thresholds": visit.settings.thresholds,
        "is_own_under_two": fix_facts.is_own_under_two(visit, fix["proposer"]),
    }
    return Page("review_fix.html", values)


def disable(visit: Visit, pattern_id: UUID, version: int) -> Go:
    """Switch the version off for good."""
    body = {"pattern_id": str(pattern_id), "version": version, "reason": _reason(visit)}
    request = bodies.validate(body, DisableRequest)
    approval.disable(request, visit.caller, visit.database)
    return Go(_back(visit, pattern_id, version), f"Version {version} is disabled.")


def enable(visit: Visit, pattern_id: UUID, version: int) -> Go:
    """Let a shadow or a demoted version run from now on, the one with the digest that was read."""
    body: Json = {
        "pattern_id": str(pattern_id),
        "sha256": visit.entered("sha256"),
        "reason": _reason(visit),
        **fix_facts.terms(visit),
    }
    request = bodies.validate(body, EnableRequest)
    approval.enable(request, visit.caller, visit.database, visit.settings)
    return Go(_back(visit, pattern_id, version), f"Version {version} runs from now on.")


def _back(visit: Visit, pattern_id: UUID, version: int) -> str:
    """The page that the form is on: that of the version, or that of its pattern."""
    pattern = f"/patterns/{pattern_id}"
    return pattern if visit.entered("back") == "pattern" else f"{pattern}/fixes/{version}"


def _reason(visit: Visit) -> str:
    reason = visit.entered("reason")
    if not reason:
        raise InvalidField("Give a reason: it is kept with the version.")
    return reason


_PATH = "/patterns/<uuid:pattern_id>/fixes/<int:version>"
ROUTES: tuple[Route, ...] = (
    Route("GET", _PATH, show),
    Route("POST", f"{_PATH}/disable", disable),
    Route("POST", f"{_PATH}/enable", enable),
)
