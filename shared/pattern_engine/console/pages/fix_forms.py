"""The forms of a pattern's page by which a person disables a fix of it, or lets it run again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pattern_engine.approval import approval
from pattern_engine.approval.models import DisableRequest, EnableRequest
from pattern_engine.console.visits import Go, Json, Route
from pattern_engine.serving import bodies

if TYPE_CHECKING:
    from uuid import UUID

    from pattern_engine.console.visits import Visit


def disable(visit: Visit, pattern_id: UUID) -> Go:
    """Disable one fix for good."""
    request = bodies.validate(_named(visit, pattern_id), DisableRequest)
    approval.disable(request, visit.caller, visit.database)
    return Go(f"/patterns/{pattern_id}", "Disabled. Only a new approval lets it run again.")


def enable(visit: Visit, pattern_id: UUID) -> Go:
    """Let a shadow, a demoted or an expired fix run."""
    request = bodies.validate(_named(visit, pattern_id), EnableRequest)
    approval.enable(request, visit.caller, visit.database, visit.settings)
    return Go(f"/patterns/{pattern_id}", "The fix is live: it heals by itself from now on.")


def _named(visit: Visit, pattern_id: UUID) -> Json:
    return {
        "pattern_id": str(pattern_id),
        "sha256": visit.entered("sha256"),
        "reason": visit.entered("reason"),
    }


ROUTES: tuple[Route, ...] = (
    Route("POST", "/patterns/<uuid:pattern_id>/disable", disable),
    Route("POST", "/patterns/<uuid:pattern_id>/enable", enable),
)
