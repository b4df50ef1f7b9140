"""Request, review, decide: a fix is proposed, tried, looked at, and then approved or rejected.

The analysis and the runs that are undone again are in `previews`; the database decides who may, and
that what is approved is what was looked at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pattern_engine import logs
from pattern_engine.approval import approval, previews
from pattern_engine.approval.models import DecideResponse, ProposalResponse, ProposalsResponse
from pattern_engine.exceptions import FixNotPinned, PatternEngineError

if TYPE_CHECKING:
    from pattern_engine.api.callers import Caller
    from pattern_engine.approval.models import (
        DecideRequest,
        PreviewRequest,
        ProposalsRequest,
        ProposeRequest,
    )
    from pattern_engine.database.database import Database
    from pattern_engine.fixes.analysis import Analysis
    from pattern_engine.settings import Facilities, Settings


def propose(
    request: ProposeRequest, caller: Caller, database: Database, settings: Settings
) -> ProposalResponse:
    """Store a fix for somebody to decide on, with its analysis, dry-run and replay.

    Raises:
        FixTypeNotSupported: for bash where it is switched off.
        FixRefused: if its analysis finds something against the script.
        Forbidden: or one of its kinds, as the database decides.
        UnknownPattern: if there is no such pattern.
    """
    fix, analysis = approval.compose(
        request.auto_fix_type,
        request.auto_fix_script,
        request.parameters(),
        request.undo_script,
        settings.facilities(),
    )
    proposal = database.propose_fix(
        str(request.pattern_id),
        fix,
        analysis.as_dict(),
        settings.thresholds.proposal_seconds,
        caller,
    )
    try:
        proposal = previews.preview(proposal, analysis, database, settings)
    except PatternEngineError as problem:
        # The proposal is made, and POST /preview makes up for this.
        logs.warning("preview_failed", proposal_id=proposal["proposal_id"], reason=problem.message)
    return ProposalResponse.model_validate({"proposal": proposal})


def preview(
    request: PreviewRequest, caller: Caller, database: Database, settings: Settings
) -> ProposalResponse:
    """Make dry-run and replay of an open proposal anew.

    Raises:
        UnknownProposal: if there is none.
        ProposalClosed: if it was decided, expired, or is stale.
        FixNotPinned: if its script would be prepared otherwise today.
        FixRefused: if its analysis finds something against the script today.
    """
    proposal = database.open_proposal(str(request.proposal_id), caller)
    analysis = _analysed_again(proposal["fix"], settings.facilities())
    proposal = previews.preview(proposal, analysis, database, settings)
    return ProposalResponse.model_validate({"proposal": proposal})


def decide(
    request: DecideRequest, caller: Caller, database: Database, settings: Settings
) -> DecideResponse:
    """Approve or reject a proposal, in the caller's name.

    Raises:
        UnknownProposal: if there is none.
        ProposalClosed: if it was decided, expired, or is stale.
        FixNotPinned: if the digest is another fix's, or its script would be prepared otherwise
            today.
        FixRefused: if its analysis finds something against the script today.
        OwnFix: where two people are asked for, and the caller proposed it.
        AnotherFixApproved: if another one is approved; disable it first.
    """
    proposal_id = str(request.proposal_id)
    if request.decision == "approve":
        # What the deployment allows to fixes may have changed since the proposal.
        proposal = database.open_proposal(proposal_id, caller)
        _analysed_again(proposal["fix"], settings.facilities())
    answer = database.decide_fix(
        {
            "proposal_id": proposal_id,
            "sha256": request.sha256,
            "decision": request.decision,
            "reason": request.reason,
            "mode": request.mode,
            "two_people": settings.thresholds.two_people,
        },
        caller,
    )
    return DecideResponse.model_validate(answer)


def _analysed_again(fix: dict[str, Any], facilities: Facilities) -> Analysis:
    """The analysis of a stored fix, which has to say today what it said then."""
    composed, analysis = approval.compose(
        fix["type"], fix["script"], fix["parameters"], fix["undo_script"], facilities
    )
    changed = sorted(name for name, value in composed.items() if fix.get(name) != value)
    if changed:
        raise FixNotPinned(
            "The analysis does not say any more what it said at the proposal: "
            f"{', '.join(changed)}; POST /propose the fix anew.",
            details={"changed": changed},
        )
    return analysis


def listed(request: ProposalsRequest, caller: Caller, database: Database) -> ProposalsResponse:
    """Proposals, newest first.

    Raises:
        Forbidden: for a person who is no operator.
    """
    pattern_id = str(request.pattern_id) if request.pattern_id else None
    found = database.fix_proposals(pattern_id, request.limit, caller, open_only=request.open_only)
    return ProposalsResponse.model_validate({"proposals": found})
