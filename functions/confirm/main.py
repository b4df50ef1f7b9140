"""POST /confirm: let a live fix run for signatures that were added after its approval.

Callers: a signed-in administrator; the database checks the role.
"""

from pattern_engine.serving.serve import Call, serve
from pattern_engine.steering import endpoints, steering
from pattern_engine.steering.models import ConfirmRequest, ConfirmResponse


@serve(endpoints.CONFIRM)
def main(call: Call[ConfirmRequest]) -> ConfirmResponse:
    """Confirm the signatures in the caller's name and answer them."""
    return steering.confirm(call.body, call.caller, call.database)
