"""POST /confirm: have a live fix fire for signatures that came after its approval.

Callers: an administrator in person; the database decides who that is.
"""

from pattern_engine.serving.serve import Call, serve
from pattern_engine.steering import endpoints, steering
from pattern_engine.steering.models import ConfirmRequest, ConfirmResponse


@serve(endpoints.CONFIRM)
def main(call: Call[ConfirmRequest]) -> ConfirmResponse:
    """Confirm in the caller's name, answer what was confirmed."""
    return steering.confirm(call.body, call.caller, call.database)
