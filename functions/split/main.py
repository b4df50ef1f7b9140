"""POST /split: move some signatures of a pattern to a new pattern.

Callers: a signed-in operator or administrator; the database checks the role.
"""

from pattern_engine.serving.serve import Call, serve
from pattern_engine.steering import endpoints, steering
from pattern_engine.steering.models import SplitRequest, SplitResponse


@serve(endpoints.SPLIT)
def main(call: Call[SplitRequest]) -> SplitResponse:
    """Split in the caller's name and answer both patterns."""
    return steering.split(call.body, call.caller, call.database)
