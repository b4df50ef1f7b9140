"""POST /rollback: take a run back by the undo script that was approved with its fix.

Callers: an operator or administrator in person; the database decides who that is.
"""

from pattern_engine.healing import rollback
from pattern_engine.healing.endpoints import ROLLBACK
from pattern_engine.healing.models import RollbackRequest, RollbackResponse
from pattern_engine.serving.serve import Call, serve


@serve(ROLLBACK)
def main(call: Call[RollbackRequest]) -> RollbackResponse:
    """Take the run back in the caller's name, answer how that ended."""
    return rollback.roll_back(call.body, call.caller, call.database, call.settings)
