"""The endpoints with which operators steer the grouping."""

from __future__ import annotations

from pattern_engine.api.callers import Kind
from pattern_engine.api.endpoint import AnyEndpoint, Endpoint
from pattern_engine.steering import models

MERGE = Endpoint(
    name="merge",
    method="POST",
    summary="Merge patterns that have the same cause.",
    request=models.MergeRequest,
    response=models.MergeResponse,
    admits=frozenset({Kind.PERSON}),
    refusals=(404, 409),
)
SPLIT = Endpoint(
    name="split",
    method="POST",
    summary="Move some signatures of a pattern to a new pattern.",
    request=models.SplitRequest,
    response=models.SplitResponse,
    admits=frozenset({Kind.PERSON}),
    refusals=(404, 409),
)
UNDO = Endpoint(
    name="undo",
    method="POST",
    summary="Undo a merge or a split.",
    request=models.UndoRequest,
    response=models.UndoResponse,
    admits=frozenset({Kind.PERSON}),
    refusals=(404, 409),
)
CONFIRM = Endpoint(
    name="confirm",
    method="POST",
    summary="Let a live fix run for signatures or identifiers that it was not approved for.",
    request=models.ConfirmRequest,
    response=models.ConfirmResponse,
    admits=frozenset({Kind.PERSON}),
    refusals=(404, 409),
)
RESOLVE = Endpoint(
    name="resolve",
    method="POST",
    summary="Mark a pattern as resolved; a later occurrence is a regression.",
    request=models.ResolveRequest,
    response=models.LifeCycleResponse,
    admits=frozenset({Kind.PERSON}),
    refusals=(404, 409),
)
IGNORE = Endpoint(
    name="ignore",
    method="POST",
    summary="Ignore a pattern until a time, for a number of occurrences, or permanently.",
    request=models.IgnoreRequest,
    response=models.LifeCycleResponse,
    admits=frozenset({Kind.PERSON}),
    refusals=(404, 409),
)
REOPEN = Endpoint(
    name="reopen",
    method="POST",
    summary="Reopen a resolved, ignored or archived pattern.",
    request=models.ReopenRequest,
    response=models.LifeCycleResponse,
    admits=frozenset({Kind.PERSON}),
    refusals=(404, 409),
)
RULES = Endpoint(
    name="rules",
    method="POST",
    summary="List, preview, save or disable grouping rules.",
    request=models.RulesRequest,
    response=models.RulesResponse,
    admits=frozenset({Kind.PERSON}),
    refusals=(404, 409),
)
SIMILAR = Endpoint(
    name="similar",
    method="GET",
    summary="Read the patterns that are similar to one, with the words that differ.",
    request=models.SimilarRequest,
    response=models.SimilarResponse,
    admits=frozenset({Kind.PERSON, Kind.ENGINE}),
    refusals=(404,),
)
EXPLAIN = Endpoint(
    name="explain",
    method="GET",
    summary="Explain an error: what was read of it, its cause, and a draft of what mends it.",
    request=models.ExplainRequest,
    response=models.Explanation,
    admits=frozenset({Kind.PERSON, Kind.ENGINE}),
    refusals=(404,),
)
FACETS = Endpoint(
    name="facets",
    method="GET",
    summary="Read what the errors of a pattern named, and which patterns it was logged with.",
    request=models.FacetsRequest,
    response=models.FacetsResponse,
    admits=frozenset({Kind.PERSON, Kind.ENGINE}),
    refusals=(404,),
)
ENDPOINTS: tuple[AnyEndpoint, ...] = (
    MERGE, SPLIT, UNDO, CONFIRM, RESOLVE, IGNORE, REOPEN, RULES, SIMILAR, EXPLAIN, FACETS,
)  # fmt: skip
