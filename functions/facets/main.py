"""GET /facets: read what the errors of a pattern named, and which patterns it was logged with.

Callers: an operator of any role, or the secret key.
"""

from pattern_engine.serving.serve import Call, serve
from pattern_engine.steering import endpoints, facets
from pattern_engine.steering.models import FacetsRequest, FacetsResponse


@serve(endpoints.FACETS)
def main(call: Call[FacetsRequest]) -> FacetsResponse:
    """Answer the names with their most frequent values."""
    return facets.facets(call.body, call.caller, call.database)
