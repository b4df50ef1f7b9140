"""POST /enable: make a shadow, demoted or expired fix live, or change the terms of its approval.

Callers: a signed-in administrator; the database checks the role.
"""

from pattern_engine.approval import approval, endpoints
from pattern_engine.approval.models import EnableRequest, PatternResponse
from pattern_engine.serving.serve import Call, serve


@serve(endpoints.ENABLE)
def main(call: Call[EnableRequest]) -> PatternResponse:
    """Enable the fix in the caller's name and answer the pattern."""
    return approval.enable(call.body, call.caller, call.database, call.settings)
