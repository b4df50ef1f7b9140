"""The endpoint that learns from errors."""

from __future__ import annotations

from pattern_engine.api.callers import Kind
from pattern_engine.api.endpoint import AnyEndpoint, Endpoint
from pattern_engine.learning import models

LEARN = Endpoint(
    name="learn",
    method="POST",
    summary="Learn from an error: create its pattern, or count one more occurrence.",
    request=models.LearnRequest,
    response=models.LearnResponse,
    admits=frozenset({Kind.PERSON, Kind.ENGINE}),
    refusals=(404, 429),
)
ENDPOINTS: tuple[AnyEndpoint, ...] = (LEARN,)
