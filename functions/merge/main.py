"""POST /merge: merge patterns that have the same cause.

Callers: a signed-in operator or administrator; the database checks the role.
"""

from pattern_engine.serving.serve import Call, serve
from pattern_engine.steering import endpoints, steering
from pattern_engine.steering.models import MergeRequest, MergeResponse


@serve(endpoints.MERGE)
def main(call: Call[MergeRequest]) -> MergeResponse:
    """Merge in the caller's name and answer the kept pattern."""
    return steering.merge(call.body, call.caller, call.database)
