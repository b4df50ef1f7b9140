"""POST /pause: stop all fixes for a time.

Callers: an operator or administrator in person; the database decides who that is.
"""

from pattern_engine.healing import pauses
from pattern_engine.healing.endpoints import PAUSE
from pattern_engine.healing.models import PauseRequest, PauseResponse
from pattern_engine.serving.serve import Call, serve


@serve(PAUSE)
def main(call: Call[PauseRequest]) -> PauseResponse:
    """Pause in the caller's name, answer the pause."""
    return pauses.pause(call.body, call.caller, call.database)
