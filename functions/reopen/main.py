"""POST /reopen: open a resolved, ignored or archived pattern.

Callers: an operator or administrator in person; the database decides who that is.
"""

from pattern_engine.serving.serve import Call, serve
from pattern_engine.steering import endpoints, steering
from pattern_engine.steering.models import LifeCycleResponse, ReopenRequest


@serve(endpoints.REOPEN)
def main(call: Call[ReopenRequest]) -> LifeCycleResponse:
    """Reopen in the caller's name, answer the pattern."""
    return steering.reopen(call.body, call.caller, call.database)
