"""The endpoint that sends notifications."""

from __future__ import annotations

from pattern_engine.api.callers import Kind
from pattern_engine.api.endpoint import AnyEndpoint, Endpoint
from pattern_engine.notify import models

NOTIFY = Endpoint(
    name="notify",
    method="POST",
    summary="Send the notifications that are due.",
    request=models.NotifyRequest,
    response=models.NotifyResponse,
    admits=frozenset({Kind.CRON}),
    refusals=(501,),
    body_optional=True,
)
ENDPOINTS: tuple[AnyEndpoint, ...] = (NOTIFY,)
