"""POST /reopen: reopen a resolved, ignored or archived pattern.

Callers: a signed-in operator or administrator; the database checks the role.
"""

from pattern_engine.serving.serve import Call, serve
from pattern_engine.steering import endpoints, steering
from pattern_engine.steering.models import LifeCycleResponse, ReopenRequest


@serve(endpoints.REOPEN)
def main(call: Call[ReopenRequest]) -> LifeCycleResponse:
    """Reopen the pattern in the caller's name and answer it."""
    return steering.reopen(call.body, call.caller, call.database)
