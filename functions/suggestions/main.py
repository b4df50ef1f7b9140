"""GET /suggestions: read the fixes of similar patterns, as drafts for a new proposal.

Callers: an operator of any role, or the secret key.
"""

from pattern_engine.approval import endpoints, suggestions
from pattern_engine.approval.models import SuggestionsRequest, SuggestionsResponse
from pattern_engine.serving.serve import Call, serve


@serve(endpoints.SUGGESTIONS)
def main(call: Call[SuggestionsRequest]) -> SuggestionsResponse:
    """Answer the drafts, the most successful first."""
    return suggestions.suggest(call.body, call.caller, call.database)
