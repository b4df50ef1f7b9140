"""POST /split: make a pattern of its own out of some signatures of another.

Callers: an operator or administrator in person; the database decides who that is.
"""

from pattern_engine.serving.serve import Call, serve
from pattern_engine.steering import endpoints, steering
from pattern_engine.steering.models import SplitRequest, SplitResponse


@serve(endpoints.SPLIT)
def main(call: Call[SplitRequest]) -> SplitResponse:
    """Split in the caller's name, answer both patterns."""
    return steering.split(call.body, call.caller, call.database)
