"""POST /learn: learn from an error, by creating its pattern or counting one more occurrence.

Callers: a signed-in person, for a log row of his own where he names one; or the secret key.
"""

from pattern_engine import endpoints, learning
from pattern_engine.http import Call, serve
from pattern_engine.models import LearnRequest, LearnResponse


@serve(endpoints.LEARN)
def main(call: Call[LearnRequest]) -> LearnResponse:
    """Learn from the error and answer its pattern."""
    return learning.learn(call.body, call.caller, call.database)
