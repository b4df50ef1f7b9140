"""GET /suggestions: read which fixes helped patterns that resemble one.

Callers: an operator of any role, or the secret key.
"""

from pattern_engine.approval import endpoints, suggestions
from pattern_engine.approval.models import SuggestionsRequest, SuggestionsResponse
from pattern_engine.serving.serve import Call, serve


@serve(endpoints.SUGGESTIONS)
def main(call: Call[SuggestionsRequest]) -> SuggestionsResponse:
    """Answer the drafts, those that helped most first."""
    return suggestions.suggest(call.body, call.caller, call.database)
