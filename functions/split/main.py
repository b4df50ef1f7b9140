"""POST /split: make a pattern of its own out of some signatures of another.

Callers: an operator or administrator in person; the database decides who that is.
"""

from pattern_engine import steering, steering_endpoints
from pattern_engine.http import Call, serve
from pattern_engine.steering_models import SplitRequest, SplitResponse


@serve(steering_endpoints.SPLIT)
def main(call: Call[SplitRequest]) -> SplitResponse:
    """Split in the caller's name, answer both patterns."""
    return steering.split(call.body, call.caller, call.database)
