"""GET /health: tell whether the engine and its database answer.

Callers: anyone.
"""

from pattern_engine.api.endpoint import NoBody
from pattern_engine.serving.answers import HealthResponse
from pattern_engine.serving.health import HEALTH
from pattern_engine.serving.serve import Call, serve


@serve(HEALTH)
def main(call: Call[NoBody]) -> HealthResponse:
    """Ask the database for a sign of life."""
    call.database.ping()
    return HealthResponse()
