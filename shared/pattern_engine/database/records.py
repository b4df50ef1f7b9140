"""What the database takes and answers: the JSON of its functions, as types.

Each class mirrors the comment of a function in `supabase/migrations`; times are ISO 8601 in UTC.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NotRequired, TypedDict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pattern_engine.limits import FixType

Json = dict[str, Any]


class ErrorRecord(TypedDict):
    """One error to count, and all that makes a pattern of it, should it be a new one.

    What makes a pattern is left out where the database has its signature, or where an error before
    it in the same call has brought it.
    """

    signature: str
    older: list[str]
    """Its signatures under older algorithms; the first that is known decides."""
    system_log_id: int | None
    claimed_by: str | None
    """The person on whose word it is counted: the log row must be that person's, with this
    message."""
    error_message: str | None
    algorithm: NotRequired[str]
    template: NotRequired[str]
    leaf: NotRequired[str | None]
    """What all templates that may be alike have in common; None where none is."""
    wider: NotRequired[list[str]]
    """Signatures of the templates with one word more a variable: those and this one are alike."""
    pattern_type: NotRequired[str]
    error_message_pattern: NotRequired[str]
    error_source: NotRequired[str | None]
    severity: NotRequired[str]
    features: NotRequired[Json]
    sample: NotRequired[str]


class LearnedRecord(TypedDict):
    """What became of one error."""

    pattern_id: str
    pattern_signature: str
    pattern_type: str
    occurrence_count: int
    confidence_score: float
    auto_fix_enabled: bool
    has_fix: bool
    """Whether a fix is in use or waits for a person: then it is told why nothing was healed."""
    action: Literal["created", "updated", "unchanged"]
    system_log_id: int | None


class UnknownRecord(TypedDict):
    """An error by which two patterns turn out to be one: it takes `join_errors_v1`."""

    unknown: Literal[True]
    system_log_id: int | None


class LogRecord(TypedDict):
    """A log row that the webhook asks for."""

    id: int
    message: str
    source: str | None
    log_level: str
    created_at: str
    written_by: str
    error_data: Json | None
    environment: str | None
    release: str | None
    learned: bool


class CandidateQuery(TypedDict):
    """One error to find a fix for."""

    signatures: list[str]
    """Under all algorithms; the first that is known decides which pattern it is."""
    system_log_id: int | None


class CandidateLog(TypedDict):
    """The log row behind an error."""

    id: int
    message: str
    source: str | None
    user_id: str | None
    written_by: str
    created_at: str
    age_seconds: float


class CandidatePattern(TypedDict):
    """The pattern of an error."""

    pattern_id: str
    pattern_signature: str
    pattern_type: str
    error_message_pattern: str
    severity: str
    success_rate: float
    confidence_score: float
    confidence_lower_bound: float | None
    confidence_outcomes: float
    consecutive_failures: int
    occurrence_count: int
    auto_fix_enabled: bool
    auto_fix_script: str | None
    auto_fix_type: str | None
    auto_fix_parameters: Json | None


class CandidateFix(TypedDict):
    """The approved fix of a pattern."""

    version: int
    fix_type: FixType
    script: str
    prepared_script: str
    undo_script: str | None
    prepared_undo_script: str | None
    sample_table: str | None
    sample_script: str | None
    parameters: Json
    timeout_ms: int
    max_retries: int
    max_rows: int
    sha256: str
    trusted_writers: list[str]
    target: list[str]
    """Names of the captured values that tell one target from another."""
    mode: Literal["live", "shadow", "demoted"]
    mode_reason: str | None
    mode_changed_by: str | None
    """Who approved it as it is now, or enabled it since; None for the engine."""
    dry_run_rows: int | None
    proposed_by: str | None
    approved_by: str
    stored_matches: bool
    """Whether the stored fix still has the digest that was approved."""


class Expression(TypedDict):
    """An enabled pattern's regular expression, to try on a message whose signature is unknown."""

    pattern_id: str
    error_message_pattern: str
    pattern_signature: str


class Refusal(TypedDict):
    """Why the database lets a fix not run."""

    code: Literal[
        "not_live", "applied_before", "in_hand", "moved", "paused", "demoted", "laws", "shadow"
    ]
    reason: NotRequired[str]
    """What was said when the fixes were paused, or why this one was demoted."""
    until: NotRequired[str]
    """When the pause ends."""


class Candidate(TypedDict):
    """What is known about one error and its fix."""

    log: CandidateLog | None
    pattern: CandidatePattern | None
    fix: CandidateFix | None
    untrusted_signature: str | None
    """The signature that led here, where a fix is enabled and its approver could not see it."""
    expressions: list[Expression]
    hold: Refusal | None
    """Why the fix needs not or must not run: applied_before, in_hand, paused or demoted."""
    before_approval: bool


class ErrorSeen(TypedDict):
    """An error as its fix sees it; `scrubbed` is kept, the rest goes when the run has ended."""

    message: str
    source: str | None
    captured: dict[str, str]
    system_log_id: int | None
    scrubbed: str


class ClaimRequest(TypedDict):
    """An error that is to be claimed for its fix."""

    pattern_id: str
    system_log_id: int | None
    fix_version: int
    sha256: str
    parts: list[Json]
    """The parts of the Four Laws that the engine computed: law, part, holds, numbers, risk."""
    error: ErrorSeen
    target: str
    policy: Mapping[str, float]


class JobRecord(TypedDict):
    """All that it takes to run a claimed fix outside the database."""

    fix_type: str
    script: str
    parameters: Json
    error: Json
    timeout_ms: int
    max_retries: int
    max_rows: int
    secrets: dict[str, str]


class Claim(TypedDict):
    """Whether an application is ours to run."""

    application_id: str | None
    refusal: Refusal | None
    """Why it is not; exactly one of both is there."""
    validation: Json | None
    """The verdict of the Four Laws, where they were asked."""
    job: JobRecord | None
    """None for SQL, which runs where it is stored."""


class RefusalNote(TypedDict):
    """Why a fix was not run for an error, to be noted with it."""

    system_log_id: int
    reason: str
    target: str | None


class RatedPattern(TypedDict):
    """A pattern's figures after an application."""

    success_rate: float
    confidence_score: float


class Outcome(TypedDict):
    """How an application ended."""

    success: bool
    error: str | None
    rows_touched: int
    tables: Json
    execution_time_ms: int
    pattern: RatedPattern
    rows_before: NotRequired[list[Json] | None]
    """A sample of what the run changed, not scrubbed; `rows_after` the same rows afterwards."""
    rows_after: NotRequired[list[Json] | None]


class ComposedFix(TypedDict):
    """A fix with what its analysis found, as it is pinned."""

    type: str
    script: str
    prepared_script: str
    undo_script: str | None
    prepared_undo_script: str | None
    sample_table: str | None
    sample_script: str | None
    parameters: Json
    tables: list[str]
    hosts: list[str]
    secrets: list[str]


class Approval(TypedDict):
    """A fix that a person approves."""

    pattern_id: str
    fix: ComposedFix
    approved_by: str
    mode: Literal["live", "shadow"]


class Decision(TypedDict):
    """What a person decides on a proposal."""

    proposal_id: str
    sha256: str
    decision: Literal["approve", "reject"]
    reason: str | None
    mode: Literal["live", "shadow"]
    two_people: bool


class Enabling(TypedDict):
    """A fix that a person puts in use."""

    pattern_id: str
    sha256: str
    reason: str | None
    two_people: bool


class Undo(TypedDict):
    """A run that is being taken back."""

    application_id: str
    """Of the undo script's own run."""
    pattern_id: str
    system_log_id: int | None
    fix_type: str
    undo_script: str | None
    """None where a bash fix has its directories restored."""
    prepared_undo_script: str | None
    parameters: Json
    timeout_ms: int


class Rehearsal(TypedDict):
    """What a run did before it was undone."""

    success: bool
    error: str | None
    rows_touched: int
    tables: Json
    whole_tables: list[str]
    """Tables of which the run changed or deleted every row that they had."""
    rows_before: list[Json] | None
    rows_after: list[Json] | None


class ReplayedRecord(LogRecord):
    """A stored error of a pattern, to simulate its fix on."""

    load: Json
    """The part `load` of Law 2, for the five minutes before it."""


class Event(TypedDict):
    """An entry of ops.roman_events."""

    event_type: str
    severity: str
    description: str
    metadata: Json
    validation: Json | None


class SignatureRecord(TypedDict):
    """A signature of a pattern."""

    signature: str
    algorithm: str
    template: str
    created_at: str
    confirmed_at: str | None
    is_trusted: bool
    """Whether the live fix, if there is one, fires for it."""
    incident_count: int
    example: str | None
    """The latest message that is still in the log."""


class Split(TypedDict):
    """Signatures of a pattern that are to be a pattern of their own."""

    pattern_id: str
    signatures: list[str]
    expression: str | None
    reason: str | None


class Ignoring(TypedDict):
    """A pattern to be ignored, and until when."""

    pattern_id: str
    until: str | None
    occurrences: int | None
    reason: str | None


class RuleRecord(TypedDict):
    """A grouping rule, as far as it is tried on errors."""

    rule_id: str
    expression: str
    conditions: dict[str, str]
    fingerprint: str
    priority: int


class StoredErrorRecord(TypedDict):
    """An error that was counted, with its pattern."""

    system_log_id: int
    message: str
    source: str | None
    environment: str | None
    severity: str
    signature: str
    pattern_id: str
    pattern_signature: str
    template: str | None
    has_live_fix: bool
