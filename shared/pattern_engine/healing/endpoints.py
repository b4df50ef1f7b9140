"""The endpoints that heal errors, undo runs and pause fixes."""

from __future__ import annotations

from pattern_engine.api.callers import Kind
from pattern_engine.api.endpoint import AnyEndpoint, Endpoint
from pattern_engine.healing import models

APPLY = Endpoint(
    name="apply",
    method="POST",
    summary="Find the pattern of an error and run its approved fix.",
    request=models.ApplyRequest,
    response=models.ApplyResponse,
    admits=frozenset({Kind.PERSON, Kind.ENGINE}),
    refusals=(404, 409),
)
WEBHOOK = Endpoint(
    name="webhook",
    method="POST",
    summary="Learn from new log rows, and heal those whose fix is enabled.",
    request=models.WebhookRequest,
    response=models.WebhookResponse,
    admits=frozenset({Kind.CRON}),
)
ROLLBACK = Endpoint(
    name="rollback",
    method="POST",
    summary="Undo a run with the undo script that was approved with its fix.",
    request=models.RollbackRequest,
    response=models.RollbackResponse,
    admits=frozenset({Kind.PERSON}),
    refusals=(404, 409),
)
PAUSE = Endpoint(
    name="pause",
    method="POST",
    summary="Pause all fixes for a time.",
    request=models.PauseRequest,
    response=models.PauseResponse,
    admits=frozenset({Kind.PERSON}),
)
RESUME = Endpoint(
    name="resume",
    method="POST",
    summary="End every pause, also one that a storm started.",
    request=models.ResumeRequest,
    response=models.ResumeResponse,
    admits=frozenset({Kind.PERSON}),
    body_optional=True,
)
ENDPOINTS: tuple[AnyEndpoint, ...] = (APPLY, WEBHOOK, ROLLBACK, PAUSE, RESUME)
