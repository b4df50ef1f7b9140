"""POST /learn: learn from an error, by creating its pattern or counting one more occurrence.

Callers: the secret key, or a signed-in person, who may name a log row that this person wrote.
"""

from pattern_engine.learning.endpoints import LEARN
from pattern_engine.learning.models import LearnRequest, LearnResponse
from pattern_engine.serving.serve import Call, serve


@serve(LEARN)
def main(call: Call[LearnRequest]) -> LearnResponse:
    """Learn from the error and answer its pattern."""
    from pattern_engine.learning import learning  # noqa: PLC0415  late, so that it starts fast

    return learning.learn(call.body, call.caller, call.database)
