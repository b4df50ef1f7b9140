"""The page of a pattern: all that is known of one group of errors, and what a person may decide."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from pattern_engine.console.pages.pattern_views import (
    chart,
    event,
    facets,
    fixes,
    incident,
    shown_template,
)
from pattern_engine.console.visits import Go, Json, Page, Route, whole_number
from pattern_engine.exceptions import InvalidField
from pattern_engine.serving import bodies
from pattern_engine.steering import explaining, similarity, steering
from pattern_engine.steering.models import (
    IgnoreRequest,
    ReopenRequest,
    ResolveRequest,
    SimilarRequest,
)
from pattern_engine.text.storable import storable

if TYPE_CHECKING:
    from uuid import UUID

    from pattern_engine.console.visits import Visit

FILTER: Final = "is"
"""The parameter that filters the errors, as in `is=constraint:orders_pkey`."""
_MAX_FILTERS: Final = 10
"""Digits of a number that fits a bigint."""
SPANS: Final = {
    "3600": "for an hour",
    "28800": "for 8 hours",
    "86400": "for a day",
    "604800": "for a week",
    "time": "until the time below",
    "count": "for so many errors",
    "good": "for good",
}
"""How long a pattern may be ignored: seconds, or what decides."""


def show(visit: Visit, pattern_id: UUID) -> Page | Go:
    """The whole page, or the part of it that shows the present state."""
    if visit.asked("part") == "now":
        pattern = visit.read("console_pattern_v1", pattern_id=str(pattern_id))
        return Page("pattern_now.html", {"pattern": pattern})
    found = visit.read(
        "console_pattern_page_v1",
        pattern_id=str(pattern_id),
        unit=visit.asked("unit") or None,
        events_before=_events_before(visit),
        **_errors_asked(visit),
    )
    pattern, activity = found["pattern"], found["occurrences"]
    if pattern["status"] == "merged" and pattern["kept"] and visit.asked("own") != "1":
        return Go(
            f"/patterns/{pattern['kept']['pattern_id']}",
            "The pattern that the link names was merged into this one.",
        )
    explanation = explaining.explained(_text(pattern))
    values = {
        "parts": shown_template(pattern, explanation),
        "explanation": explanation,
        "fixes": fixes(pattern["fixes"]),
        "activity": activity,
        "chart": chart(activity, pattern),
        "spans": SPANS,
        **_trail(found["trail"], pattern_id),
        **_errors(visit, found["incidents"], pattern),
    }
    values["facets"] = facets(activity["facets"], values["filters"], f"/patterns/{pattern_id}")
    return Page("pattern.html", values)


def _text(pattern: Json) -> str:
    """The text to explain: the latest error that is still in the log, else the first one."""
    example = pattern["example"] or {}
    return example.get("message") or pattern["sample"] or pattern["template"] or "no message"


def filters_of(visit: Visit) -> dict[str, str]:
    """The values that the address filters by."""
    given = [str(storable(each)) for each in visit.query.get(FILTER, [])][:_MAX_FILTERS]
    pairs = (each.partition(":") for each in given)
    return {name: value for name, colon, value in pairs if name and colon}


def _errors_asked(visit: Visit) -> Json:
    """Which page of the errors of a pattern the address asks for."""
    at, slash, number = visit.asked("before").rpartition("/")
    return {"filters": filters_of(visit), "before": _place(at, number) if slash else None}


def _errors(visit: Visit, answer: Json, pattern: Json) -> Json:
    """A page of the errors of a pattern."""
    following, filters = answer["next"], filters_of(visit)
    query = [(FILTER, f"{name}:{value}") for name, value in filters.items()]
    if following:
        query.append(("before", f"{following['at']}/{following['id']}"))
    return {
        "pattern": pattern,
        "filters": filters,
        "incidents": [incident(each, pattern["fixes"]) for each in answer["incidents"]],
        "looked_at": answer["read"],
        "is_later_page": "/" in visit.asked("before"),
        "next": following is not None,
        "more_query": urlencode(query),
    }


def _place(at: str, number: str) -> Json:
    try:
        datetime.fromisoformat(at)
        return {"at": at, "id": int(number)}
    except ValueError as problem:
        raise InvalidField("There is no such page of errors: open the pattern again.") from problem


def show_errors(visit: Visit, pattern_id: UUID) -> Page:
    """A page of the errors alone."""
    pattern = visit.read("console_pattern_v1", pattern_id=str(pattern_id))
    found = visit.read(
        "console_pattern_incidents_v1", pattern_id=str(pattern_id), **_errors_asked(visit)
    )
    values = _errors(visit, found, pattern) | {"parts": shown_template(pattern)}
    return Page("pattern_errors.html", values | {"is_fragment": visit.is_fragment})


def show_similar(visit: Visit, pattern_id: UUID) -> Page:
    """The patterns that resemble one, with the words that differ."""
    request = SimilarRequest(pattern_id=pattern_id, limit=10)
    found = similarity.similar(request, visit.caller, visit.database)
    listed = [
        each.model_dump() | {"words": similarity.compared(each.own_template, each.template)}
        for each in found.patterns
    ]
    values = {"pattern_id": str(pattern_id), "similar": listed}
    return Page("pattern_similar.html", values | {"is_fragment": visit.is_fragment})


def show_trail(visit: Visit, pattern_id: UUID) -> Page:
    """A later page of the trail."""
    found = visit.read(
        "console_pattern_trail_v1", pattern_id=str(pattern_id), before=_events_before(visit)
    )
    values = _trail(found, pattern_id) | {"pattern_id": str(pattern_id)}
    return Page("pattern_trail.html", values | {"is_fragment": visit.is_fragment})


def _events_before(visit: Visit) -> int | None:
    """Which page of the trail the address asks for."""
    before = whole_number(visit.asked("events_before"))
    return before if isinstance(before, int) else None


def _trail(answer: Json, pattern_id: UUID) -> Json:
    return {
        "events": [event(each) for each in answer["events"]],
        "events_next": answer["next"],
        "events_path": f"/patterns/{pattern_id}/trail",
    }


def resolve(visit: Visit, pattern_id: UUID) -> Go:
    """Mark the pattern as resolved."""
    body: Json = {
        "pattern_id": str(pattern_id),
        "release": visit.entered("release") or None,
        "reason": visit.entered("reason"),
    }
    request = bodies.validate(body, ResolveRequest)
    steering.resolve(request, visit.caller, visit.database)
    since = f" in release {request.release}" if request.release else ""
    return Go(f"/patterns/{pattern_id}", f"Resolved{since}. A later error opens it again.")


def ignore(visit: Visit, pattern_id: UUID) -> Go:
    """Ignore the pattern for some time, for some errors, or for good."""
    how = visit.entered("how")
    if how not in SPANS:
        raise InvalidField("Choose how long to ignore the pattern.")
    body: Json = {
        "pattern_id": str(pattern_id),
        "until": _until(visit, how),
        "occurrences": visit.number("occurrences") if how == "count" else None,
        "reason": visit.entered("reason"),
    }
    request = bodies.validate(body, IgnoreRequest)
    steering.ignore(request, visit.caller, visit.database)
    if request.until:
        limit = f"Ignored until {request.until.astimezone(UTC):%Y-%m-%d %H:%M} UTC."
    elif request.occurrences:
        limit = f"Ignored for {request.occurrences:,} more errors that count."
    else:
        limit = "Ignored for good: nothing but a person opens it again."
    return Go(f"/patterns/{pattern_id}", limit)


def _until(visit: Visit, how: str) -> str | None:
    if how.isdecimal():
        return (datetime.now(UTC) + timedelta(seconds=int(how))).isoformat()
    return visit.moment("until") if how == "time" else None


def reopen(visit: Visit, pattern_id: UUID) -> Go:
    """Open the pattern again."""
    body: Json = {"pattern_id": str(pattern_id), "reason": visit.entered("reason")}
    request = bodies.validate(body, ReopenRequest)
    steering.reopen(request, visit.caller, visit.database)
    return Go(f"/patterns/{pattern_id}", "The pattern is open again.")


ROUTES: tuple[Route, ...] = (
    Route("GET", "/patterns/<uuid:pattern_id>", show),
    Route("GET", "/patterns/<uuid:pattern_id>/errors", show_errors),
    Route("GET", "/patterns/<uuid:pattern_id>/similar", show_similar),
    Route("GET", "/patterns/<uuid:pattern_id>/trail", show_trail),
    Route("POST", "/patterns/<uuid:pattern_id>/resolve", resolve),
    Route("POST", "/patterns/<uuid:pattern_id>/ignore", ignore),
    Route("POST", "/patterns/<uuid:pattern_id>/reopen", reopen),
)
