"""Proposing a fix for a pattern: drafts, the form, and what the analysis says of it meanwhile."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from pattern_engine import fixes
from pattern_engine.approval import composing, proposals, suggestions, telling
from pattern_engine.approval.models import ProposeRequest, SuggestionsRequest
from pattern_engine.console import fix_facts, typed_fix
from pattern_engine.console.visits import Go, Page, Route
from pattern_engine.exceptions import (
    Conflict,
    FixRefused,
    Forbidden,
    InvalidRequest,
    PatternEngineError,
)
from pattern_engine.limits import FIX_TYPES, MAX_RETRIES, MAX_ROWS, MAX_TIMEOUT_MS
from pattern_engine.serving import bodies

if TYPE_CHECKING:
    from uuid import UUID

    from pattern_engine.console.visits import Answer, Json, Visit

_VERSION = re.compile(r"([0-9a-f-]{36})\.([0-9]{1,9})")
_MOST_SUGGESTIONS = 5


def show(visit: Visit, pattern_id: UUID) -> Page:
    """The form, filled from the draft that `from` names; by default from that of the catalogue."""
    source = visit.asked("from")
    version = _VERSION.fullmatch(source)
    read = _read(visit, pattern_id, version)
    explained = fix_facts.explanation(read["pattern"])
    draft = explained.cause.draft if explained and explained.cause else None
    if version and read["source"]:
        found = read["source"]
        fields = typed_fix.drawn(found | {"type": found["fix_type"]})
    elif draft and not version and source != "nothing":
        fields = typed_fix.drawn(draft.model_dump() | {"undo_script": draft.undo})
        source = "catalogue"
    else:
        fields, source = typed_fix.empty(), "nothing"
    return _page(visit, read, fields, source=source)


def suggested(visit: Visit, pattern_id: UUID) -> Page:
    """The fixes of similar patterns, which are looked for after the page is there."""
    body: Json = {"pattern_id": str(pattern_id), "limit": _MOST_SUGGESTIONS}
    request = bodies.validate(body, SuggestionsRequest)
    found = suggestions.suggest(request, visit.caller, visit.database).suggestions
    return Page("propose_suggestions.html", {"suggestions": found, "pattern_id": pattern_id})


def check(visit: Visit, pattern_id: UUID) -> Page:
    """What the analysis says of what is typed so far."""
    read, fields = _read(visit, pattern_id), typed_fix.typed(visit)
    if visit.is_fragment:
        return Page("propose_check.html", {"checked": _checked(visit, fields, read["seen"])})
    return _page(visit, read, fields)


def propose(visit: Visit, pattern_id: UUID) -> Answer:
    """Propose what was typed; if it is refused the form comes back with all of it."""
    read, fields = _read(visit, pattern_id), typed_fix.typed(visit)
    try:
        body = typed_fix.body(str(pattern_id), fields, read["seen"])
        request = bodies.validate(body, ProposeRequest)
        answer = proposals.propose(request, visit.caller, visit.database, visit.settings)
    except (Conflict, InvalidRequest, Forbidden) as problem:
        return _page(visit, read, fields, problem)
    notice = "The fix is proposed. An administrator decides on it here."
    return Go(f"/proposals/{answer.proposal.proposal_id}", notice)


def _read(visit: Visit, pattern_id: UUID, version: re.Match[str] | None = None) -> Json:
    found: Json = visit.read(
        "console_propose_v1",
        pattern_id=str(pattern_id),
        from_pattern_id=version and version[1],
        from_version=version and int(version[2]),
    )
    return found


def _page(
    visit: Visit,
    read: Json,
    fields: Json,
    problem: PatternEngineError | None = None,
    source: str = "",
) -> Page:
    explained = fix_facts.explanation(read["pattern"])
    values = read | {
        "fields": fields,
        "choices": typed_fix.choices(read["seen"], fields),
        "any": typed_fix.ANY,
        "source_name": source,
        "cause": explained.cause if explained else None,
        "captured": sorted(explained.captured) if explained else [],
        "types": [each for each in FIX_TYPES if each != "bash" or visit.settings.facilities().bash],
        "most": {
            "timeout_ms": max(MAX_TIMEOUT_MS.values()),
            "max_rows": MAX_ROWS,
            "max_retries": MAX_RETRIES,
        },
        "problem": problem,
        "checked": _checked(visit, fields, read["seen"]) if fields["script"] else None,
    }
    return Page("propose.html", values, problem.status if problem else 200)


def _checked(visit: Visit, fields: Json, seen: list[dict[str, str]]) -> Json:
    """The objections and warnings of the analysis, and what it understood."""
    try:
        given = typed_fix.parameters(fields, seen)
        if fields["type"] not in FIX_TYPES or not fields["script"]:
            return {"findings": ["Choose a type, and write a script."], "warnings": []}
        fix, analysis = composing.compose(
            fields["type"],
            fields["script"],
            given,
            fields["undo_script"] or None,
            visit.settings.facilities(),
        )
    except FixRefused as refused:
        reasons: Any = refused.details["reasons"]
        return {
            "findings": [each["message"] for each in reasons],
            "warnings": _warnings(visit, fields),
        }
    except InvalidRequest as problem:
        return {"findings": [problem.message], "warnings": []}
    rows = given.get("max_rows", 1000)
    return {
        "findings": [],
        "warnings": list(analysis.warnings),
        "summary": telling.told(fix, analysis.as_dict(), rows if isinstance(rows, int) else 0),
        "tables": fix["tables"],
        "hosts": fix["hosts"],
        "destructive": list(analysis.destructive),
    }


def _warnings(visit: Visit, fields: Json) -> list[str]:
    found = fixes.analyse(fields["type"], fields["script"], {}, visit.settings.facilities())
    return list(found.warnings)


_PATH = "/patterns/<uuid:pattern_id>/propose"
ROUTES: tuple[Route, ...] = (
    Route("GET", _PATH, show),
    Route("GET", f"{_PATH}/suggestions", suggested),
    Route("POST", f"{_PATH}/check", check),
    Route("POST", _PATH, propose),
)
