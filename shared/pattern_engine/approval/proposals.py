"""Proposing a fix, repeating its preview, and approving or rejecting it.

`previews` makes the dry-run and the replay. The database checks the caller's role, and that the
approved bytes are those that the approver has read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pattern_engine import logs
from pattern_engine.approval import composing, previews
from pattern_engine.approval.models import DecideResponse, ProposalResponse, ProposalsResponse
from pattern_engine.exceptions import FixNotPinned, PatternEngineError
from pattern_engine.healing.context import record_changed_fix

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
    """Store a proposed fix with its analysis, dry-run and replay.

    Raises:
        FixTypeNotSupported: if the type is bash and bash fixes are off.
        FixRefused: if the analysis objects to the script.
        Forbidden: or a subclass, if the caller's role does not allow it.
        UnknownPattern: if there is no such pattern.
    """
    fix, analysis = composing.compose(
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
        # The proposal is stored; POST /preview repeats what failed.
        logs.warning("preview_failed", proposal_id=proposal["proposal_id"], reason=problem.message)
    return ProposalResponse.model_validate({"proposal": proposal})


def preview(
    request: PreviewRequest, caller: Caller, database: Database, settings: Settings
) -> ProposalResponse:
    """Repeat the dry-run and the replay of an open proposal.

    Raises:
        UnknownProposal: if there is no such proposal.
        ProposalClosed: if it was decided, has expired, or is stale.
        FixNotPinned: if the analysis has another result than when it was proposed.
        FixRefused: if the analysis objects to the script now.
    """
    proposal = database.open_proposal(str(request.proposal_id), caller)
    analysis = _analysed_again(proposal, caller, database, settings.facilities())
    proposal = previews.preview(proposal, analysis, database, settings)
    return ProposalResponse.model_validate({"proposal": proposal})


def decide(
    request: DecideRequest, caller: Caller, database: Database, settings: Settings
) -> DecideResponse:
    """Approve or reject a proposal, in the caller's name.

    Raises:
        UnknownProposal: if there is no such proposal.
        ProposalClosed: if it was decided, has expired, or is stale.
        FixNotPinned: if the digest is not the proposal's, or the analysis has another result than
            when it was proposed.
        FixRefused: if the analysis objects to the script now.
        OwnFix: if approval takes two people and the caller proposed the fix.
        AnotherFixApproved: if another fix is approved for some of the same errors.
        InvalidChoice: if the approval is to end in the past.
    """
    proposal_id = str(request.proposal_id)
    if request.decision == "approve":
        # The settings, such as PATTERN_ENGINE_BASH_FIXES, may have changed since the proposal.
        proposal = database.open_proposal(proposal_id, caller)
        _analysed_again(proposal, caller, database, settings.facilities())
    answer = database.decide_fix(
        {
            "proposal_id": proposal_id,
            "sha256": request.sha256,
            "decision": request.decision,
            "reason": request.reason,
            "mode": request.mode,
            "two_people": settings.thresholds.two_people,
            **request.terms(),
        },
        caller,
    )
    return DecideResponse.model_validate(answer)


def _analysed_again(
    proposal: dict[str, Any], caller: Caller, database: Database, facilities: Facilities
) -> Analysis:
    """Return the analysis of a proposed fix, which has to be the stored one.

    Whoever proposes a fix without the engine could store an analysis that says less than the script
    does.
    """
    fix = proposal["fix"]
    composed, analysis = composing.compose(
        fix["type"], fix["script"], fix["parameters"], fix["undo_script"], facilities
    )
    changed = sorted(name for name, value in composed.items() if fix.get(name) != value)
    changed += ["analysis"] if proposal["analysis"] != analysis.as_dict() else []
    if changed:
        record_changed_fix(
            database,
            f"A proposal was refused: {proposal['proposal_id']}",
            {
                "pattern_id": proposal["pattern_id"],
                "proposal_id": proposal["proposal_id"],
                "proposed_by": proposal["proposed_by"],
                "refused_to": caller.user_id,
                "changed": changed,
            },
        )
        raise FixNotPinned(
            "The analysis of this fix has another result than the one that is stored with it; "
            f"these fields differ: {', '.join(changed)}. POST /propose the fix again.",
            details={"changed": changed},
        )
    return analysis


def listed(request: ProposalsRequest, caller: Caller, database: Database) -> ProposalsResponse:
    """Proposals, newest first.

    Raises:
        Forbidden: if the caller is a person without an operator's role.
    """
    pattern_id = str(request.pattern_id) if request.pattern_id else None
    found = database.fix_proposals(pattern_id, request.limit, caller, open_only=request.open_only)
    return ProposalsResponse.model_validate({"proposals": found})
