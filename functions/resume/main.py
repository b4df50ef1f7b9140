"""POST /resume: end every pause, one that a storm began too.

Callers: an operator or administrator in person; the database decides who that is.
"""

from pattern_engine.healing import pauses
from pattern_engine.healing.endpoints import RESUME
from pattern_engine.healing.models import ResumeRequest, ResumeResponse
from pattern_engine.serving.serve import Call, serve


@serve(RESUME)
def main(call: Call[ResumeRequest]) -> ResumeResponse:
    """Resume in the caller's name, answer which pauses ended."""
    return pauses.resume(call.body, call.caller, call.database)
