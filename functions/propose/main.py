"""POST /propose: propose a fix; it is analysed and tried, and an administrator decides on it.

Callers: a signed-in operator or administrator; the database checks the role.
"""

from pattern_engine.approval import endpoints, proposals
from pattern_engine.approval.models import ProposalResponse, ProposeRequest
from pattern_engine.serving.serve import Call, serve


@serve(endpoints.PROPOSE)
def main(call: Call[ProposeRequest]) -> ProposalResponse:
    """Store the proposal in the caller's name and answer it with its preview."""
    return proposals.propose(call.body, call.caller, call.database, call.settings)
