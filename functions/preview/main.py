"""POST /preview: repeat the dry-run and the replay of a proposed fix on today's data.

Callers: a signed-in operator or administrator; the database checks the role.
"""

from pattern_engine.approval import endpoints, proposals
from pattern_engine.approval.models import PreviewRequest, ProposalResponse
from pattern_engine.serving.serve import Call, serve


@serve(endpoints.PREVIEW)
def main(call: Call[PreviewRequest]) -> ProposalResponse:
    """Repeat the dry-run and the replay, and answer the proposal."""
    return proposals.preview(call.body, call.caller, call.database, call.settings)
