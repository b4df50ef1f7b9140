"""The forms by which a person merges and splits patterns, takes that back, and confirms.

A merge and a split are shown with what they would do before anything is done.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

from pattern_engine.console.pages.pattern_page import FILTER, filters_of
from pattern_engine.console.pages.pattern_views import shown_template
from pattern_engine.console.rendering import counted
from pattern_engine.console.visits import Go, Json, Page, Route
from pattern_engine.exceptions import InvalidField
from pattern_engine.serving import bodies
from pattern_engine.steering import steering
from pattern_engine.steering.models import (
    ConfirmRequest,
    MergeRequest,
    SplitRequest,
    UndoRequest,
)
from pattern_engine.text.scrubbing import scrub
from pattern_engine.text.storable import storable

if TYPE_CHECKING:
    from uuid import UUID

    from pattern_engine.console.visits import Visit

_ID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_MAX_SEARCH: Final = 1000


def show_merge(visit: Visit, pattern_id: UUID) -> Page:
    """Find the pattern to merge with, by link, id or words; then what the merge would do."""
    given = str(storable(visit.asked("with")))
    named = _ID.search(given)
    values: Json = {"pattern_id": str(pattern_id), "given": given, "found": None, "preview": None}
    if named:
        values["preview"] = _merge_preview(visit, str(pattern_id), named[0].lower())
    elif given:
        values["found"] = visit.read(
            "console_find_patterns_v1", text=given[:_MAX_SEARCH], but=str(pattern_id)
        )
    else:
        visit.read("console_merge_v1", pattern_id=str(pattern_id), other=str(pattern_id))
    return Page("pattern_merge.html", values)


def _merge_preview(visit: Visit, pattern_id: str, other: str) -> Json:
    preview: Json = visit.read("console_merge_v1", pattern_id=pattern_id, other=other)
    return preview | {
        "other": other,
        "kept_parts": shown_template(preview["kept"]),
        "gone_parts": shown_template(preview["gone"]),
        "samples": [scrub(each) for each in preview["samples"]],
        "kept_samples": [scrub(each) for each in preview["kept_samples"]],
    }


def merge(visit: Visit, pattern_id: UUID) -> Go:
    """Merge two patterns."""
    body: Json = {
        "pattern_ids": [str(pattern_id), visit.entered("other")],
        "reason": visit.entered("reason"),
    }
    done = steering.merge(bodies.validate(body, MergeRequest), visit.caller, visit.database)
    joined = sum(each.incident_count for each in done.merges)
    return Go(
        f"/patterns/{done.pattern.pattern_id}",
        f"Merged: {counted(joined, 'error')} joined this pattern. "
        "It can be undone below, under merges and splits.",
    )


def show_split(visit: Visit, pattern_id: UUID) -> Page:
    """Choose what to split off, by signature or by what its errors name; then what that does."""
    chosen = [str(storable(each)) for each in visit.query.get("signature", [])]
    name, value = next(iter(filters_of(visit).items()), (None, None))
    read = {"pattern_id": str(pattern_id), "name": name, "value": value}
    found = visit.read("console_split_v1", **read, signatures=chosen)
    shares = found["named"]
    whole = [each for each, (fitting, errors) in shares.items() if fitting == errors]
    mixed = [each for each, (fitting, errors) in shares.items() if 0 < fitting < errors]
    if name and not chosen and whole and len(whole) < len(found["signatures"]):
        chosen = whole
        found = visit.read("console_split_v1", **read, signatures=chosen)
    activity = visit.read("console_pattern_occurrences_v1", pattern_id=str(pattern_id), unit="day")
    for side in ("going", "staying"):
        found[side]["samples"] = [scrub(each) for each in found[side]["samples"]]
    for signature in found["signatures"]:
        signature["example"] = scrub(signature["example"] or "")
    return Page(
        "pattern_split.html",
        {
            "pattern": found["pattern"],
            "parts": shown_template(found["pattern"]),
            "found": found,
            "chosen": chosen,
            "filter": f"{name}:{value}" if name else "",
            "filter_name": FILTER,
            "shares": shares,
            "mixed": mixed,
            "facets": activity["facets"],
        },
    )


def split(visit: Visit, pattern_id: UUID) -> Go:
    """Split signatures off."""
    body: Json = {
        "pattern_id": str(pattern_id),
        "signatures": visit.chosen("signature"),
        "reason": visit.entered("reason"),
    }
    done = steering.split(bodies.validate(body, SplitRequest), visit.caller, visit.database)
    return Go(
        f"/patterns/{done.other_pattern.pattern_id}",
        f"Split: {counted(done.incident_count, 'error')} moved to this new pattern. "
        "It can be undone below, under merges and splits.",
    )


def undo(visit: Visit, pattern_id: UUID) -> Go:
    """Undo a merge or a split."""
    kind = visit.entered("kind")
    if kind not in {"merge", "split"}:
        raise InvalidField("Name a merge or a split to undo.")
    request = bodies.validate({f"{kind}_id": visit.entered("id")}, UndoRequest)
    done = steering.undo(request, visit.caller, visit.database)
    counts = f"{done.pattern.occurrence_count:,} and {done.other_pattern.occurrence_count:,}"
    return Go(
        f"/patterns/{done.pattern.pattern_id if kind == 'split' else pattern_id}",
        f"The {kind} was undone. The two patterns have {counts} errors that count.",
    )


def confirm(visit: Visit, pattern_id: UUID) -> Go:
    """Let a fix run for signatures, or for identifiers, that it was not approved for."""
    body: Json = {"pattern_id": str(pattern_id)}
    if visit.chosen("signature"):
        body["signatures"] = visit.chosen("signature")
    else:
        body["identifiers"] = [_tuple(each) for each in visit.chosen("identifiers")]
        body["version"] = visit.number("version")
    done = steering.confirm(bodies.validate(body, ConfirmRequest), visit.caller, visit.database)
    number = len(done.confirmed or done.confirmed_identifiers or [])
    what = counted(number, "signature" if "signatures" in body else "identifier set")
    return Go(f"/patterns/{pattern_id}", f"Confirmed {what} for the fix.")


def _tuple(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError as problem:
        raise InvalidField(
            "The identifiers are not JSON: use the buttons of the page."
        ) from problem


ROUTES: tuple[Route, ...] = (
    Route("GET", "/patterns/<uuid:pattern_id>/merge", show_merge),
    Route("POST", "/patterns/<uuid:pattern_id>/merge", merge),
    Route("GET", "/patterns/<uuid:pattern_id>/split", show_split),
    Route("POST", "/patterns/<uuid:pattern_id>/split", split),
    Route("POST", "/patterns/<uuid:pattern_id>/undo", undo),
    Route("POST", "/patterns/<uuid:pattern_id>/confirm", confirm),
)
