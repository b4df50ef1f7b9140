"""The endpoints by which people decide on fixes."""

from __future__ import annotations

from pattern_engine.api.callers import Kind
from pattern_engine.api.endpoint import AnyEndpoint, Endpoint
from pattern_engine.approval import models

APPROVE = Endpoint(
    name="approve",
    method="POST",
    summary="Approve a fix for a pattern; from then on it runs for that pattern's errors.",
    request=models.ApproveRequest,
    response=models.PatternResponse,
    admits=frozenset({Kind.PERSON}),
    refusals=(404, 409, 501),
)
DISABLE = Endpoint(
    name="disable",
    method="POST",
    summary="Switch a pattern's fix off; a new version needs a new approval.",
    request=models.DisableRequest,
    response=models.PatternResponse,
    admits=frozenset({Kind.PERSON}),
    refusals=(404, 409),
)
PROPOSE = Endpoint(
    name="propose",
    method="POST",
    summary="Propose a fix; it is analysed and tried, and an administrator decides on it.",
    request=models.ProposeRequest,
    response=models.ProposalResponse,
    admits=frozenset({Kind.PERSON}),
    refusals=(404, 409, 501),
)
PROPOSALS = Endpoint(
    name="proposals",
    method="GET",
    summary="Read proposed fixes, newest first.",
    request=models.ProposalsRequest,
    response=models.ProposalsResponse,
    admits=frozenset({Kind.PERSON, Kind.ENGINE}),
)
PREVIEW = Endpoint(
    name="preview",
    method="POST",
    summary="Repeat the dry-run and the replay of a proposed fix on today's data.",
    request=models.PreviewRequest,
    response=models.ProposalResponse,
    admits=frozenset({Kind.PERSON}),
    refusals=(404, 409, 501),
)
DECIDE = Endpoint(
    name="decide",
    method="POST",
    summary="Approve a proposed fix, as live or as a shadow, or reject it.",
    request=models.DecideRequest,
    response=models.DecideResponse,
    admits=frozenset({Kind.PERSON}),
    refusals=(404, 409, 501),
)
ENABLE = Endpoint(
    name="enable",
    method="POST",
    summary="Make a shadow, demoted or expired fix live, or change the terms of its approval.",
    request=models.EnableRequest,
    response=models.PatternResponse,
    admits=frozenset({Kind.PERSON}),
    refusals=(404, 409),
)
SUGGESTIONS = Endpoint(
    name="suggestions",
    method="GET",
    summary="Read the fixes of similar patterns, as drafts for a new proposal.",
    request=models.SuggestionsRequest,
    response=models.SuggestionsResponse,
    admits=frozenset({Kind.PERSON, Kind.ENGINE}),
    refusals=(404,),
)
ENDPOINTS: tuple[AnyEndpoint, ...] = (
    APPROVE,
    DISABLE,
    PROPOSE,
    PROPOSALS,
    PREVIEW,
    DECIDE,
    ENABLE,
    SUGGESTIONS,
)
