"""GET /explain: what was read of an error, its cause, and a draft of what mends it.

Callers: an operator of any role, or the secret key.
"""

from pattern_engine.serving.serve import Call, serve
from pattern_engine.steering import endpoints, explaining
from pattern_engine.steering.models import ExplainRequest, Explanation


@serve(endpoints.EXPLAIN)
def main(call: Call[ExplainRequest]) -> Explanation:
    """Answer the explanation of a pattern or a text."""
    return explaining.explain(call.body, call.caller, call.database)
