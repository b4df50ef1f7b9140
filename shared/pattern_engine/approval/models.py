"""What the endpoints by which people decide on fixes take and answer."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from pattern_engine.api.fields import Identifier, Reason, Request, Response, Script
from pattern_engine.fixes import MAX_TIMEOUT_MS

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
FixMode = Literal["live", "shadow"]
FixType = Literal["sql", "typescript", "bash", "api_call"]
Writer = Literal["service_role", "authenticated", "postgres"]


class FixParameters(BaseModel):
    """Limits of a fix; every other key goes to the script."""

    model_config = ConfigDict(strict=True, extra="allow", frozen=True, defer_build=True)

    timeout_ms: Annotated[int, Field(ge=1, le=60_000)] | None = Field(
        default=None,
        description="A run, all tries together, is cut off after this long; 5000 by default, "
        "at most 8000 for sql.",
    )
    max_retries: Annotated[int, Field(ge=0, le=8)] | None = Field(
        default=None,
        description="Further tries where one is safe: for sql after a deadlock or a serialisation "
        "failure; 0 by default. The pauses between them follow the Fibonacci sequence.",
    )
    max_rows: Annotated[int, Field(ge=1, le=100_000)] | None = Field(
        default=None, description="Rows that a run may touch, cascades included; 1000 by default."
    )
    trusted_writers: Annotated[list[Writer], Field(min_length=1)] | None = Field(
        default=None,
        description='Database roles whose log rows fire the fix; ["service_role"] by default.',
    )
    target: Annotated[list[str], Field(max_length=16)] | None = Field(
        default=None,
        description="Names of captured values that tell one target from another, as in "
        '["uuid"]: cooldown and recurrence are looked at target by target. Without it they are '
        "those of the whole pattern.",
    )

    def given(self) -> dict[str, object]:
        """The parameters as they were sent, defaults left to the database."""
        return self.model_dump(exclude_unset=True)


class FixRequest(Request):
    """A fix, written by a person, for a pattern."""

    pattern_id: Identifier
    auto_fix_script: Script = Field(description="At most 64 KiB.")
    auto_fix_type: FixType
    auto_fix_parameters: FixParameters | None = None
    undo_script: Script | None = Field(
        default=None, description="Of the same type; takes a run back, for POST /rollback."
    )

    @field_validator("auto_fix_parameters")
    @classmethod
    def _time_limit_of_its_type(
        cls, given: FixParameters | None, others: ValidationInfo
    ) -> FixParameters | None:
        most = MAX_TIMEOUT_MS.get(others.data.get("auto_fix_type", ""), 0)
        if given and given.timeout_ms and most and given.timeout_ms > most:
            raise PydanticCustomError(
                "timeout_too_long",
                "timeout_ms should be at most {most} for this type",
                {"most": most},
            )
        return given

    def parameters(self) -> dict[str, object]:
        """The parameters as they were sent."""
        return self.auto_fix_parameters.given() if self.auto_fix_parameters else {}


class ApproveRequest(FixRequest):
    """A fix that a person approves as he writes it."""

    approved_by: Identifier = Field(description="Your own user id.")
    mode: FixMode = Field(
        default="live", description="shadow: everything happens but the run, and is recorded."
    )


class DisableRequest(Request):
    """A pattern whose fix is to be switched off."""

    pattern_id: Identifier
    reason: Reason | None = Field(default=None, description="For those who look at it later.")


class ApprovedPattern(Response):
    """A pattern and the state of its approval."""

    pattern_id: str
    pattern_signature: str
    auto_fix_enabled: bool
    human_approved: bool
    approved_by: str | None
    approved_at: str | None
    constitutional_compliant: bool


class PatternResponse(Response):
    """The pattern as it is now."""

    success: Literal[True] = True
    pattern: ApprovedPattern


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
        "whole_tables names the tables of which it changed or deleted every row that they had. "
        "Otherwise a plan of what would be called. Values are scrubbed."
    )
    replay: dict[str, Any] | None = Field(
        description="A simulation over stored errors: which would fire it, which would be refused "
        "and why, and for sql the rows that it touches for each, with whole_tables as in dry_run."
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
