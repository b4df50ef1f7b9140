"""Pausing all fixes, ending every pause, and the banner that every page shows meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pattern_engine.console.visits import Go, Page, Route
from pattern_engine.exceptions import InvalidField, InvalidRequest
from pattern_engine.healing import pauses
from pattern_engine.healing.models import MAX_PAUSE_SECONDS, PauseRequest, ResumeRequest
from pattern_engine.serving import bodies

if TYPE_CHECKING:
    from pattern_engine.console.visits import Answer, Visit

PRESETS = ((30, "30 minutes"), (60, "1 hour"), (240, "4 hours"), (1440, "1 day"))
"""Lengths in minutes that people choose most, with their names."""
_MOST_MINUTES = MAX_PAUSE_SECONDS // 60
_FIELDS = ("reason", "length", "minutes", "resume_reason")


def show(visit: Visit, problem: InvalidRequest | None = None) -> Page:
    """The form; after a refusal with what was entered and why it was refused."""
    values = {
        "presets": PRESETS,
        "most_minutes": _MOST_MINUTES,
        "entered": {name: visit.entered(name) for name in _FIELDS},
        "problem": problem,
    }
    status = problem.status if problem else 200
    return Page("pause.html", values | visit.read("console_pauses_v1"), status)


def banner(_visit: Visit) -> Page:
    """What is paused now, which an open page asks for when something has happened."""
    return Page("pauses.html")


def pause(visit: Visit) -> Answer:
    """Pause all fixes for some minutes."""
    try:
        reason = visit.entered("reason")
        request = bodies.validate({"reason": reason, "seconds": 60 * _minutes(visit)}, PauseRequest)
    except InvalidRequest as problem:
        return show(visit, problem)
    pauses.pause(request, visit.caller, visit.database)
    return Go("/pause", "All fixes are paused. Errors are learned as usual.")


def _minutes(visit: Visit) -> int:
    length = visit.entered("length", "other")
    text = visit.entered("minutes") if length == "other" else length
    if text.isascii() and text.isdecimal() and len(text) < 9 and 0 < int(text) <= _MOST_MINUTES:
        return int(text)
    raise InvalidField(f"Give the length as whole minutes from 1 to {_MOST_MINUTES:,}.")


def resume(visit: Visit) -> Answer:
    """End every pause."""
    try:
        # The API takes none; in the console whoever reads the journal later is owed one.
        request = bodies.validate({"reason": visit.entered("resume_reason")}, ResumeRequest)
    except InvalidRequest as problem:
        return show(visit, problem)
    ended = pauses.resume(request, visit.caller, visit.database).ended
    if not ended:
        return Go("/pause", "Nothing was paused any more.")
    return Go("/pause", "No pause is in effect any more. Fixes run again.")


ROUTES: tuple[Route, ...] = (
    Route("GET", "/pause", show),
    Route("POST", "/pause", pause),
    Route("GET", "/pauses", banner),
    Route("POST", "/resume", resume),
)
