"""POST /merge: merge patterns that are one.

Callers: an operator or administrator in person; the database decides who that is.
"""

from pattern_engine.serving.serve import Call, serve
from pattern_engine.steering import endpoints, steering
from pattern_engine.steering.models import MergeRequest, MergeResponse


@serve(endpoints.MERGE)
def main(call: Call[MergeRequest]) -> MergeResponse:
    """Merge in the caller's name, answer the pattern that was kept."""
    return steering.merge(call.body, call.caller, call.database)
