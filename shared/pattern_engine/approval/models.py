"""Requests and responses of the endpoints by which people decide on fixes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from pattern_engine.api.fields import (
    Digest,
    Identifier,
    ObjectName,
    Reason,
    Request,
    Response,
    Script,
    SeenIdentifiers,
    Version,
)
from pattern_engine.identifiers import IdentifierName
from pattern_engine.limits import (
    DIRECTORY_NAME,
    MAX_HEALS,
    MAX_RETRIES,
    MAX_ROWS,
    MAX_TIMEOUT_MS,
    FixType,
)

if TYPE_CHECKING:
    from pattern_engine.database import records

FixMode = Literal["live", "shadow"]
Writer = Literal["service_role", "authenticated", "postgres"]
When = dict[IdentifierName, Literal["*"] | Annotated[list[ObjectName], Field(min_length=1)]]
Guard = Annotated[
    list[dict[str, str]] | None,
    Field(
        description="Tuples of identifiers for which the fix runs, `*` for any value; null if the "
        "pattern's errors name none, so that it runs for all of them."
    ),
]


EndsAt = Annotated[
    # JSON has no times, so a strict model has to accept a string here.
    Annotated[AwareDatetime, Field(strict=False)] | None,
    Field(
        description="When the approval ends: a time in the future, with its zone. The fix then "
        "does not run until an administrator approves or enables it again.",
    ),
]
MaxHeals = Annotated[
    Annotated[int, Field(ge=1, le=MAX_HEALS)] | None,
    Field(
        description="For how many runs the approval is, whatever their outcome. After them the fix "
        "does not run until an administrator approves or enables it again.",
    ),
]


class Terms(Request):
    """Until when and for how many runs an approval holds."""

    ends_at: EndsAt = None
    max_heals: MaxHeals = None

    def terms(self) -> records.Terms:
        """The terms as the database takes them."""
        ends_at = self.ends_at.isoformat() if self.ends_at else None
        return {"ends_at": ends_at, "max_heals": self.max_heals}


class FixParameters(BaseModel):
    """The limits of a fix; every other key is passed to the script."""

    model_config = ConfigDict(strict=True, extra="allow", frozen=True, defer_build=True)

    timeout_ms: Annotated[int, Field(ge=1, le=max(MAX_TIMEOUT_MS.values()))] | None = Field(
        default=None,
        description="A run with all its retries is stopped after this many milliseconds; 5000 by "
        f"default, at most {MAX_TIMEOUT_MS['sql']} for sql.",
    )
    max_retries: Annotated[int, Field(ge=0, le=MAX_RETRIES)] | None = Field(
        default=None,
        description="How often a run is retried where that is safe, which for sql is after a "
        "deadlock or a serialization failure; 0 by default. The pauses follow the Fibonacci "
        "sequence.",
    )
    max_rows: Annotated[int, Field(ge=1, le=MAX_ROWS)] | None = Field(
        default=None,
        description="The most rows that a run may touch, cascades included; 1000 by default.",
    )
    trusted_writers: Annotated[list[Writer], Field(min_length=1)] | None = Field(
        default=None,
        description="The fix runs only for log rows that one of these database roles wrote; "
        '["service_role"] by default.',
    )
    target: Annotated[list[str], Field(max_length=16)] | None = Field(
        default=None,
        description="Names of captured values that identify what a run works on, as in "
        '["uuid"]: cooldown and recurrence are then judged for each target by itself, instead of '
        "for the whole pattern.",
    )
    when: When | None = Field(
        default=None,
        description="The identifiers for which the fix runs, instead of those that the "
        'pattern\'s errors named so far: {"constraint": ["orders_currency_check"]} keeps those '
        'with one of these values, {"table": "*"} admits any table. Names that are not '
        "mentioned stay as they were seen.",
    )
    directories: (
        dict[Annotated[str, Field(pattern=f"^{DIRECTORY_NAME}$")], Literal["read", "write"]] | None
    ) = Field(
        default=None,
        description="For bash: directories of which the script gets a copy at /granted/NAME, as in "
        '{"spool": "write", "config": "read"}. PATTERN_ENGINE_BASH_DIRECTORIES defines the names. '
        "Changes to a writable one are applied after the script has succeeded.",
    )
    max_files: Annotated[int, Field(ge=1, le=10_000)] | None = Field(
        default=None,
        description="For bash: the most files and directories that a run may create, change and "
        "delete; 100 by default. A run that exceeds it changes nothing.",
    )
    max_bytes: Annotated[int, Field(ge=0, le=1_073_741_824)] | None = Field(
        default=None,
        description="For bash: the most bytes in those files, before or after the run, whichever "
        "is more; 67108864 by default.",
    )
    undo_hours: Annotated[int, Field(ge=1, le=720)] | None = Field(
        default=None,
        description="For bash: hours for which replaced files are kept for POST /rollback; "
        "24 by default.",
    )

    def given(self) -> dict[str, object]:
        """The parameters as they were sent; the database adds the defaults."""
        return self.model_dump(exclude_unset=True)


class FixRequest(Request):
    """A fix for a pattern."""

    pattern_id: Identifier
    auto_fix_script: Script = Field(description="At most 64 KiB.")
    auto_fix_type: FixType
    auto_fix_parameters: FixParameters | None = None
    undo_script: Script | None = Field(
        default=None,
        description="A script of the same type that POST /rollback runs to undo a run.",
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


class ApproveRequest(FixRequest, Terms):
    """A fix to approve without a proposal."""

    approved_by: Identifier = Field(description="Your own user id.")
    mode: FixMode = Field(
        default="live",
        description="live: the fix runs. shadow: it is only recorded when it would have run.",
    )


class DisableRequest(Request):
    """A pattern whose fix is to be disabled; if it has several fixes, which of them."""

    pattern_id: Identifier
    reason: Reason | None = Field(default=None, description="Recorded in the journal.")
    version: Version | None = None
    sha256: Digest | None = Field(default=None, description="The digest, instead of the version.")


class ApprovedPattern(Response):
    """A pattern and the state of its approval."""

    pattern_id: str
    pattern_signature: str
    auto_fix_enabled: bool
    human_approved: bool
    approved_by: str | None
    approved_at: str | None
    constitutional_compliant: bool


class OutsideSample(Response):
    """Identifiers that errors outside a guard named."""

    identifiers: dict[str, str]
    occurrences: int
    last_seen: str
    system_log_id: int | None


class GuardCoverage(Response):
    """A guard, and which of the pattern's latest 1,000 errors are outside it."""

    guard: Guard
    incidents: int = Field(description="The number of errors that were looked at.")
    outside: int = Field(description="The number of those for which the fix does not run.")
    samples: list[OutsideSample] = Field(description="What errors outside it name; at most five.")


class ApprovedFix(GuardCoverage):
    """The version that was approved."""

    version: int
    sha256: str
    mode: Literal["live", "shadow", "demoted"]
    ends_at: str | None = Field(description="When the approval ends; null if it has no end.")
    max_heals: int | None = Field(
        description="For how many runs the approval is; null if for any number."
    )


class PatternResponse(Response):
    """The pattern after the change."""

    omitted_when_none = frozenset({"fix"})

    success: Literal[True] = True
    pattern: ApprovedPattern
    fix: ApprovedFix | None = Field(
        default=None, description="What was approved; only in the answer of /approve."
    )


class ProposeRequest(FixRequest):
    """A fix on which an administrator is to decide."""


class ProposalsRequest(Request):
    """Which proposals to list."""

    pattern_id: Identifier | None = Field(
        default=None, description="Only proposals for this pattern; without it, for all patterns."
    )
    open_only: Annotated[bool, Field(strict=False)] = Field(
        default=True, description="false also lists decided, expired and stale proposals."
    )
    limit: Annotated[int, Field(strict=False, ge=1, le=100)] = 20


class PreviewRequest(Request):
    """A proposal whose dry-run and replay are to be repeated on today's data."""

    proposal_id: Identifier


class DecideRequest(Terms):
    """A decision on a proposal."""

    proposal_id: Identifier
    sha256: Digest = Field(description="The digest of the proposal that you have read.")
    decision: Literal["approve", "reject"]
    reason: Reason | None = Field(default=None, description="Required to reject.")
    mode: FixMode = Field(
        default="live",
        description="live: the fix runs. shadow: it is only recorded when it would have run.",
    )

    @model_validator(mode="after")
    def _require_reason_to_reject(self) -> DecideRequest:
        if self.decision == "reject" and self.reason is None:
            raise PydanticCustomError("reason", "Give a reason to reject a proposal")
        return self


class EnableRequest(Terms):
    """A shadow, demoted or expired fix that is to run from now on, or a fix on other terms.

    A term that is left out stays as it was; the runs are counted from 0 again.
    """

    pattern_id: Identifier
    sha256: Digest = Field(description="The digest of the fix that you have read.")
    reason: Reason | None = Field(default=None, description="Recorded in the journal.")


class SuggestionsRequest(Request):
    """A pattern for which fixes of similar patterns are searched."""

    pattern_id: Identifier
    limit: Annotated[int, Field(strict=False, ge=1, le=50)] = 10


class ProposedFix(Response):
    """A fix and what its analysis found."""

    type: FixType
    script: str
    prepared_script: str = Field(description="The exact text that would run.")
    undo_script: str | None
    prepared_undo_script: str | None
    parameters: dict[str, Any]
    tables: list[str]
    hosts: list[str]
    secrets: dict[str, list[str]] = Field(
        description="Secrets in Vault that the fix uses, each with the hosts that it is sent to."
    )


class Proposal(Response):
    """A proposed fix with its analysis, its dry-run, its replay and the decision."""

    proposal_id: str
    pattern_id: str
    fix: ProposedFix
    sha256: str = Field(
        description="The digest of everything that would be approved; POST /decide requires it."
    )
    guard: Guard
    based_on_version: int | None = Field(
        description="The pattern's latest fix version when this was proposed; a later version for "
        "some of the same errors makes the proposal stale."
    )
    analysis: dict[str, Any] = Field(
        description="What the script does: operations, destructive, tables, written_tables, "
        "hosts, secrets."
    )
    dry_run: dict[str, Any] | None = Field(
        description="For sql: a real run that was undone, with the rows that it touched, by table. "
        "whole_tables names the tables of which it changed or deleted every row. For other types: "
        "a plan of what would be called. Values are scrubbed."
    )
    replay: dict[str, Any] | None = Field(
        description="A simulation over stored errors: for which of them the fix would run, for "
        "which it would be refused and why, and for sql the rows that it would touch for each, "
        "with whole_tables as in dry_run. Under guard, how many errors are outside it."
    )
    identifiers: list[SeenIdentifiers] = Field(
        default=[], description="What the errors of the pattern named until now, most often first."
    )
    previewed_at: str | None = Field(description="When dry_run and replay were last made.")
    proposed_by: str
    proposed_at: str
    expires_at: str
    decision: Literal["approved", "rejected"] | None
    decided_by: str | None
    decided_at: str | None
    decision_reason: str | None
    closed_because: str | None = Field(
        description="Why nobody can decide on it any more; null while it is open."
    )


class ProposalResponse(Response):
    """The proposal after the change."""

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
    """How many runs of a fix had which outcome; pending runs are not decided yet."""

    verified: int
    failed: int
    inconclusive: int
    pending: int


class Suggestion(Response):
    """The fix of a pattern that resembles the one in the request; it is only a draft."""

    pattern_id: str
    pattern_signature: str
    pattern_type: str
    template: str | None
    score: float | None = Field(
        description="Share of trigrams in common, 0 to 1; null if it is too small to be computed."
    )
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
    """Drafts, the most successful first; to use one, send it to POST /propose."""

    suggestions: list[Suggestion]
