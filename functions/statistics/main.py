"""GET /statistics: read the statistics of learning and healing.

Callers: an operator of any role, or the secret key.
"""

from pattern_engine.api.endpoint import NoBody
from pattern_engine.overview import figures
from pattern_engine.overview.endpoints import STATISTICS
from pattern_engine.overview.models import StatisticsResponse
from pattern_engine.serving.serve import Call, serve


@serve(STATISTICS)
def main(call: Call[NoBody]) -> StatisticsResponse:
    """Answer the key performance indicators."""
    return figures.read(call.caller, call.database)
