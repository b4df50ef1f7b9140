"""POST /pause: pause all fixes for a time.

Callers: a signed-in operator or administrator; the database checks the role.
"""

from pattern_engine.healing import pauses
from pattern_engine.healing.endpoints import PAUSE
from pattern_engine.healing.models import PauseRequest, PauseResponse
from pattern_engine.serving.serve import Call, serve


@serve(PAUSE)
def main(call: Call[PauseRequest]) -> PauseResponse:
    """Pause in the caller's name and answer the pause."""
    return pauses.pause(call.body, call.caller, call.database)
