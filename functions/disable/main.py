"""POST /disable: switch a pattern's fix off; a new version needs a new approval.

Callers: an operator or administrator in person; the database decides who that is.
"""

from pattern_engine.approval import approval
from pattern_engine.approval.endpoints import DISABLE
from pattern_engine.approval.models import DisableRequest, PatternResponse
from pattern_engine.serving.serve import Call, serve


@serve(DISABLE)
def main(call: Call[DisableRequest]) -> PatternResponse:
    """Switch the fix off in the caller's name, answer the pattern."""
    return approval.disable(call.body, call.caller, call.database)
