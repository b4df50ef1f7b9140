"""The answer of GET /health, and the form of every error."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from pattern_engine.api.fields import Response
from pattern_engine.limits import FixType  # noqa: TC001  pydantic reads it


class HealthResponse(Response):
    """The engine and its database work."""

    status: Literal["ok"] = "ok"
    database: Literal["ok"] = "ok"
    unlearnable: int = Field(
        description="Errors that the engine gave up learning; GET /statistics names the latest."
    )
    fix_types: dict[FixType, str] = Field(
        description="For each type of fixes `ok` if they can run here, or else the reason."
    )


class Problem(Response):
    """An error."""

    code: str = Field(description="A stable code on which programs can branch.")
    message: str = Field(description="What was wrong, with which value, and what to do.")
    details: dict[str, Any] = Field(description="Further facts; the keys depend on the code.")


class ErrorResponse(Response):
    """The answer to a request that failed."""

    error: Problem
    request_id: str = Field(
        description="The id of the request, also in the x-request-id header and in the log."
    )
