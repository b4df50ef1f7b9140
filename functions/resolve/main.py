"""POST /resolve: mark a pattern as resolved; a later occurrence is a regression.

Callers: a signed-in operator or administrator; the database checks the role.
"""

from pattern_engine.serving.serve import Call, serve
from pattern_engine.steering import endpoints, steering
from pattern_engine.steering.models import LifeCycleResponse, ResolveRequest


@serve(endpoints.RESOLVE)
def main(call: Call[ResolveRequest]) -> LifeCycleResponse:
    """Resolve the pattern in the caller's name and answer it."""
    return steering.resolve(call.body, call.caller, call.database)
