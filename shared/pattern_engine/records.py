"""What the database takes and answers: the JSON of its functions, as types.

Each class mirrors the comment of a function in `supabase/migrations`; times are ISO 8601 in UTC.
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict

Json = dict[str, Any]


class ErrorRecord(TypedDict):
    """One error to count, with all that makes a pattern of it, should it be a new one."""

    signature: str
    older: list[str]
    """Its signatures under older algorithms; the first that is known decides."""
    system_log_id: int | None
    claimed_by: str | None
    """The person on whose word it is counted; then the log row has to be his, with this message."""
    error_message: str | None
    algorithm: str
    template: str
    leaf: str | None
    """What all templates that may be alike have in common; None where none is."""
    wider: list[str]
    """Signatures of the templates with one word more a variable: those and this one are alike."""
    pattern_type: str
    error_message_pattern: str
    error_source: str | None
    severity: str
    features: Json
    sample: str


class KnownErrorRecord(TypedDict):
    """One error to count, whose signature another of the same call has explained."""

    signature: str
    older: list[str]
    system_log_id: int | None
    claimed_by: str | None
    error_message: str | None


AnyErrorRecord = ErrorRecord | KnownErrorRecord


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
    fix_type: str
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


class Standing(TypedDict):
    """How a fix did of late."""

    verified: int
    """Of its latest ten decided outcomes since it was put in use; `failed` too."""
    failed: int
    flaps_last_day: int
    runs_last_hour: int
    rows_last_hour: int
    incidents_last_hour: int
    seconds_since_run: dict[str, float]
    """By target, within a day."""


class Expression(TypedDict):
    """An enabled pattern's regular expression, to try on a message whose signature is unknown."""

    pattern_id: str
    error_message_pattern: str
    pattern_signature: str


class Candidate(TypedDict):
    """What is known about one error and its fix."""

    log: CandidateLog | None
    pattern: CandidatePattern | None
    fix: CandidateFix | None
    untrusted_signature: str | None
    """The signature that led here, where a fix is enabled and its approver could not see it."""
    expressions: list[Expression]
    recent_errors: int
    """Errors of the last five minutes, and how many of them are this pattern's."""
    recent_errors_of_pattern: int
    standing: Standing | None
    firing_patterns: int
    """Different patterns with an enabled fix among the errors of the last seconds."""
    pause: str | None
    """Why nothing runs now; None without a pause."""
    before_approval: bool
    already_applied: bool


class ClaimRequest(TypedDict):
    """An error that is to be taken in hand."""

    pattern_id: str
    system_log_id: int | None
    fix_version: int
    sha256: str
    validation: Json
    error: Json
    target: str
    policy: Json


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

    claimed: bool
    application_id: str | None
    reason: str | None
    job: JobRecord | None
    """None for SQL, which runs where it is stored."""
    is_shadow: bool


class Refusal(TypedDict):
    """Why a fix was not run for an error."""

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
    rows_before: list[Json] | None
    rows_after: list[Json] | None


class ReplayedRecord(LogRecord):
    """A stored error of a pattern, to simulate its fix on."""

    recent_errors: int
    """Errors of the five minutes before it, and how many of them were this pattern's."""
    recent_errors_of_pattern: int


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
