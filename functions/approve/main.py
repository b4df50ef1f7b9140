"""POST /approve: approve a fix for a pattern, which heals that error from then on.

Callers: an administrator in person; the database decides who that is.
"""

from pattern_engine.approval import approval
from pattern_engine.approval.endpoints import APPROVE
from pattern_engine.approval.models import ApproveRequest, PatternResponse
from pattern_engine.serving.serve import Call, serve


@serve(APPROVE)
def main(call: Call[ApproveRequest]) -> PatternResponse:
    """Check the fix, approve it in the caller's name, answer the pattern."""
    return approval.approve(call.body, call.caller, call.database, call.settings)
