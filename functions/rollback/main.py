"""POST /rollback: take a run back by the undo script that was approved with its fix.

Callers: an operator or administrator in person; the database decides who that is.
"""

from pattern_engine import fixing_endpoints, rollback
from pattern_engine.fixing_models import RollbackRequest, RollbackResponse
from pattern_engine.http import Call, serve


@serve(fixing_endpoints.ROLLBACK)
def main(call: Call[RollbackRequest]) -> RollbackResponse:
    """Take the run back in the caller's name, answer how that ended."""
    return rollback.roll_back(call.body, call.caller, call.database, call.settings)
