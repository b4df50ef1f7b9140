"""Approving, enabling and disabling fixes (specification, "Human-in-the-Loop Workflow").

People decide under their own access tokens, and the database checks their role. Every script is
analysed before it is approved, so that it will not be refused when an error occurs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NoReturn

from pattern_engine.approval import composing, previews
from pattern_engine.approval.models import ApprovedPattern, PatternResponse
from pattern_engine.exceptions import FixRefused, OwnFix

if TYPE_CHECKING:
    from pattern_engine.api.callers import Caller
    from pattern_engine.approval.models import ApproveRequest, DisableRequest, EnableRequest
    from pattern_engine.database.database import Database
    from pattern_engine.database.records import Json
    from pattern_engine.settings import Settings


REHEARSAL_SECONDS: Final = 60.0
"""How long the proposal is open by which `/approve` tries a fix."""


def approve(
    request: ApproveRequest, caller: Caller, database: Database, settings: Settings
) -> PatternResponse:
    """Approve a fix for a pattern; the same fix twice changes nothing.

    Raises:
        FixTypeNotSupported: if the type is bash and bash fixes are off.
        FixRefused: if the analysis objects to the script, or its dry-run fails.
        OwnFix: if approval takes two people; then a fix has to be proposed first.
        AnotherFixApproved: if another fix is approved for some of the same errors.
        InvalidChoice: if the approval is to end in the past.
        Forbidden: or a subclass, if the caller's role does not allow it.
        UnknownPattern: if there is no such pattern.
    """
    if settings.thresholds.two_people:
        raise OwnFix(
            "Approval takes two people here (PATTERN_ENGINE_TWO_PEOPLE=on): POST /propose the fix, "
            "then another administrator approves it with POST /decide."
        )
    fix, analysis = composing.compose(
        request.auto_fix_type,
        request.auto_fix_script,
        request.parameters(),
        request.undo_script,
        settings.facilities(),
    )
    proposal = database.propose_fix(
        str(request.pattern_id), fix, analysis.as_dict(), REHEARSAL_SECONDS, caller
    )
    problem = previews.rehearse(proposal, analysis, database, settings)
    if problem is not None:
        _reject(proposal, problem, caller, database)
    pattern = database.approve_pattern(
        {
            "pattern_id": str(request.pattern_id),
            "fix": fix,
            "approved_by": str(request.approved_by),
            "mode": request.mode,
            **request.terms(),
        },
        caller,
    )
    return PatternResponse.model_validate({"pattern": pattern, "fix": pattern.get("fix")})


def _reject(proposal: Json, problem: str, caller: Caller, database: Database) -> NoReturn:
    """Reject a fix that does not run, and raise its error."""
    database.decide_fix(
        {
            "proposal_id": proposal["proposal_id"],
            "sha256": proposal["sha256"],
            "decision": "reject",
            "reason": f"The dry-run failed: {problem}",
            "mode": "live",
            "two_people": False,
            "ends_at": None,
            "max_heals": None,
        },
        caller,
    )
    reason = {"rule": "dry_run", "message": problem}
    raise FixRefused(
        f"The script is refused, because its dry-run failed: {problem.rstrip('.')}. "
        "Nothing of it was kept.",
        details={"reasons": [reason]},
    )


def enable(
    request: EnableRequest, caller: Caller, database: Database, settings: Settings
) -> PatternResponse:
    """Make a shadow or expired fix live, or a demoted one on probation; or give it other terms.

    Raises:
        NoEnabledFix: if the pattern has no fix, or the fix was disabled.
        InvalidChoice: if the approval would be over at once.
        FixNotPinned: if the digest is not that of the approved fix.
        OwnFix: if approval takes two people and the caller proposed the fix.
        Forbidden: or a subclass, if the caller's role does not allow it.
        UnknownPattern: if there is no such pattern.
    """
    pattern = database.enable_fix(
        {
            "pattern_id": str(request.pattern_id),
            "sha256": request.sha256,
            "reason": request.reason,
            "two_people": settings.thresholds.two_people,
            **request.terms(),
        },
        caller,
    )
    return PatternResponse(pattern=ApprovedPattern.model_validate(pattern))


def disable(request: DisableRequest, caller: Caller, database: Database) -> PatternResponse:
    """Switch a fix of a pattern off.

    Raises:
        NoEnabledFix: if the pattern has no enabled fix.
        InvalidChoice: if it has several, and the request does not say which.
        FixNotPinned: if none has the version or digest in the request.
        Forbidden: or a subclass, if the caller's role does not allow it.
        UnknownPattern: if there is no such pattern.
    """
    pattern = database.disable_pattern(
        {
            "pattern_id": str(request.pattern_id),
            "reason": request.reason,
            "version": request.version,
            "sha256": request.sha256,
        },
        caller,
    )
    return PatternResponse(pattern=ApprovedPattern.model_validate(pattern))
