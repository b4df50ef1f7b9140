"""GET /similar: read the patterns that are similar to one, with the words that differ.

Callers: an operator of any role, or the secret key.
"""

from pattern_engine.serving.serve import Call, serve
from pattern_engine.steering import endpoints, similarity
from pattern_engine.steering.models import SimilarRequest, SimilarResponse


@serve(endpoints.SIMILAR)
def main(call: Call[SimilarRequest]) -> SimilarResponse:
    """Answer the similar patterns, the most similar first."""
    return similarity.similar(call.body, call.caller, call.database)
