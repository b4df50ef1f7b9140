"""GET /health: check whether the engine and its database work.

Callers: anyone.
"""

from pattern_engine.api.endpoint import NoBody
from pattern_engine.serving.answers import HealthResponse
from pattern_engine.serving.health import HEALTH
from pattern_engine.serving.serve import Call, serve


@serve(HEALTH)
def main(call: Call[NoBody]) -> HealthResponse:
    """Call the database and answer that it works."""
    call.database.ping()
    return HealthResponse()
