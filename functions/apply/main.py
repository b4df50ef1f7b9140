"""POST /apply: find the pattern of an error and run its approved fix.

Callers: the secret key, or a signed-in person who names a recent log row that this person wrote.
"""

from pattern_engine.healing import application
from pattern_engine.healing.endpoints import APPLY
from pattern_engine.healing.models import ApplyRequest, ApplyResponse
from pattern_engine.serving.serve import Call, serve


@serve(APPLY)
def main(call: Call[ApplyRequest]) -> ApplyResponse:
    """Run the fix unless a check refuses it, and answer what happened."""
    return application.apply(call.body, call.caller, call.database, call.settings)
