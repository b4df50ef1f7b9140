"""POST /enable: make a shadow live, or put a demoted fix back in use on probation.

Callers: an administrator in person; the database decides who that is.
"""

from pattern_engine import approval, fixing_endpoints
from pattern_engine.fixing_models import EnableRequest
from pattern_engine.http import Call, serve
from pattern_engine.models import PatternResponse


@serve(fixing_endpoints.ENABLE)
def main(call: Call[EnableRequest]) -> PatternResponse:
    """Enable the fix in the caller's name, answer the pattern."""
    return approval.enable(call.body, call.caller, call.database, call.settings)
