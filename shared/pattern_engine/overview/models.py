"""What POST /cluster and GET /statistics take and answer."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from pattern_engine.api.fields import Request, Response


class ClusterRequest(Request):
    """Nothing: clustering takes every pattern with three occurrences or more."""


class Cluster(Response):
    """Patterns that are alike."""

    cluster_id: str
    cluster_name: str
    pattern_ids: list[str]
    cluster_size: int
    avg_success_rate: float
    total_occurrences: int


class ClusterResponse(Response):
    """The clusters of one session."""

    success: Literal[True] = True
    clusters: list[Cluster]
    patterns_analyzed: int
    session_id: str


class PatternsByType(Response):
    """Patterns of each type."""

    database: int = 0
    api: int = 0
    rls: int = 0
    stripe: int = 0
    deployment: int = 0


class Statistics(Response):
    """The specification's key performance indicators."""

    total_patterns: int
    enabled_patterns: int
    approved_patterns: int
    avg_success_rate: float
    total_applications: int
    patterns_by_type: PatternsByType
    top_patterns: list[dict[str, Any]] = Field(description="Enabled patterns that heal best.")
    awaiting_approval: list[dict[str, Any]] = Field(
        description="Patterns with five occurrences or more and no enabled fix."
    )
    as_of: str = Field(description="When this was counted, ISO 8601.")


class StatisticsResponse(Response):
    """How learning goes."""

    statistics: Statistics
