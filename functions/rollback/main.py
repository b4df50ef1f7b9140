"""POST /rollback: undo a run with the undo script that was approved with its fix.

Callers: a signed-in operator or administrator; the database checks the role.
"""

from pattern_engine.healing import rollback
from pattern_engine.healing.endpoints import ROLLBACK
from pattern_engine.healing.models import RollbackRequest, RollbackResponse
from pattern_engine.serving.serve import Call, serve


@serve(ROLLBACK)
def main(call: Call[RollbackRequest]) -> RollbackResponse:
    """Undo the run in the caller's name and answer the outcome."""
    return rollback.roll_back(call.body, call.caller, call.database, call.settings)
