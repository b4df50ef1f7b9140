"""The endpoint that tells whether the engine and its database answer."""

from __future__ import annotations

from pattern_engine.api.endpoint import Endpoint, NoBody
from pattern_engine.serving.answers import HealthResponse

HEALTH = Endpoint(
    name="health",
    method="GET",
    summary="Tell whether the engine and its database answer.",
    request=NoBody,
    response=HealthResponse,
    admits=frozenset(),
)
