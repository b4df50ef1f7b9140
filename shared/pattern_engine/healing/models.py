"""Requests and responses of the endpoints that heal errors, undo runs and pause fixes."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from pattern_engine.api.fields import MAX_IDS, Identifier, LogId, Reason, Request, Response
from pattern_engine.learning.models import ErrorReport


class ApplyRequest(ErrorReport):
    """An error to heal."""


class AppliedPattern(Response):
    """The pattern whose fix ran."""

    pattern_id: str
    pattern_signature: str
    auto_fix_script: str | None
    success_rate: float = Field(description="0.00 to 100.00.")


class ApplyResponse(Response):
    """Whether a fix ran, and how it ended."""

    omitted_when_none = frozenset(
        {"success", "pattern", "execution_time_ms", "reason", "constitutional_validation"}
    )

    applied: bool
    success: bool | None = Field(
        default=None, description="Whether the run succeeded; left out if no fix ran."
    )
    pattern: AppliedPattern | None = None
    execution_time_ms: int | None = None
    reason: str | None = Field(default=None, description="Why no fix ran, or why it failed.")
    constitutional_validation: dict[str, Any] | None = Field(
        default=None, description="The verdict of the Four Laws, if they forbade the run."
    )


class LogRow(BaseModel):
    """A row of ops.system_logs in a webhook; only its id is used, the rest is read anew."""

    model_config = ConfigDict(extra="allow", frozen=True, defer_build=True)

    id: LogId


class WebhookRequest(Request):
    """A database webhook of Supabase for one row, an announcement of new rows, or a sweep."""

    type: Literal["INSERT", "SWEEP"] = Field(
        description="SWEEP learns whatever was never learned, and takes no rows."
    )
    table: Literal["system_logs"]
    schema_name: Literal["ops"] = Field(alias="schema")
    record: LogRow | None = None
    old_record: None = None
    ids: Annotated[list[LogId], Field(max_length=MAX_IDS)] | None = None
    first: LogId | None = Field(
        default=None, description="The first of the new rows that are announced."
    )
    last: LogId | None = Field(
        default=None, description="The last of the new rows; those after it are learned too."
    )

    def log_ids(self) -> list[int]:
        """The ids in the call, each once, in order."""
        named = [*([self.record.id] if self.record else []), *(self.ids or [])]
        return list(dict.fromkeys(named))


class WebhookResponse(Response):
    """How many rows were learned and healed."""

    success: Literal[True] = True
    received: int = Field(description="Ids in the call; without ids, rows that were found.")
    learned: int = Field(description="Rows that were counted by this call.")
    unchanged: int = Field(description="Rows that had been counted before.")
    applied: int = Field(description="Rows for which a fix ran.")
    healed: int = Field(description="Rows for which a fix ran and succeeded.")
    failed: int = Field(description="Rows that raised an error, which the log describes.")


MAX_PAUSE_SECONDS = 30 * 86_400


class RollbackRequest(Request):
    """A run that is to be undone."""

    application_id: Identifier
    reason: Reason | None = Field(default=None, description="Recorded in the journal.")


class PauseRequest(Request):
    """A time in which no fix is to run."""

    reason: Reason
    seconds: Annotated[int, Field(ge=1, le=MAX_PAUSE_SECONDS)] = Field(
        description="The pause ends by itself after this time; at most 30 days."
    )


class ResumeRequest(Request):
    """The request to end every pause."""

    reason: Reason | None = Field(default=None, description="Recorded in the journal.")


class RollbackResponse(Response):
    """The outcome of the undo."""

    success: bool = Field(description="Whether the run was undone.")
    application_id: str = Field(description="The id of the undo script's own run.")
    undoes: str = Field(description="The id of the run that was to be undone.")
    pattern_id: str
    reason: str | None = Field(description="Why the undo failed; null if it succeeded.")
    rows_touched: int
    tables: dict[str, int] = Field(description="Rows touched, by table.")
    execution_time_ms: int | None


class Pause(Response):
    """A time in which no fix runs."""

    pause_id: str
    reason: str
    started_at: str
    started_by: str | None
    expires_at: str


class PauseResponse(Response):
    """The pause that was started."""

    success: Literal[True] = True
    pause: Pause


class ResumeResponse(Response):
    """The pauses that this call ended."""

    success: Literal[True] = True
    ended: list[str] = Field(description="The ids of the pauses; empty if there was none.")
