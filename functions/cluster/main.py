"""POST /cluster: group the patterns with three occurrences or more that are alike.

Callers: the nightly job by the webhook secret, the secret key, or an operator.
"""

from pattern_engine import clusters, endpoints
from pattern_engine.http import Call, serve
from pattern_engine.models import ClusterRequest, ClusterResponse


@serve(endpoints.CLUSTER)
def main(call: Call[ClusterRequest]) -> ClusterResponse:
    """Cluster once, as one learning session."""
    return clusters.run(call.caller, call.database)
