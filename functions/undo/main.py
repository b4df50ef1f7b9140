"""POST /undo: undo a merge or a split.

Callers: an operator or administrator in person; the database decides who that is.
"""

from pattern_engine.serving.serve import Call, serve
from pattern_engine.steering import endpoints, steering
from pattern_engine.steering.models import UndoRequest, UndoResponse


@serve(endpoints.UNDO)
def main(call: Call[UndoRequest]) -> UndoResponse:
    """Undo in the caller's name, answer both patterns."""
    return steering.undo(call.body, call.caller, call.database)
