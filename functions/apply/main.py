"""POST /apply: find the pattern of an error and run its approved fix.

Callers: the secret key; or a signed-in person with a recent log row of his own.
"""

from pattern_engine import application, endpoints
from pattern_engine.http import Call, serve
from pattern_engine.models import ApplyRequest, ApplyResponse


@serve(endpoints.APPLY)
def main(call: Call[ApplyRequest]) -> ApplyResponse:
    """Heal the error if it may be healed, and answer what happened."""
    return application.apply(call.body, call.caller, call.database, call.settings)
