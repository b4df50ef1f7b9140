"""POST /decide: approve a proposed fix, as live or as a shadow, or reject it.

Callers: a signed-in administrator; the database checks the role.
"""

from pattern_engine.approval import endpoints, proposals
from pattern_engine.approval.models import DecideRequest, DecideResponse
from pattern_engine.serving.serve import Call, serve


@serve(endpoints.DECIDE)
def main(call: Call[DecideRequest]) -> DecideResponse:
    """Decide in the caller's name and answer the proposal and the pattern."""
    return proposals.decide(call.body, call.caller, call.database, call.settings)
