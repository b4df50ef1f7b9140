"""POST /preview: try and simulate a proposed fix once more, on the data of today.

Callers: an operator or administrator in person; the database decides who that is.
"""

from pattern_engine.approval import endpoints, proposals
from pattern_engine.approval.models import PreviewRequest, ProposalResponse
from pattern_engine.serving.serve import Call, serve


@serve(endpoints.PREVIEW)
def main(call: Call[PreviewRequest]) -> ProposalResponse:
    """Make dry-run and replay anew, answer the proposal."""
    return proposals.preview(call.body, call.caller, call.database, call.settings)
