"""POST /resume: end every pause, one that a storm began too.

Callers: an operator or administrator in person; the database decides who that is.
"""

from pattern_engine import fixing_endpoints, pauses
from pattern_engine.fixing_models import ResumeRequest, ResumeResponse
from pattern_engine.http import Call, serve


@serve(fixing_endpoints.RESUME)
def main(call: Call[ResumeRequest]) -> ResumeResponse:
    """Resume in the caller's name, answer which pauses ended."""
    return pauses.resume(call.body, call.caller, call.database)
