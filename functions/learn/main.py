"""POST /learn: learn from an error, by creating its pattern or counting one more occurrence.

Callers: a signed-in person, for a log row of his own where he names one; or the secret key.
"""

from pattern_engine.learning.endpoints import LEARN
from pattern_engine.learning.models import LearnRequest, LearnResponse
from pattern_engine.serving.serve import Call, serve


@serve(LEARN)
def main(call: Call[LearnRequest]) -> LearnResponse:
    """Learn from the error and answer its pattern."""
    from pattern_engine.learning import learning  # noqa: PLC0415  late, so that it starts fast

    return learning.learn(call.body, call.caller, call.database)
