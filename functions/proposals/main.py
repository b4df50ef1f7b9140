"""GET /proposals: read proposed fixes, newest first.

Callers: an operator of any role, or the secret key.
"""

from pattern_engine.approval import endpoints, proposals
from pattern_engine.approval.models import ProposalsRequest, ProposalsResponse
from pattern_engine.serving.serve import Call, serve


@serve(endpoints.PROPOSALS)
def main(call: Call[ProposalsRequest]) -> ProposalsResponse:
    """Answer the proposals."""
    return proposals.listed(call.body, call.caller, call.database)
