"""What the endpoints that heal errors, take runs back and pause fixes take and answer."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from pattern_engine.api.fields import MOST_IDS, Identifier, LogId, Reason, Request, Response
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
        default=None, description="Whether the fix ended well, if one ran."
    )
    pattern: AppliedPattern | None = None
    execution_time_ms: int | None = None
    reason: str | None = Field(default=None, description="Why no fix ran, or why it failed.")
    constitutional_validation: dict[str, Any] | None = Field(
        default=None, description="The verdict of the Four Laws, where they forbade it."
    )


class LogRow(BaseModel):
    """A row of ops.system_logs as the webhook carries it; all but its id is read from the table."""

    model_config = ConfigDict(extra="allow", frozen=True, defer_build=True)

    id: LogId


class WebhookRequest(Request):
    """Supabase's database webhook for one row, or ours with the ids of up to 500."""

    type: Literal["INSERT"]
    table: Literal["system_logs"]
    schema_name: Literal["ops"] = Field(alias="schema")
    record: LogRow | None = None
    old_record: None = None
    ids: Annotated[list[LogId], Field(max_length=MOST_IDS)] | None = None

    def log_ids(self) -> list[int]:
        """The ids that it names, each once, in order."""
        named = [*([self.record.id] if self.record else []), *(self.ids or [])]
        return list(dict.fromkeys(named))


class WebhookResponse(Response):
    """What became of the rows."""

    success: Literal[True] = True
    received: int = Field(description="Ids in the call.")
    learned: int = Field(description="Rows that counted now.")
    unchanged: int = Field(description="Rows that had counted before.")
    applied: int = Field(description="Fixes that ran.")
    healed: int = Field(description="Fixes that ended well.")
    failed: int = Field(description="Rows that could not be worked on; the log says why.")


MOST_PAUSE_SECONDS = 30 * 86_400


class RollbackRequest(Request):
    """A run that is to be taken back."""

    application_id: Identifier
    reason: Reason | None = Field(default=None, description="For those who look at it later.")


class PauseRequest(Request):
    """A time in which no fix runs."""

    reason: Reason
    seconds: Annotated[int, Field(ge=1, le=MOST_PAUSE_SECONDS)] = Field(
        description="It ends by itself after so long; at most 30 days."
    )


class ResumeRequest(Request):
    """The end of every pause that holds."""

    reason: Reason | None = Field(default=None, description="For those who look at it later.")


class RollbackResponse(Response):
    """How taking the run back ended."""

    success: bool = Field(description="Whether the undo script ended well.")
    application_id: str = Field(description="Of the undo script's own run.")
    undoes: str
    pattern_id: str
    reason: str | None = Field(description="Why it failed; null if it did not.")
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
    """The pause that has begun."""

    success: Literal[True] = True
    pause: Pause


class ResumeResponse(Response):
    """The pauses that ended now."""

    success: Literal[True] = True
    ended: list[str] = Field(description="Their ids; none where no pause held.")
