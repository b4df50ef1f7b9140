"""GET /health: tell whether the engine and its database answer.

Callers: anyone.
"""

from pattern_engine import endpoints
from pattern_engine.http import Call, serve
from pattern_engine.models import HealthResponse


@serve(endpoints.HEALTH)
def main(call: Call[endpoints.NoBody]) -> HealthResponse:
    """Ask the database for a sign of life."""
    call.database.ping()
    return HealthResponse()
