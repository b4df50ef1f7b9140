"""POST /approve: approve a fix for a pattern; from then on it runs for that pattern's errors.

Callers: a signed-in administrator; the database checks the role.
"""

from pattern_engine.approval import approval
from pattern_engine.approval.endpoints import APPROVE
from pattern_engine.approval.models import ApproveRequest, PatternResponse
from pattern_engine.serving.serve import Call, serve


@serve(APPROVE)
def main(call: Call[ApproveRequest]) -> PatternResponse:
    """Approve the fix in the caller's name and answer the pattern."""
    return approval.approve(call.body, call.caller, call.database, call.settings)
