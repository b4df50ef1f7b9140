"""GET /proposals: read proposed fixes, newest first.

Callers: an operator of any role, or the secret key.
"""

from pattern_engine import fixing_endpoints, proposals
from pattern_engine.fixing_models import ProposalsRequest, ProposalsResponse
from pattern_engine.http import Call, serve


@serve(fixing_endpoints.PROPOSALS)
def main(call: Call[ProposalsRequest]) -> ProposalsResponse:
    """Answer the proposals."""
    return proposals.listed(call.body, call.caller, call.database)
