"""Requests and responses of the endpoints by which people decide on fixes; see `models`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from pattern_engine.models import (
    ApprovedPattern,
    FixMode,
    FixRequest,
    FixType,
    Identifier,
    Reason,
    Request,
    Response,
)

MOST_PAUSE_SECONDS = 30 * 86_400

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class ProposeRequest(FixRequest):
    """A fix that somebody is to look at and decide on."""


class ProposalsRequest(Request):
    """Which proposals are asked for."""

    pattern_id: Identifier | None = Field(default=None, description="All patterns without it.")
    open_only: Annotated[bool, Field(strict=False)] = Field(
        default=True, description="false: those that were decided, expired or are stale, too."
    )
    limit: Annotated[int, Field(strict=False, ge=1, le=100)] = 20


class PreviewRequest(Request):
    """A proposal that is to be tried once more, on the data of today."""

    proposal_id: Identifier


class DecideRequest(Request):
    """A decision on a proposal."""

    proposal_id: Identifier
    sha256: Digest = Field(description="Of the proposal that you have read.")
    decision: Literal["approve", "reject"]
    reason: Reason | None = Field(default=None, description="Needed to reject.")
    mode: FixMode = Field(
        default="live", description="shadow: everything happens but the run, and is recorded."
    )

    @model_validator(mode="after")
    def _told_why(self) -> DecideRequest:
        if self.decision == "reject" and self.reason is None:
            raise PydanticCustomError("reason", "Give a reason to reject a proposal")
        return self


class EnableRequest(Request):
    """A shadow that is to run, or a demoted fix that is to run again."""

    pattern_id: Identifier
    sha256: Digest = Field(description="Of the fix that you have read.")
    reason: Reason | None = Field(default=None, description="For those who look at it later.")


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


class SuggestionsRequest(Request):
    """A pattern, for which fixes are looked for."""

    pattern_id: Identifier
    limit: Annotated[int, Field(strict=False, ge=1, le=50)] = 10


class ProposedFix(Response):
    """A fix with what its analysis found."""

    type: FixType
    script: str
    prepared_script: str = Field(description="What would run.")
    undo_script: str | None
    prepared_undo_script: str | None
    parameters: dict[str, Any]
    tables: list[str]
    hosts: list[str]
    secrets: list[str] = Field(description="Names in Vault.")


class Proposal(Response):
    """A proposed fix, what was found out about it, and what was decided."""

    proposal_id: str
    pattern_id: str
    fix: ProposedFix
    sha256: str = Field(description="Of all that would be approved; a decision carries it.")
    based_on_version: int | None = Field(description="With a later version it is stale.")
    analysis: dict[str, Any] = Field(
        description="What the script does: operations, destructive, tables, written_tables, "
        "hosts, secrets."
    )
    dry_run: dict[str, Any] | None = Field(
        description="sql: the real run, undone again, with the rows that it touched by table. "
        "Otherwise a plan of what would be called. Values are scrubbed."
    )
    replay: dict[str, Any] | None = Field(
        description="A simulation over stored errors: which would fire it, which would be refused "
        "and why, and for sql the rows that it touches for each."
    )
    previewed_at: str | None = Field(description="When dry_run and replay were made.")
    proposed_by: str
    proposed_at: str
    expires_at: str
    decision: Literal["approved", "rejected"] | None
    decided_by: str | None
    decided_at: str | None
    decision_reason: str | None
    closed_because: str | None = Field(description="null while it is open.")


class ProposalResponse(Response):
    """The proposal as it is now."""

    success: Literal[True] = True
    proposal: Proposal


class ProposalsResponse(Response):
    """Proposals, newest first."""

    proposals: list[Proposal]


class DecideResponse(Response):
    """The proposal after the decision, and its pattern."""

    success: Literal[True] = True
    proposal: Proposal
    pattern: ApprovedPattern


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


class TrackRecord(Response):
    """Outcomes of a fix, runs that are not decided yet included."""

    verified: int
    failed: int
    inconclusive: int
    pending: int


class Suggestion(Response):
    """The fix of a pattern that resembles the one that was asked for; a draft, nothing more."""

    pattern_id: str
    pattern_signature: str
    pattern_type: str
    template: str | None
    score: float | None = Field(description="Share of trigrams in common; null: not near enough.")
    in_same_cluster: bool
    auto_fix_type: FixType
    auto_fix_script: str
    auto_fix_parameters: dict[str, Any]
    undo_script: str | None
    version: int
    is_live: bool
    success_rate: float
    confidence_score: float
    confidence_lower_bound: float | None
    confidence_outcomes: float
    track_record: TrackRecord


class SuggestionsResponse(Response):
    """Drafts, those that helped most first. Nothing runs by them: propose one to use it."""

    suggestions: list[Suggestion]
