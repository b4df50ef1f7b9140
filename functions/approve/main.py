"""POST /approve: approve a fix for a pattern, which heals that error from then on.

Callers: an administrator in person; the database decides who that is.
"""

from pattern_engine import approval, endpoints
from pattern_engine.http import Call, serve
from pattern_engine.models import ApproveRequest, PatternResponse


@serve(endpoints.APPROVE)
def main(call: Call[ApproveRequest]) -> PatternResponse:
    """Check the fix, approve it in the caller's name, answer the pattern."""
    return approval.approve(call.body, call.caller, call.database, call.settings)
