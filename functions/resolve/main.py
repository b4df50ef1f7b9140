"""POST /resolve: mark a pattern as resolved; should it come back, that is a regression.

Callers: an operator or administrator in person; the database decides who that is.
"""

from pattern_engine.serving.serve import Call, serve
from pattern_engine.steering import endpoints, steering
from pattern_engine.steering.models import LifeCycleResponse, ResolveRequest


@serve(endpoints.RESOLVE)
def main(call: Call[ResolveRequest]) -> LifeCycleResponse:
    """Resolve in the caller's name, answer the pattern."""
    return steering.resolve(call.body, call.caller, call.database)
