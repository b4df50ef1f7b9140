"""POST /ignore: ignore a pattern until a time, until so many more errors, or for good.

Callers: an operator or administrator in person; the database decides who that is.
"""

from pattern_engine.serving.serve import Call, serve
from pattern_engine.steering import endpoints, steering
from pattern_engine.steering.models import IgnoreRequest, LifeCycleResponse


@serve(endpoints.IGNORE)
def main(call: Call[IgnoreRequest]) -> LifeCycleResponse:
    """Ignore in the caller's name, answer the pattern."""
    return steering.ignore(call.body, call.caller, call.database)
