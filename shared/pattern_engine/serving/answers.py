"""What GET /health answers, and how every endpoint answers an error."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from pattern_engine.api.fields import Response


class HealthResponse(Response):
    """The engine and its database answer."""

    status: Literal["ok"] = "ok"
    database: Literal["ok"] = "ok"


class Problem(Response):
    """What was wrong."""

    code: str = Field(description="Stable; branch on it.")
    message: str = Field(description="What was wrong, with which value, and what to do.")
    details: dict[str, Any]


class ErrorResponse(Response):
    """Every answer that is not a success."""

    error: Problem
    request_id: str = Field(description="Also in the x-request-id header, and in the log.")
