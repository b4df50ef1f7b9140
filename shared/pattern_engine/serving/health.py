"""The endpoint that checks whether the engine and its database work."""

from __future__ import annotations

from pattern_engine.api.endpoint import Endpoint, NoBody
from pattern_engine.serving.answers import HealthResponse

HEALTH = Endpoint(
    name="health",
    method="GET",
    summary="Check whether the engine and its database work.",
    request=NoBody,
    response=HealthResponse,
    admits=frozenset(),
)
