"""The endpoints by which people decide on fixes, stop them and take runs back; see `endpoints`."""

from __future__ import annotations

from pattern_engine import fixing_models
from pattern_engine.auth import Kind
from pattern_engine.endpoints import AnyEndpoint, Endpoint
from pattern_engine.models import PatternResponse

PROPOSE = Endpoint(
    name="propose",
    method="POST",
    summary="Propose a fix: it is analysed, tried and simulated, and another decides.",
    request=fixing_models.ProposeRequest,
    response=fixing_models.ProposalResponse,
    admits=frozenset({Kind.PERSON}),
    refusals=(404, 409, 501),
)
PROPOSALS = Endpoint(
    name="proposals",
    method="GET",
    summary="Read proposed fixes, newest first.",
    request=fixing_models.ProposalsRequest,
    response=fixing_models.ProposalsResponse,
    admits=frozenset({Kind.PERSON, Kind.ENGINE}),
)
PREVIEW = Endpoint(
    name="preview",
    method="POST",
    summary="Try and simulate a proposed fix once more, on the data of today.",
    request=fixing_models.PreviewRequest,
    response=fixing_models.ProposalResponse,
    admits=frozenset({Kind.PERSON}),
    refusals=(404, 409, 501),
)
DECIDE = Endpoint(
    name="decide",
    method="POST",
    summary="Approve a proposed fix, live or as a shadow, or reject it.",
    request=fixing_models.DecideRequest,
    response=fixing_models.DecideResponse,
    admits=frozenset({Kind.PERSON}),
    refusals=(404, 409, 501),
)
ENABLE = Endpoint(
    name="enable",
    method="POST",
    summary="Make a shadow live, or put a demoted fix back in use on probation.",
    request=fixing_models.EnableRequest,
    response=PatternResponse,
    admits=frozenset({Kind.PERSON}),
    refusals=(404, 409),
)
ROLLBACK = Endpoint(
    name="rollback",
    method="POST",
    summary="Take a run back by the undo script that was approved with its fix.",
    request=fixing_models.RollbackRequest,
    response=fixing_models.RollbackResponse,
    admits=frozenset({Kind.PERSON}),
    refusals=(404, 409),
)
PAUSE = Endpoint(
    name="pause",
    method="POST",
    summary="Stop all fixes for a time.",
    request=fixing_models.PauseRequest,
    response=fixing_models.PauseResponse,
    admits=frozenset({Kind.PERSON}),
)
RESUME = Endpoint(
    name="resume",
    method="POST",
    summary="End every pause, one that a storm began too.",
    request=fixing_models.ResumeRequest,
    response=fixing_models.ResumeResponse,
    admits=frozenset({Kind.PERSON}),
    body_optional=True,
)
SUGGESTIONS = Endpoint(
    name="suggestions",
    method="GET",
    summary="Read which fixes helped patterns that resemble one; drafts.",
    request=fixing_models.SuggestionsRequest,
    response=fixing_models.SuggestionsResponse,
    admits=frozenset({Kind.PERSON, Kind.ENGINE}),
    refusals=(404,),
)
FIXING: tuple[AnyEndpoint, ...] = (
    PROPOSE,
    PROPOSALS,
    PREVIEW,
    DECIDE,
    ENABLE,
    ROLLBACK,
    PAUSE,
    RESUME,
    SUGGESTIONS,
)
