"""POST /undo: undo a merge or a split.

Callers: a signed-in operator or administrator; the database checks the role.
"""

from pattern_engine.serving.serve import Call, serve
from pattern_engine.steering import endpoints, steering
from pattern_engine.steering.models import UndoRequest, UndoResponse


@serve(endpoints.UNDO)
def main(call: Call[UndoRequest]) -> UndoResponse:
    """Undo in the caller's name and answer both patterns."""
    return steering.undo(call.body, call.caller, call.database)
