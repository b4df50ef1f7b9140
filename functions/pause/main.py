"""POST /pause: stop all fixes for a time.

Callers: an operator or administrator in person; the database decides who that is.
"""

from pattern_engine import fixing_endpoints, pauses
from pattern_engine.fixing_models import PauseRequest, PauseResponse
from pattern_engine.http import Call, serve


@serve(fixing_endpoints.PAUSE)
def main(call: Call[PauseRequest]) -> PauseResponse:
    """Pause in the caller's name, answer the pause."""
    return pauses.pause(call.body, call.caller, call.database)
