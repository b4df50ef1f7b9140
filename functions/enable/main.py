"""POST /enable: make a shadow live, or put a demoted fix back in use on probation.

Callers: an administrator in person; the database decides who that is.
"""

from pattern_engine.approval import approval, endpoints
from pattern_engine.approval.models import EnableRequest, PatternResponse
from pattern_engine.serving.serve import Call, serve


@serve(endpoints.ENABLE)
def main(call: Call[EnableRequest]) -> PatternResponse:
    """Enable the fix in the caller's name, answer the pattern."""
    return approval.enable(call.body, call.caller, call.database, call.settings)
