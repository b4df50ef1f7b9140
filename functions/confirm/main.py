"""POST /confirm: have a live fix fire for signatures that came after its approval.

Callers: an administrator in person; the database decides who that is.
"""

from pattern_engine import steering, steering_endpoints
from pattern_engine.http import Call, serve
from pattern_engine.steering_models import ConfirmRequest, ConfirmResponse


@serve(steering_endpoints.CONFIRM)
def main(call: Call[ConfirmRequest]) -> ConfirmResponse:
    """Confirm in the caller's name, answer what was confirmed."""
    return steering.confirm(call.body, call.caller, call.database)
