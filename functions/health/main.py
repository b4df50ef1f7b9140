"""GET /health: check whether the engine and its database work, and which types of fixes can run.

Callers: anyone.
"""

from pattern_engine.api.endpoint import NoBody
from pattern_engine.serving.answers import HealthResponse
from pattern_engine.serving.health import HEALTH, fix_types
from pattern_engine.serving.serve import Call, serve


@serve(HEALTH)
def main(call: Call[NoBody]) -> HealthResponse:
    """Call the database; answer that it works, and which types of fixes can run here."""
    call.database.ping()
    return HealthResponse(unlearnable=call.database.count_unlearnable(), fix_types=fix_types())
