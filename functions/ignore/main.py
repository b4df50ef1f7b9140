"""POST /ignore: ignore a pattern until a time, for a number of occurrences, or permanently.

Callers: a signed-in operator or administrator; the database checks the role.
"""

from pattern_engine.serving.serve import Call, serve
from pattern_engine.steering import endpoints, steering
from pattern_engine.steering.models import IgnoreRequest, LifeCycleResponse


@serve(endpoints.IGNORE)
def main(call: Call[IgnoreRequest]) -> LifeCycleResponse:
    """Ignore the pattern in the caller's name and answer it."""
    return steering.ignore(call.body, call.caller, call.database)
