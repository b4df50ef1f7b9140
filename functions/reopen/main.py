"""POST /reopen: open a resolved, ignored or archived pattern.

Callers: an operator or administrator in person; the database decides who that is.
"""

from pattern_engine import steering, steering_endpoints
from pattern_engine.http import Call, serve
from pattern_engine.steering_models import LifeCycleResponse, ReopenRequest


@serve(steering_endpoints.REOPEN)
def main(call: Call[ReopenRequest]) -> LifeCycleResponse:
    """Reopen in the caller's name, answer the pattern."""
    return steering.reopen(call.body, call.caller, call.database)
