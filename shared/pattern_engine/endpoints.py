"""The endpoints of the engine: what each takes, answers and whom it admits, in one table.

`functions/<name>/main.py` serves an endpoint, `openapi` describes it; both read this table. Those
by which people decide on fixes and steer the grouping are in `fixing_endpoints` and
`steering_endpoints`, so that learning does not wait for their models; `all_endpoints` has them all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pattern_engine import models
from pattern_engine.auth import Kind

RequestT = TypeVar("RequestT", bound=models.Request)
ResponseT_co = TypeVar("ResponseT_co", bound=models.Response, covariant=True)


class NoBody(models.Request):
    """No body."""


@dataclass(frozen=True, slots=True)
class Endpoint(Generic[RequestT, ResponseT_co]):
    """One endpoint."""

    name: str
    """Its path segment, and the name of its folder."""
    method: str
    summary: str
    request: type[RequestT]
    response: type[ResponseT_co]
    admits: frozenset[Kind]
    """Kinds of callers; empty for everyone."""
    refusals: tuple[int, ...] = ()
    """Further statuses that it answers, beside those that all share."""
    body_optional: bool = False

    @property
    def takes_query(self) -> bool:
        """Whether what is asked stands in the address: a GET has no body."""
        return self.method == "GET" and self.request is not NoBody

    @property
    def takes_body(self) -> bool:
        """Whether a body is read at all."""
        return self.request is not NoBody and not self.takes_query

    @property
    def methods(self) -> tuple[str, ...]:
        """Every method that it answers: a GET may be asked as HEAD, any may be asked about."""
        return (self.method, *(("HEAD",) if self.method == "GET" else ()), "OPTIONS")


AnyEndpoint = Endpoint[Any, Any]

LEARN = Endpoint(
    name="learn",
    method="POST",
    summary="Learn from an error: create its pattern, or count one more occurrence.",
    request=models.LearnRequest,
    response=models.LearnResponse,
    admits=frozenset({Kind.PERSON, Kind.ENGINE}),
    refusals=(404,),
)
APPLY = Endpoint(
    name="apply",
    method="POST",
    summary="Find the pattern of an error and run its approved fix.",
    request=models.ApplyRequest,
    response=models.ApplyResponse,
    admits=frozenset({Kind.PERSON, Kind.ENGINE}),
    refusals=(404, 409),
)
CLUSTER = Endpoint(
    name="cluster",
    method="POST",
    summary="Group the patterns that are alike.",
    request=models.ClusterRequest,
    response=models.ClusterResponse,
    admits=frozenset({Kind.PERSON, Kind.ENGINE, Kind.CRON}),
    body_optional=True,
)
STATISTICS = Endpoint(
    name="statistics",
    method="GET",
    summary="Read how learning goes.",
    request=NoBody,
    response=models.StatisticsResponse,
    admits=frozenset({Kind.PERSON, Kind.ENGINE}),
)
APPROVE = Endpoint(
    name="approve",
    method="POST",
    summary="Approve a fix for a pattern; from then on it heals that error.",
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
WEBHOOK = Endpoint(
    name="webhook",
    method="POST",
    summary="Learn from new log rows, and heal those whose fix is enabled.",
    request=models.WebhookRequest,
    response=models.WebhookResponse,
    admits=frozenset({Kind.CRON}),
)
HEALTH = Endpoint(
    name="health",
    method="GET",
    summary="Tell whether the engine and its database answer.",
    request=NoBody,
    response=models.HealthResponse,
    admits=frozenset(),
)
CORE: tuple[AnyEndpoint, ...] = (
    LEARN,
    APPLY,
    CLUSTER,
    STATISTICS,
    APPROVE,
    DISABLE,
    WEBHOOK,
    HEALTH,
)
