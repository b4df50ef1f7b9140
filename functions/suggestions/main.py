"""GET /suggestions: read which fixes helped patterns that resemble one.

Callers: an operator of any role, or the secret key.
"""

from pattern_engine import fixing_endpoints, suggestions
from pattern_engine.fixing_models import SuggestionsRequest, SuggestionsResponse
from pattern_engine.http import Call, serve


@serve(fixing_endpoints.SUGGESTIONS)
def main(call: Call[SuggestionsRequest]) -> SuggestionsResponse:
    """Answer the drafts, those that helped most first."""
    return suggestions.suggest(call.body, call.caller, call.database)
