"""POST /propose: propose a fix, which is analysed, tried and simulated; another decides.

Callers: an operator or administrator in person; the database decides who that is.
"""

from pattern_engine.approval import endpoints, proposals
from pattern_engine.approval.models import ProposalResponse, ProposeRequest
from pattern_engine.serving.serve import Call, serve


@serve(endpoints.PROPOSE)
def main(call: Call[ProposeRequest]) -> ProposalResponse:
    """Store the proposal in the caller's name, answer it with what was found out."""
    return proposals.propose(call.body, call.caller, call.database, call.settings)
