"""Request and response of POST /learn."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

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
from pattern_engine.levels import level


class ErrorReport(Request):
    """An error that an application reports."""

    error_message: Message = Field(description="The message as it was logged; at most 64 KiB.")
    error_source: Source | None = Field(
        default=None, description="The component that raised the error."
    )
    severity: Annotated[Severity | None, BeforeValidator(level)] = Field(
        default=None,
        description="The severity. Other words and numbers of loggers, as WARN, fatal and 50, are "
        "translated as in ops.system_logs; if it is left out, keywords of the message decide.",
    )
    system_log_id: LogId | None = Field(
        default=None,
        description="The id of the error's row in ops.system_logs; a row is counted once, even if "
        "it is sent again.",
    )
    error_data: ErrorData | None = Field(
        default=None,
        description="Data that identifies the error in addition to the message, as in "
        "ops.system_logs.error_data: fingerprint, stack, exception; at most 256 KiB. If a person "
        "names a log row, or a call of /apply does, what the row holds is used instead, here and "
        "for the other fields.",
    )


class LearnRequest(ErrorReport):
    """An error to learn from."""


class LearnedPattern(Response):
    """The pattern that an error belongs to."""

    pattern_id: str
    pattern_signature: str
    pattern_type: PatternType
    occurrence_count: int
    confidence_score: float = Field(
        description="Confidence in the pattern's fix, from 0.00 to 1.00."
    )
    auto_fix_enabled: bool


class LearnResponse(Response):
    """The pattern of the error, and whether it was created, updated or unchanged."""

    success: Literal[True] = True
    pattern: LearnedPattern
    action: Literal["created", "updated", "unchanged"] = Field(
        description="created: the error made a new pattern. updated: it was counted for an "
        "existing one. unchanged: this log row had been counted before."
    )
