"""POST /disable: switch a pattern's fix off; a new version needs a new approval.

Callers: a signed-in operator or administrator; the database checks the role.
"""

from pattern_engine.approval import approval
from pattern_engine.approval.endpoints import DISABLE
from pattern_engine.approval.models import DisableRequest, PatternResponse
from pattern_engine.serving.serve import Call, serve


@serve(DISABLE)
def main(call: Call[DisableRequest]) -> PatternResponse:
    """Disable the fix in the caller's name and answer the pattern."""
    return approval.disable(call.body, call.caller, call.database)
