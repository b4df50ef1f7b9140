"""The endpoints for clusters and statistics."""

from __future__ import annotations

from pattern_engine.api.callers import Kind
from pattern_engine.api.endpoint import AnyEndpoint, Endpoint, NoBody
from pattern_engine.overview import models

CLUSTER = Endpoint(
    name="cluster",
    method="POST",
    summary="Group similar patterns into clusters.",
    request=models.ClusterRequest,
    response=models.ClusterResponse,
    admits=frozenset({Kind.PERSON, Kind.ENGINE, Kind.CRON}),
    body_optional=True,
)
STATISTICS = Endpoint(
    name="statistics",
    method="GET",
    summary="Read the statistics of learning and healing.",
    request=NoBody,
    response=models.StatisticsResponse,
    admits=frozenset({Kind.PERSON, Kind.ENGINE}),
)
ENDPOINTS: tuple[AnyEndpoint, ...] = (CLUSTER, STATISTICS)
