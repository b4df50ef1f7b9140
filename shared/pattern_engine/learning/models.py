"""What POST /learn takes and answers."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pattern_engine.api.fields import (
    ErrorData,
    LogId,
    Message,
    PatternType,
    Request,
    Response,
    Severity,
    Source,
)


class ErrorReport(Request):
    """An error, as an application saw it."""

    error_message: Message = Field(description="The message as it was logged; at most 64 KiB.")
    error_source: Source | None = Field(
        default=None, description="The component that it came from."
    )
    severity: Severity | None = Field(
        default=None, description="How bad it is; judged by its keywords where it is left out."
    )
    system_log_id: LogId | None = Field(
        default=None,
        description="Its row in ops.system_logs; a row counts once, however often it is sent.",
    )
    error_data: ErrorData | None = Field(
        default=None,
        description=(
            "What tells beside the message which error it is, as in ops.system_logs.error_data: "
            "fingerprint, stack, exception; at most 256 KiB. Where a person names a log row, the "
            "error_data of that row counts instead."
        ),
    )


class LearnRequest(ErrorReport):
    """An error to learn from."""


class LearnedPattern(Response):
    """The pattern that an error belongs to."""

    pattern_id: str
    pattern_signature: str
    pattern_type: PatternType
    occurrence_count: int
    confidence_score: float = Field(description="0.00 to 1.00.")
    auto_fix_enabled: bool


class LearnResponse(Response):
    """What was learned."""

    success: Literal[True] = True
    pattern: LearnedPattern
    action: Literal["created", "updated", "unchanged"] = Field(
        description="unchanged: this log row was counted before."
    )
