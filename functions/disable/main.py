"""POST /disable: switch a pattern's fix off; a new version needs a new approval.

Callers: an operator or administrator in person; the database decides who that is.
"""

from pattern_engine import approval, endpoints
from pattern_engine.http import Call, serve
from pattern_engine.models import DisableRequest, PatternResponse


@serve(endpoints.DISABLE)
def main(call: Call[DisableRequest]) -> PatternResponse:
    """Switch the fix off in the caller's name, answer the pattern."""
    return approval.disable(call.body, call.caller, call.database)
