"""POST /apply: find the pattern of an error and run its approved fix.

Callers: the secret key; or a signed-in person with a recent log row of his own.
"""

from pattern_engine.healing import application
from pattern_engine.healing.endpoints import APPLY
from pattern_engine.healing.models import ApplyRequest, ApplyResponse
from pattern_engine.serving.serve import Call, serve


@serve(APPLY)
def main(call: Call[ApplyRequest]) -> ApplyResponse:
    """Heal the error if it may be healed, and answer what happened."""
    return application.apply(call.body, call.caller, call.database, call.settings)
