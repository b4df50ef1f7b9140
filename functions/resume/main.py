"""POST /resume: end every pause, also one that a storm started.

Callers: a signed-in operator or administrator; the database checks the role.
"""

from pattern_engine.healing import pauses
from pattern_engine.healing.endpoints import RESUME
from pattern_engine.healing.models import ResumeRequest, ResumeResponse
from pattern_engine.serving.serve import Call, serve


@serve(RESUME)
def main(call: Call[ResumeRequest]) -> ResumeResponse:
    """End the pauses in the caller's name and answer their ids."""
    return pauses.resume(call.body, call.caller, call.database)
