"""The inbox: what needs a person, the most urgent first, and the search over all patterns."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from pattern_engine.console.pages import chosen_patterns
from pattern_engine.console.visits import TYPES, Page, Route
from pattern_engine.exceptions import InvalidField

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pattern_engine.console.visits import Json, Visit

FIRST = 10
ON_A_PAGE = 50
SECTIONS = {
    "control": ("Out of control", "Nothing is out of control."),
    "decision": ("Needs a decision", "Nothing waits for a decision."),
    "changed": (
        "Changed",
        "Nothing came back, nothing is more frequent than usual, and nothing is new for a day.",
    ),
    "healing": ("Healing now", "No fix runs, and no run is watched."),
    "found": ("Found", "No pattern has these words, and these filters."),
}
"""Name of a section → its heading, and what is said when it is empty."""
CHOICES = {
    "type": {
        "": "any",
        **{name: name for name in TYPES},
    },
    "severity": {
        "": "any",
        "warning": "warning or worse",
        "error": "error or worse",
        "critical": "critical",
    },
    "status": {
        "": "what needs a person",
        "open": "open",
        "snoozed": "snoozed until a time or a count",
        "ignored": "ignored or snoozed",
        "resolved": "resolved",
        "archived": "archived",
    },
}
_FILTERS = ("type", "severity", "status", "source", "environment", "search", "section")
_COUNTED = 1000
"""The database counts what may be much up to this."""


def show(visit: Visit) -> Page:
    """The whole page, or the list alone."""
    filters = _filters(visit)
    section = filters.get("section")
    answer: dict[str, Any] = visit.read(
        "console_inbox_v1", filters=filters, limit=ON_A_PAGE if section else FIRST
    )
    is_search = "search" in filters or "status" in filters
    names = [section] if section else ["found"] if is_search else list(SECTIONS)[:-1]
    values = {
        "sections": [_section(name, answer.get(name), filters) for name in names],
        "filters": filters,
        "choices": CHOICES,
        "storms": [] if is_search or section not in {None, "control"} else _storms(visit),
        "is_continued": "after" in filters,
        "list_address": _address(filters, part="list"),
        "here": _address(filters),
        "all_of_it": _address({key: filters[key] for key in filters if key != "section"}, after=""),
        "merges": chosen_patterns.ids_in(visit.query.get("merged", [])),
        "may_steer": visit.may("ops_operator"),
    }
    if visit.is_fragment and visit.asked("part") == "list":
        return Page("inbox_list.html", values)
    return Page("inbox.html", values | {"sources": visit.read("console_sources_v1")})


def _filters(visit: Visit) -> Json:
    """What the address asks for; a value that no choice has is refused."""
    given: Json = {name: visit.asked(name)[:200] for name in _FILTERS if visit.asked(name)}
    known = CHOICES | {"section": dict.fromkeys(SECTIONS, "")}
    for name, value in given.items():
        if name in known and value not in known[name]:
            raise InvalidField(
                f"{name} is {value}; choose one of {', '.join(filter(None, known[name]))}."
            )
    if visit.asked("after"):
        given["after"] = _place(visit.asked("after"))
    return given


def _place(text: str) -> list[Any]:
    """The place of an entry, as the address of the next page has it."""
    first, _, rest = text.partition(",")
    second, _, key = rest.partition(",")
    try:
        urgency, place = int(first), float(second)
    except ValueError:
        urgency, place = 0, math.nan
    if not math.isfinite(place) or abs(urgency) > ON_A_PAGE:
        raise InvalidField(f"after is {text}, which is no place in the list; open the inbox again.")
    return [urgency, place, key]


def _address(filters: Json, **more: str) -> str:
    """The address of the inbox with these filters."""
    query = {**filters, **more}
    if isinstance(query.get("after"), list):
        query["after"] = ",".join(map(str, query["after"]))
    named = {name: value for name, value in query.items() if value}
    return f"/?{urlencode(named)}" if named else "/"


def _section(name: str, answer: Json | None, filters: Json) -> Json:
    heading, nothing = SECTIONS[name]
    found = answer or {"total": 0, "entries": [], "next": None}
    total = found["total"]
    more = ""
    if found["next"]:
        # From the first page of a section its entries are shown again, with those that follow.
        place = {"after": found["next"]} if "section" in filters else {}
        more = _address({**filters, "section": name, **place})
    return {
        "name": name,
        "heading": heading,
        "nothing": nothing,
        "count": f"{_COUNTED:,} or more" if total >= _COUNTED else f"{total:,}",
        "entries": list(map(_entry, found["entries"])),
        "more": more,
    }


def _storms(visit: Visit) -> list[Json]:
    return [pause for pause in visit.frame["pauses"] if pause["cause"] == "storm"]


def _entry(entry: Json) -> Json:
    """An entry with its state in words, what it needs, and where that is done."""
    pattern = f"/patterns/{entry['pattern_id']}"
    details = entry["details"]
    state, colour, needs = _WORDS[entry["kind"]]
    named = {"identifiers": ", ".join(_pairs(details)), **details}
    action: dict[str, str | bool] = {}
    match entry["kind"]:
        case "proposal":
            path = f"/proposals/{details['proposal_id']}"
            action = {"path": path, "text": "Review the proposed fix", "is_review": True}
        case "review":
            action = {"path": f"{pattern}/propose", "text": "Propose a fix", "is_review": False}
        case "approval_over":
            action = {"path": pattern, "text": "Look and decide", "is_review": True}
        case "unconfirmed_signature" | "unconfirmed_identifiers":
            action = {"path": pattern, "text": "Look and confirm", "is_review": True}
        case "running" | "verifying":
            path = f"/applications/{details['application_id']}"
            action = {"path": path, "text": "Look at the run", "is_review": False}
    return entry | {
        "id": f"{entry['kind']}-{entry['key']}",
        "path": pattern,
        "state": state or entry["status"],
        "colour": colour,
        "needs": _sentence(needs, named),
        "action": action,
    }


def _pairs(details: Json) -> Iterator[str]:
    """What an error named, such as constraint orders_pkey."""
    for name, value in (details.get("identifiers") or {}).items():
        yield f"{name} {value}"


def _sentence(needs: str, details: Json) -> str:
    """What an entry needs; parts in brackets are left out where nothing is known."""
    first, _, rest = needs.partition("[")
    known = {name: value for name, value in details.items() if value is not None}
    try:
        first = first.format_map(known)
    except KeyError:
        return ""
    try:
        return first + rest.rstrip("]").format_map(known)
    except KeyError:
        return first


_WORDS = {
    "demoted": (
        *("demoted", "bad"),
        "The engine took version {version} of the fix out of use.[ Reason: {reason}]",
    ),
    "disabled": (
        *("disabled", "bad"),
        "The engine disabled version {version} of the fix.[ Reason: {reason}]",
    ),
    "changed_fix": (
        *("refused", "bad"),
        "A stored fix is not what was approved, so it did not run.[ {reason}]",
    ),
    "healed_often": (
        *("not cured", "wait"),
        "Healed {heals} times in 7 days: the fix works, and the cause is still there.",
    ),
    "proposal": (
        *("proposed", "wait"),
        "A fix of type {fix_type} waits for somebody to approve or reject it.",
    ),
    "approval_over": (
        *("approval over", "wait"),
        "The approval of version {version} of the fix is over, so it does not run.[ {reason}.]",
    ),
    "review": ("awaits review", "wait", "It keeps occurring, and no fix runs for it."),
    "unconfirmed_signature": (
        *("not confirmed", "wait"),
        "The fix does not run for errors that were added after its approval.[ {example}]",
    ),
    "unconfirmed_identifiers": (
        *("not confirmed", "wait"),
        "The fix was not approved for {identifiers}, which errors name now.",
    ),
    "regressed": (
        *("came back", "bad"),
        "It was resolved and occurred again.[ Seen in release {release}.]",
    ),
    "spiked": ("spike", "bad", "{errors} errors in 5 minutes, where {usual_errors} are usual."),
    "new": ("new", "", "It was first seen within a day."),
    "running": ("running", "wait", "The fix runs."),
    "verifying": (
        *("watched", "wait"),
        "The fix ran. It is not known yet whether the error stays away.",
    ),
    "found": ("", "", ""),
}
"""Kind of an entry → its state in a word, the colour of that, and what is to say about it."""

ROUTES: tuple[Route, ...] = (Route("GET", "/", show), *chosen_patterns.ROUTES)
