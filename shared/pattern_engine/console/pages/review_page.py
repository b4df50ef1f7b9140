"""The review of a proposed fix: everything that a decision rests on, and the decision."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from pattern_engine.approval import proposals, telling
from pattern_engine.approval.models import DecideRequest, PreviewRequest
from pattern_engine.console import differences, fix_facts
from pattern_engine.console.visits import Go, Page, Route
from pattern_engine.exceptions import (
    Conflict,
    Forbidden,
    InvalidField,
    InvalidRequest,
    PatternEngineError,
    ProposalClosed,
)
from pattern_engine.serving import bodies

if TYPE_CHECKING:
    from uuid import UUID

    from pattern_engine.console.visits import Answer, Json, Visit

TYPED = ("decision", "reason", "mode", "ends_at", "max_heals")
"""The fields of a decision, which a refusal leaves as they were."""
SEEN = ("script", "undo_script", "parameters")
"""The parts of a fix that a decision says it has seen, beside the guard."""


def show(visit: Visit, proposal_id: UUID) -> Page:
    """The whole page."""
    return _page(visit, _read(visit, proposal_id))


def preview(visit: Visit, proposal_id: UUID) -> Answer:
    """Repeat the dry-run and the replay on today's data, for those who may decide."""
    read = _read(visit, proposal_id)
    if not fix_facts.may_decide(visit, read["proposal"]["proposed_by"]):
        raise Forbidden("Only those who may decide on a proposal repeat its dry-run here.")
    request = bodies.validate({"proposal_id": str(proposal_id)}, PreviewRequest)
    started = time.monotonic()
    answer = proposals.preview(request, visit.caller, visit.database, visit.settings)
    seconds = time.monotonic() - started
    if not visit.is_fragment:
        return Go(f"/proposals/{proposal_id}", "The dry-run was repeated.")
    proposal = read["proposal"] | answer.proposal.model_dump()
    values = {"proposal": proposal, "preview": fix_facts.preview(proposal), "seconds": seconds}
    return Page("review_preview.html", values)


def decide(visit: Visit, proposal_id: UUID) -> Answer:
    """Approve or reject exactly what the person has read; refuse it if anything changed since."""
    read = _read(visit, proposal_id)
    try:
        if not visit.entered("reason"):
            raise InvalidField("Give a reason: it is kept with the decision.")
        _require_unchanged(visit, read)
        answer = proposals.decide(
            bodies.validate(_decision(visit, proposal_id), DecideRequest),
            visit.caller,
            visit.database,
            visit.settings,
        )
    except (Conflict, Forbidden, InvalidRequest) as problem:
        return _page(visit, _read(visit, proposal_id), problem)
    decided = _read(visit, proposal_id)
    if answer.proposal.decision == "approved":
        path = f"/patterns/{decided['pattern']['pattern_id']}/fixes/{decided['approved_version']}"
        return Go(path, f"Version {decided['approved_version']} is approved.")
    return Go(f"/proposals/{proposal_id}", "The proposal is rejected.")


def _decision(visit: Visit, proposal_id: UUID) -> Json:
    return {
        "proposal_id": str(proposal_id),
        "sha256": visit.entered("sha256"),
        "decision": visit.entered("decision"),
        "reason": visit.entered("reason"),
        "mode": visit.entered("mode", "live"),
        **fix_facts.terms(visit),
    }


def _require_unchanged(visit: Visit, read: Json) -> None:
    """Refuse a decision on a proposal that was for another version than the person has read.

    The database checks the digest, and that no version was approved since, in the same transaction
    as the decision.
    """
    seen, now = visit.entered("version"), str(read["proposal"]["based_on_version"] or "")
    if read["proposal"]["closed_because"] is None and seen != now:
        raise ProposalClosed(
            f"You decided on a proposal to follow version {seen or 'none'} of the fix; this one"
            f" follows version {now or 'none'}. Read what changed below, then decide again."
        )


def _read(visit: Visit, proposal_id: UUID) -> Json:
    thresholds = visit.settings.thresholds
    found: Json = visit.read(
        "console_proposal_v1",
        proposal_id=str(proposal_id),
        policy=thresholds.policy(),
        two_people=thresholds.two_people,
    )
    return found


def _page(visit: Visit, read: Json, problem: PatternEngineError | None = None) -> Page:
    proposal, limits = read["proposal"], read["limits"]
    fix, dry_run = proposal["fix"], proposal["dry_run"] or {}
    analysis = proposal["analysis"] | {"dry_run_rows": dry_run.get("rows_touched")}
    values = read | {
        "summary": telling.told(fix, analysis, limits["max_rows"]),
        "parameters": differences.pretty(fix["parameters"]),
        "difference": differences.of_fixes(*_versions(read)) if read["previous"] else [],
        "warnings": dry_run.get("warnings", []),
        "preview": fix_facts.preview(proposal),
        "seconds": None,
        "blind": telling.UNSEEN[fix["type"]],
        "verdict": fix_facts.laws(fix, analysis, limits, read["parts"], visit),
        "cause": fix_facts.cause_of(read["pattern"]),
        "thresholds": visit.settings.thresholds,
        "may_decide": fix_facts.may_decide(visit, proposal["proposed_by"]),
        "is_own_under_two": fix_facts.is_own_under_two(visit, proposal["proposed_by"]),
        "seen": _seen(proposal),
        "problem": problem,
        "changes": _changes(visit, read) if problem else [],
        "typed": {name: visit.entered(name) for name in TYPED},
    }
    return Page("review.html", values, problem.status if problem else 200)


def _seen(proposal: Json) -> str:
    fix = {name: proposal["fix"].get(name) for name in SEEN}
    return json.dumps(fix | {"guard": proposal["guard"]}, separators=(",", ":"))


def _versions(read: Json) -> tuple[Json, Json]:
    """The version before the proposed fix, and the proposed fix, as they are compared."""
    return read["previous"], read["proposal"]["fix"] | {"guard": read["proposal"]["guard"]}


def _changes(visit: Visit, read: Json) -> list[Json]:
    """What is otherwise than on the page from which a decision was sent."""
    proposal, changes = read["proposal"], []
    given = visit.entered("sha256")
    now = proposal["fix"] | {"guard": proposal["guard"]}
    if given not in (proposal["sha256"], "") or not proposal["is_as_proposed"]:
        about = f"You read the digest {given[:12]}; that of the proposal is now"
        about += f" {read['limits']['sha256'][:12]}."
        changes.append({"about": about, "parts": differences.of_fixes(_typed_seen(visit), now)})
    if proposal["decision"]:
        about = f"It was {proposal['decision']} by {proposal['decider']}."
        reason = proposal["decision_reason"]
        changes.append({"about": about + (f" Reason: {reason}" if reason else ""), "parts": []})
    elif proposal["closed_because"]:
        changes += _newer(read)
    return changes


def _newer(read: Json) -> list[Json]:
    """A version that was approved since the proposal was made, against the proposed one."""
    newer, based_on = read["previous"], read["proposal"]["based_on_version"] or 0
    if not newer or newer["version"] <= based_on:
        return []
    about = f"Version {newer['version']} was approved by {newer['approved_by']} since. This is what"
    about += " the proposal would change in it."
    return [{"about": about, "parts": differences.of_fixes(*_versions(read))}]


def _typed_seen(visit: Visit) -> Json:
    """The fix that the page showed, as its form sent it back."""
    try:
        found: Any = json.loads(visit.entered("seen") or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


ROUTES: tuple[Route, ...] = (
    Route("GET", "/proposals/<uuid:proposal_id>", show),
    Route("POST", "/proposals/<uuid:proposal_id>/preview", preview),
    Route("POST", "/proposals/<uuid:proposal_id>/decide", decide),
)
