"""Approving and disabling fixes (specification, "Human-in-the-Loop Workflow").

A person decides, in his own name; the database checks that he may. What he approves is analysed
first, so that nothing is approved that would be refused when it is needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pattern_engine import fixes
from pattern_engine.errors import FixRefused, FixTypeNotSupported
from pattern_engine.models import ApprovedPattern, PatternResponse

if TYPE_CHECKING:
    from pattern_engine.auth import Caller
    from pattern_engine.database import Database
    from pattern_engine.models import ApproveRequest, DisableRequest


def approve(request: ApproveRequest, caller: Caller, database: Database) -> PatternResponse:
    """Approve a fix for a pattern; the same fix twice changes nothing.

    Raises:
        FixTypeNotSupported: for every type but sql.
        FixRefused: if its analysis finds something against the script.
        AnotherFixApproved: if another one is approved; disable it first.
        Forbidden: or one of its kinds, as the database decides.
        UnknownPattern: if there is no such pattern.
    """
    if request.auto_fix_type != "sql":
        raise FixTypeNotSupported(
            f"Fixes of type {request.auto_fix_type} cannot run yet; write the fix as sql.",
            details={"supported": ["sql"]},
        )
    parameters = request.auto_fix_parameters.given() if request.auto_fix_parameters else {}
    analysis = fixes.analyse("sql", request.auto_fix_script, parameters)
    if not analysis.accepted:
        messages = [finding.message for finding in analysis.findings]
        raise FixRefused(
            f"The script is refused: {'; '.join(messages)}.",
            details={"reasons": [finding._asdict() for finding in analysis.findings]},
        )
    pattern = database.approve_pattern(
        {
            "pattern_id": str(request.pattern_id),
            "script": request.auto_fix_script,
            "prepared_script": analysis.prepared_script,
            "type": request.auto_fix_type,
            "parameters": parameters,
            "tables": list(analysis.tables),
            "approved_by": str(request.approved_by),
        },
        caller,
    )
    return PatternResponse(pattern=ApprovedPattern.model_validate(pattern))


def disable(request: DisableRequest, caller: Caller, database: Database) -> PatternResponse:
    """Switch a pattern's fix off.

    Raises:
        NoEnabledFix: if none is on.
        Forbidden: or one of its kinds, as the database decides.
        UnknownPattern: if there is no such pattern.
    """
    pattern = database.disable_pattern(str(request.pattern_id), request.reason, caller)
    return PatternResponse(pattern=ApprovedPattern.model_validate(pattern))
