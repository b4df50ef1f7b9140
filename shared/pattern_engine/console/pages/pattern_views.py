"""What the page of a pattern shows of its parts: words for states, and figures for charts."""

from __future__ import annotations

import json
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Final, get_args
from urllib.parse import urlencode

from pattern_engine import grouping
from pattern_engine.grouping import captures
from pattern_engine.identifiers import GuardingName
from pattern_engine.text.scrubbing import scrub, scrub_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pattern_engine.console.visits import Json
    from pattern_engine.steering.models import Explanation

MAX_TEMPLATE: Final = 1000
"""The characters of a template that a heading shows."""
_GUARDING: Final = get_args(GuardingName)
_FATES: Final = {
    "verified": ("healed: a fix ran, and the error stayed away", "good"),
    "pending": ("a fix ran; whether the error stays away is not known yet", "wait"),
    "failed": ("a fix ran, and the error came back or the script failed", "bad"),
    "inconclusive": ("a fix ran; nothing tells whether it helped", "wait"),
}
_PLAIN_NAMES: Final = {
    "written_by": "written by",
    "frame": "throwing place",
    "refusal": "why not healed",
}


def shown_template(pattern: Json, explanation: Explanation | None = None) -> list[captures.Part]:
    """The pieces of a pattern's template, with names for its variables."""
    template = (pattern["template"] or "no template")[:MAX_TEMPLATE]
    has_names = explanation is not None and explanation.template == pattern["template"]
    names = explanation.captured if explanation and has_names else {}
    return captures.parts(template, is_known=pattern["known"] is not None, captured=names)


def chart(activity: Json, pattern: Json) -> Json:
    """The figures of the chart of occurrences, with a mark for each release and for the resolve."""
    buckets = activity["buckets"]
    series = [{"label": "errors that count", "values": [each[1] for each in buckets]}]
    if any(each[2] for each in buckets):
        series.append({"label": "errors of others", "values": [each[2] for each in buckets]})
    marks = [
        {"at": _seconds(each["at"]), "label": each["release"]} for each in activity["releases"]
    ]
    if pattern["resolved_at"]:
        marks.append({"at": _seconds(pattern["resolved_at"]), "label": "resolved"})
    return {"x": [each[0] for each in buckets], "series": series, "marks": marks}


def _seconds(stamp: str) -> int:
    return int(datetime.fromisoformat(stamp).timestamp())


def facets(found: list[Json], filters: Mapping[str, str], path: str) -> list[Json]:
    """The facets, each value with the address that filters by it, or no longer does."""
    return [
        facet
        | {
            "label": _PLAIN_NAMES.get(facet["name"], facet["name"]),
            "values": [
                value
                | {
                    "is_chosen": filters.get(facet["name"]) == value["value"],
                    "path": filtered(path, filters, facet["name"], value["value"]),
                }
                for value in facet["values"]
            ],
        }
        for facet in found
    ]


def filtered(path: str, filters: Mapping[str, str], name: str, value: str) -> str:
    """The address of a page with one more filter, or without it if it is in effect."""
    if filters.get(name) == value:
        left = {each: filters[each] for each in filters if each != name}
    else:
        left = {**filters, name: value}
    query = urlencode([("is", f"{each}:{left[each]}") for each in left])
    return f"{path}?{query}#errors" if query else f"{path}#errors"


def fixes(found: list[Json]) -> list[Json]:
    """The fixes, each with the identifiers outside its guard that a person could confirm."""
    return [fix | {"strangers": _strangers(fix)} for fix in found]


def _strangers(fix: Json) -> list[Json]:
    samples = (fix["coverage"] or {}).get("samples", [])
    named = [(_guarding(sample["identifiers"]), sample["occurrences"]) for sample in samples]
    return [
        {"identifiers": names, "text": json.dumps(names), "occurrences": occurrences}
        for names, occurrences in named
        if names
    ]


def _guarding(identifiers: Mapping[str, str]) -> dict[str, str]:
    """What of the identifiers of an error can be confirmed for a fix."""
    return {name: identifiers[name] for name in _GUARDING if name in identifiers}


def incident(found: Json, fixes_of_pattern: list[Json]) -> Json:
    """One error: its root message, the whole text, and what became of it in words."""
    words, kind = fate(found, fixes_of_pattern)
    message = found["message"]
    data = found["error_data"]
    return found | {
        "root": _root(message) if message is not None else None,
        "text": _scrubbed(message) if message is not None else None,
        "data": _scrubbed_data(data) if data else None,
        "fate": words,
        "fate_kind": kind,
    }


def fate(found: Json, fixes_of_pattern: list[Json]) -> tuple[str, str]:
    """What became of an error, and how good that is."""
    if not found["application_id"]:
        return _why_not(found, fixes_of_pattern)
    if found["purpose"] == "shadow":
        return "a shadow was recorded: the fix would have run", "wait"
    if found["is_running"]:
        return "a fix is running", "wait"
    return _FATES[found["outcome"] or "failed"]


def _why_not(found: Json, fixes_of_pattern: list[Json]) -> tuple[str, str]:
    """Why no fix ran for an error."""
    happened = datetime.fromisoformat(found["occurred_at"])
    approved = [datetime.fromisoformat(fix["approved_at"]) for fix in fixes_of_pattern]
    if found["refusal"]:
        why, kind = found["refusal"], "bad"
    elif not found["counts"]:
        why, kind = f"{found['written_by']} wrote it, whose errors do not count", ""
    elif found["system_log_id"] is None:
        why, kind = "it was reported without a row of the log, or the row is gone", ""
    elif not approved or happened < min(approved):
        why, kind = "no fix was approved then", ""
    else:
        why, kind = "neither a run nor a reason is recorded", "wait"
    return f"not healed: {why}", kind


@lru_cache(maxsize=500)
def _scrubbed(text: str) -> str:
    return scrub(text)


@lru_cache(maxsize=500)
def _root(message: str) -> str:
    """The message of the root error, without what is wrapped around it."""
    return scrub(grouping.group(message).text)


def _scrubbed_data(text: str) -> str:
    """What was sent with an error, readable; text that was cut is no JSON any more."""
    try:
        return json.dumps(scrub_json(json.loads(text)), indent=2, ensure_ascii=False)
    except json.JSONDecodeError:
        return scrub(text)


def event(found: Json) -> Json:
    """One entry of the trail."""
    metadata = found["metadata"] or {}
    return found | {
        "what": found["event_type"].replace("_", " "),
        "reason": metadata.get("reason"),
        "proposal_id": metadata.get("proposal_id"),
        "application_id": metadata.get("application_id"),
        "particulars": json.dumps(metadata, indent=2, ensure_ascii=False) if metadata else "",
    }
