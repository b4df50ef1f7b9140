"""GET /statistics: read how learning goes.

Callers: an operator of any role, or the secret key.
"""

from pattern_engine import endpoints, statistics
from pattern_engine.http import Call, serve
from pattern_engine.models import StatisticsResponse


@serve(endpoints.STATISTICS)
def main(call: Call[endpoints.NoBody]) -> StatisticsResponse:
    """Answer the key performance indicators."""
    return statistics.read(call.caller, call.database)
