"""Ignoring, reopening and merging several patterns at once.

First a page shows what would happen; then exactly that happens, or nothing: the form carries a
digest of the patterns as they were shown.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from pattern_engine.console.visits import Go, Page, Route
from pattern_engine.exceptions import CallerNotAllowed, InvalidChoice, InvalidField
from pattern_engine.serving import bodies
from pattern_engine.steering import steering
from pattern_engine.steering.models import (
    MAX_PATTERNS,
    IgnoreRequest,
    MergeRequest,
    ReopenRequest,
    UndoRequest,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pattern_engine.console.visits import Json, Visit

MOST = 200
_SPANS = {"3600": "for an hour", "86400": "for a day", "604800": "for a week"}
_TITLES = {"ignore": "Ignore or snooze", "reopen": "Reopen", "merge": "Merge"}
_DONE = {"ignore": "ignored", "reopen": "reopened"}


def ids_in(values: Iterable[str]) -> list[str]:
    """The ids among these values, each once and in their order."""
    found: dict[str, None] = {}
    for value in values:
        try:
            found[str(UUID(value))] = None
        except ValueError as problem:
            raise InvalidField(f"{value[:100]} is no id of a pattern.") from problem
    return list(found)


def preview(visit: Visit) -> Page | Go:
    """What would happen to the checked patterns."""
    if not visit.may("ops_operator"):
        raise CallerNotAllowed(
            "Your role may look at patterns; to steer them takes operator or admin."
        )
    action, ids = visit.entered("action"), ids_in(visit.chosen("pattern_id"))
    if action not in _TITLES:
        raise InvalidField(f"The action is {action[:100]}; choose one of {', '.join(_TITLES)}.")
    least, most = (2, MAX_PATTERNS) if action == "merge" else (1, MOST)
    if not least <= len(ids) <= most:
        notice = f"Check {least} to {most} entries of the list first, then choose again."
        return Go(_back(visit), notice)
    chosen = visit.read("console_chosen_v1", pattern_ids=ids)
    patterns: list[Json] = chosen["patterns"]
    live = sum(pattern["has_fix"] for pattern in patterns)
    return Page(
        "chosen_patterns.html",
        {
            "action": action,
            "title": _TITLES[action],
            "patterns": patterns,
            "digest": chosen["digest"],
            "spans": _SPANS,
            "back": _back(visit),
            "problem": _problem(action, patterns, len(ids), live),
            "occurrences": sum(pattern["occurrence_count"] for pattern in patterns),
            "live": live,
        },
    )


def _problem(action: str, patterns: list[Json], asked: int, live: int) -> str:
    """Why this can not be done to these patterns; empty if it can."""
    merged = sum(pattern["status"] == "merged" for pattern in patterns)
    if len(patterns) < asked:
        return f"{asked - len(patterns)} of the checked patterns do not exist any more."
    if merged:
        return f"{merged} of these patterns were merged into others; leave them out."
    if action == "merge" and live > 1:
        return (
            f"{live} of these patterns have a fix that is not disabled; one pattern has one fix. "
            "Disable the others first, or leave them out."
        )
    return ""


def act(visit: Visit) -> Go:
    """Do what was shown, if nothing has changed since."""
    action, ids = visit.entered("action"), ids_in(visit.chosen("pattern_id"))
    if not ids:
        raise InvalidChoice("No pattern is chosen; go back to the inbox and check some.")
    reason = visit.entered("reason") or None
    named: Json = {"pattern_ids": ids, "digest": visit.entered("digest"), "reason": reason}
    if action == "merge":
        return _merge(visit, named)
    if action == "ignore":
        given = {"pattern_id": ids[0], "reason": reason, **_end(visit)}
        request = bodies.validate(given, IgnoreRequest)
        named["until"] = request.until.isoformat() if request.until else None
        named["occurrences"] = request.occurrences
    else:
        bodies.validate({"pattern_id": ids[0], "reason": reason}, ReopenRequest)
    visit.read("console_steer_v1", action=action, **named)
    noun = "1 pattern is" if len(ids) == 1 else f"{len(ids)} patterns are"
    return Go(_back(visit), f"{noun} {_DONE.get(action, action)}.")


def _merge(visit: Visit, named: Json) -> Go:
    """Merge into the pattern that was chosen to stay; the next page offers to undo it."""
    kept = ids_in([visit.entered("kept")])[0]
    ids = [kept, *(each for each in named["pattern_ids"] if each != kept)]
    request = bodies.validate({"pattern_ids": ids, "reason": named["reason"]}, MergeRequest)
    named["pattern_ids"] = [str(each) for each in request.pattern_ids]
    answer = visit.read("console_steer_v1", action="merge", **named)
    merges = "&".join(f"merged={each['merge_id']}" for each in answer["merges"])
    count = len(answer["merges"])
    noun = "1 pattern was" if count == 1 else f"{count} patterns were"
    back = _back(visit)
    return Go(f"{back}{'&' if '?' in back else '?'}{merges}", f"{noun} merged.")


def _end(visit: Visit) -> Json:
    """When ignoring ends: at a time, after so many more errors, whichever is first, or never."""
    span = visit.entered("span")
    if span in _SPANS:
        until: str | None = (datetime.now(UTC) + timedelta(seconds=int(span))).isoformat()
    elif span == "time":
        until = visit.moment("until")
    else:
        until = None
    occurrences = visit.number("occurrences")
    return {"until": until, "occurrences": None if occurrences == "" else occurrences}


def undo(visit: Visit) -> Go:
    """Undo merges, the last one first."""
    merges = ids_in(visit.chosen("merge_id"))
    for merge_id in reversed(merges):
        request = bodies.validate({"merge_id": merge_id}, UndoRequest)
        steering.undo(request, visit.caller, visit.database)
    noun = "The merge was" if len(merges) == 1 else f"{len(merges)} merges were"
    return Go(_back(visit), f"{noun} undone. The patterns are apart again, and stay so.")


def _back(visit: Visit) -> str:
    """The address of the list that the person came from, with its filters."""
    back = visit.entered("back")
    return back if back == "/" or back.startswith("/?") else "/"


ROUTES: tuple[Route, ...] = (
    Route("POST", "/inbox/preview", preview),
    Route("POST", "/inbox/act", act),
    Route("POST", "/inbox/undo", undo),
)
