"""POST /cluster: group similar patterns with three or more occurrences.

Callers: the nightly job by the webhook secret, the secret key, or an operator.
"""

from pattern_engine.overview import sessions
from pattern_engine.overview.endpoints import CLUSTER
from pattern_engine.overview.models import ClusterRequest, ClusterResponse
from pattern_engine.serving.serve import Call, serve


@serve(CLUSTER)
def main(call: Call[ClusterRequest]) -> ClusterResponse:
    """Cluster in one learning session and answer the clusters."""
    return sessions.run(call.caller, call.database)
