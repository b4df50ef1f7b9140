"""GET /similar: read which patterns resemble one, with the words that differ.

Callers: an operator of any role, or the secret key.
"""

from pattern_engine import similarity, steering_endpoints
from pattern_engine.http import Call, serve
from pattern_engine.steering_models import SimilarRequest, SimilarResponse


@serve(steering_endpoints.SIMILAR)
def main(call: Call[SimilarRequest]) -> SimilarResponse:
    """Answer the likely twins, best first."""
    return similarity.similar(call.body, call.caller, call.database)
