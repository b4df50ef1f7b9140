"""The endpoints by which people steer the grouping; see `endpoints`."""

from __future__ import annotations

from pattern_engine import steering_models
from pattern_engine.auth import Kind
from pattern_engine.endpoints import AnyEndpoint, Endpoint

MERGE = Endpoint(
    name="merge",
    method="POST",
    summary="Merge patterns that are one.",
    request=steering_models.MergeRequest,
    response=steering_models.MergeResponse,
    admits=frozenset({Kind.PERSON}),
    refusals=(404, 409),
)
SPLIT = Endpoint(
    name="split",
    method="POST",
    summary="Make a pattern of its own out of some signatures of another.",
    request=steering_models.SplitRequest,
    response=steering_models.SplitResponse,
    admits=frozenset({Kind.PERSON}),
    refusals=(404, 409),
)
UNDO = Endpoint(
    name="undo",
    method="POST",
    summary="Undo a merge or a split.",
    request=steering_models.UndoRequest,
    response=steering_models.UndoResponse,
    admits=frozenset({Kind.PERSON}),
    refusals=(404, 409),
)
CONFIRM = Endpoint(
    name="confirm",
    method="POST",
    summary="Have a live fix fire for signatures that came after its approval.",
    request=steering_models.ConfirmRequest,
    response=steering_models.ConfirmResponse,
    admits=frozenset({Kind.PERSON}),
    refusals=(404, 409),
)
RESOLVE = Endpoint(
    name="resolve",
    method="POST",
    summary="Mark a pattern as resolved; should it come back, that is a regression.",
    request=steering_models.ResolveRequest,
    response=steering_models.LifeCycleResponse,
    admits=frozenset({Kind.PERSON}),
    refusals=(404, 409),
)
IGNORE = Endpoint(
    name="ignore",
    method="POST",
    summary="Ignore a pattern until a time, until so many more errors, or for good.",
    request=steering_models.IgnoreRequest,
    response=steering_models.LifeCycleResponse,
    admits=frozenset({Kind.PERSON}),
    refusals=(404, 409),
)
REOPEN = Endpoint(
    name="reopen",
    method="POST",
    summary="Open a resolved, ignored or archived pattern.",
    request=steering_models.ReopenRequest,
    response=steering_models.LifeCycleResponse,
    admits=frozenset({Kind.PERSON}),
    refusals=(404, 409),
)
RULES = Endpoint(
    name="rules",
    method="POST",
    summary="List, try, save or disable grouping rules.",
    request=steering_models.RulesRequest,
    response=steering_models.RulesResponse,
    admits=frozenset({Kind.PERSON}),
    refusals=(404,),
)
SIMILAR = Endpoint(
    name="similar",
    method="GET",
    summary="Read which patterns resemble one, with the words that differ.",
    request=steering_models.SimilarRequest,
    response=steering_models.SimilarResponse,
    admits=frozenset({Kind.PERSON, Kind.ENGINE}),
    refusals=(404,),
)
STEERING: tuple[AnyEndpoint, ...] = (
    MERGE,
    SPLIT,
    UNDO,
    CONFIRM,
    RESOLVE,
    IGNORE,
    REOPEN,
    RULES,
    SIMILAR,
)
