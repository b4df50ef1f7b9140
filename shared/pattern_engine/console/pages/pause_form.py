"""Pausing all fixes, and ending every pause."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pattern_engine.console.visits import Go, Page, Route
from pattern_engine.healing import pauses
from pattern_engine.healing.models import MAX_PAUSE_SECONDS, PauseRequest, ResumeRequest
from pattern_engine.serving import bodies

if TYPE_CHECKING:
    from pattern_engine.console.visits import Visit


def show(_visit: Visit) -> Page:
    """The form."""
    return Page("pause.html", {"most_minutes": MAX_PAUSE_SECONDS // 60})


def pause(visit: Visit) -> Go:
    """Pause all fixes for some minutes."""
    minutes = visit.entered("minutes")
    seconds = int(minutes) * 60 if minutes.isdecimal() else minutes
    request = bodies.validate({"reason": visit.entered("reason"), "seconds": seconds}, PauseRequest)
    pauses.pause(request, visit.caller, visit.database)
    return Go("/", "All fixes are paused. Errors are learned as usual.")


def resume(visit: Visit) -> Go:
    """End every pause."""
    request = bodies.validate({"reason": visit.entered("reason")}, ResumeRequest)
    pauses.resume(request, visit.caller, visit.database)
    return Go("/", "No pause is in effect any more. Fixes run again.")


ROUTES: tuple[Route, ...] = (
    Route("GET", "/pause", show),
    Route("POST", "/pause", pause),
    Route("POST", "/resume", resume),
)
