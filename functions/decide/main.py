"""POST /decide: approve a proposed fix, live or as a shadow, or reject it.

Callers: an administrator in person; the database decides who that is.
"""

from pattern_engine.approval import endpoints, proposals
from pattern_engine.approval.models import DecideRequest, DecideResponse
from pattern_engine.serving.serve import Call, serve


@serve(endpoints.DECIDE)
def main(call: Call[DecideRequest]) -> DecideResponse:
    """Decide in the caller's name, answer proposal and pattern."""
    return proposals.decide(call.body, call.caller, call.database, call.settings)
