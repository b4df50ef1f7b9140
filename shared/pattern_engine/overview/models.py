"""Requests and responses of POST /cluster and GET /statistics."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from pattern_engine.api.fields import Request, Response


class ClusterRequest(Request):
    """No fields: clustering takes every pattern with three or more occurrences."""


class Cluster(Response):
    """A cluster of similar patterns."""

    cluster_id: str
    cluster_name: str
    pattern_ids: list[str]
    cluster_size: int
    avg_success_rate: float
    total_occurrences: int


class ClusterResponse(Response):
    """The clusters of one clustering session."""

    success: Literal[True] = True
    clusters: list[Cluster]
    patterns_analyzed: int
    session_id: str


class PatternsByType(Response):
    """The number of patterns of each type."""

    database: int = 0
    api: int = 0
    rls: int = 0
    stripe: int = 0
    deployment: int = 0


class Untrusted(Response):
    """What only writers wrote whose errors do not count, such as signed-in users."""

    patterns: int = Field(description="Patterns none of whose errors counts.")
    occurrences: int = Field(description="Errors that do not count, of all patterns.")


class UnlearnableError(Response):
    """An error that could not be learned."""

    system_log_id: int
    source: str | None
    reason: str
    gave_up_at: str


class Unlearnable(Response):
    """The errors that the engine tried to learn until it gave up."""

    total: int
    latest: list[UnlearnableError] = Field(description="The latest ten.")


class Statistics(Response):
    """The specification's key performance indicators."""

    total_patterns: int
    enabled_patterns: int
    approved_patterns: int
    avg_success_rate: float
    total_applications: int
    patterns_by_type: PatternsByType
    top_patterns: list[dict[str, Any]] = Field(
        description="The ten enabled patterns with the most successful fixes."
    )
    awaiting_approval: list[dict[str, Any]] = Field(
        description="Patterns with no enabled fix whose occurrences that count reach the project's "
        "setting `review_occurrences`, which is 5 by default. "
        "`last_fix` tells version, state (disabled, demoted, expired or shadow) and reason of the "
        "fix that was approved last; it is null where there was none."
    )
    untrusted: Untrusted | None = Field(
        default=None,
        exclude_if=lambda value: value is None,
        description="What is in no other figure, because its writers do not count.",
    )
    unlearnable: Unlearnable = Field(
        description="Errors that are in the log and in no pattern, because learning them failed."
    )
    as_of: str = Field(description="The time of these figures, ISO 8601.")


class StatisticsResponse(Response):
    """The statistics of learning and healing."""

    statistics: Statistics
