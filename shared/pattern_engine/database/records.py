"""Types of the JSON that the database's functions take and answer.

The comments of the functions in `supabase/migrations` describe the same; times are ISO 8601 in UTC.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NotRequired, TypedDict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pattern_engine.limits import FixType

Json = dict[str, Any]


class ErrorRecord(TypedDict):
    """One error to count, and what a new pattern needs.

    From `algorithm` on, fields are left out if the database knows the signature, or if an earlier
    error of the same call carries them.
    """

    signature: str
    older: list[str]
    """Its signatures under older algorithms; the first known signature decides on the pattern."""
    system_log_id: int | None
    claimed_by: str | None
    """The person who reported it; the log row has to be that person's and have this message."""
    error_message: str | None
    identifiers: NotRequired[dict[str, str]]
    """What the error names, without secrets and personal data; left out if that is nothing."""
    frame: NotRequired[str]
    """The place in the application that threw it, if it is known."""
    algorithm: NotRequired[str]
    template: NotRequired[str]
    leaf: NotRequired[str | None]
    """A key that all similar templates share; None if no template is similar to this one."""
    wider: NotRequired[list[str]]
    """Signatures of the similar templates in which one more word is a variable."""
    pattern_type: NotRequired[str]
    error_message_pattern: NotRequired[str]
    error_source: NotRequired[str | None]
    severity: NotRequired[str]
    features: NotRequired[Json]
    sample: NotRequired[str]
    captured: NotRequired[dict[str, str]]
    """The values of the sample by name, without secrets and personal data."""
    known: NotRequired[str | None]
    """The key of the catalogue's entry for the error."""
    symptom: NotRequired[str | None]
    """What to look for instead, if the error is only a symptom."""


class LearnedRecord(TypedDict):
    """The result for one counted error."""

    pattern_id: str
    pattern_signature: str
    pattern_type: str
    occurrence_count: int
    confidence_score: float
    auto_fix_enabled: bool
    has_fix: bool
    """Whether there is a fix that is not disabled, which runs or is refused with a reason."""
    action: Literal["created", "updated", "unchanged"]
    system_log_id: int | None


class UnknownRecord(TypedDict):
    """An error that was not counted, because it needs `join_errors_v1` or all its fields."""

    unknown: Literal[True]
    system_log_id: int | None


class LogRecord(TypedDict):
    """A row of ops.system_logs."""

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


Look = Literal["first", "next", "last"]
"""The first look for new rows, one after a look that found 500, or one when its time is over."""


class NewLogs(TypedDict):
    """New rows of ops.system_logs that nobody has learned."""

    logs: list[LogRecord]
    is_full: bool
    """Whether there may be more of them."""
    again_after_ms: int | None
    """When to look again, in milliseconds; None if somebody else does, or nothing is left."""


class ToldNotification(TypedDict):
    """A notification with what a message says about its pattern, its proposal and its fix."""

    id: int
    notification_id: str
    kind: str
    severity: str
    description: str
    pattern_id: str | None
    details: Json
    created_at: str
    pattern: Json | None
    proposal: Json | None
    fix: Json | None


# As the name of a field, try needs this form.
DueMessage = TypedDict(
    "DueMessage",
    {
        "message_id": str,
        "try": int,
        "created_at": str,
        "target": str,
        "url_secret": str,
        "url": "str | None",
        "notifications": "list[ToldNotification]",
    },
)
"""A message that a worker has taken to send it; its target is the worker's for three minutes."""


class CandidateQuery(TypedDict):
    """One error for which a fix is searched."""

    signatures: list[str]
    """Its signatures under all algorithms; the first known signature decides on the pattern."""
    system_log_id: int | None
    identifiers: dict[str, str]
    """What it names, as it is stored; the guard of a fix is compared with it."""


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
    guard: list[dict[str, str]] | None
    """Tuples of identifiers for which it was approved; None if the pattern's errors name none."""
    trusted_writers: list[str]
    target: list[str]
    """Names of the captured values that identify what a run works on."""
    mode: Literal["live", "shadow", "demoted", "expired"]
    mode_reason: str | None
    mode_changed_by: str | None
    """The person who approved it or changed its mode last; None if it was the engine."""
    dry_run_rows: int | None
    proposed_by: str | None
    approved_by: str
    tables: list[str]
    hosts: list[str]
    secrets: dict[str, list[str]]
    analysis: Json | None
    """The analysis that its approver read; None if it was approved without a proposal."""
    stored_matches: bool
    """Whether the stored fix has the digest that was approved."""


class Expression(TypedDict):
    """An enabled pattern's regular expression, for messages with an unknown signature."""

    pattern_id: str
    error_message_pattern: str
    pattern_signature: str


class OutsideGuard(TypedDict):
    """A fix that was not approved for what an error names."""

    version: int
    identifiers: dict[str, str]
    """What a person would have to confirm; empty if the error names nothing that counts."""


class Refusal(TypedDict):
    """Why the database refuses to run a fix."""

    code: Literal[
        "not_live",
        "applied_before",
        "in_hand",
        "moved",
        "no_error",
        "outside_guard",
        "paused",
        "demoted",
        "expired",
        "laws",
        "shadow",
    ]
    reason: NotRequired[str]
    """The reason of the pause, or why the fix was demoted or its approval is over."""
    until: NotRequired[str]
    """When the pause ends."""


class Candidate(TypedDict):
    """The log row, pattern and fix of one error."""

    log: CandidateLog | None
    pattern: CandidatePattern | None
    fix: CandidateFix | None
    untrusted_signature: str | None
    """The error's signature, if its pattern got it after the enabled fix was approved."""
    outside_guard: OutsideGuard | None
    """The fix that comes closest, if none was approved for what the error names."""
    expressions: list[Expression]
    hold: Refusal | None
    """Why the fix does not run for this error now: no_error, applied_before, in_hand, paused,
    demoted or expired."""
    before_approval: bool


class ErrorSeen(TypedDict):
    """An error as its fix sees it; after the run only `scrubbed` is kept."""

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
    identifiers: dict[str, str]
    target: str
    policy: Mapping[str, float]


class SecretRecord(TypedDict):
    """A Vault secret that a fix names."""

    value: str
    hosts: list[str]
    """The hosts that it may be sent to."""


class JobRecord(TypedDict):
    """The script, limits and secrets of a claimed fix that runs outside the database."""

    fix_type: str
    script: str
    parameters: Json
    error: Json
    timeout_ms: int
    max_retries: int
    max_rows: int
    secrets: dict[str, SecretRecord]


class Claim(TypedDict):
    """The application that the caller may run, or why there is none."""

    application_id: str | None
    refusal: Refusal | None
    """Why the claim was refused; either this or `application_id` is None."""
    validation: Json | None
    """The verdict of the Four Laws; None if the claim was refused before they were judged."""
    job: JobRecord | None
    """None for SQL, which runs inside the database."""


class RefusalNote(TypedDict):
    """Why a fix was not run for an error."""

    system_log_id: int
    gate: str
    """One of `healing.refusals.GATES`."""
    reason: str
    target: str | None


class RatedPattern(TypedDict):
    """A pattern's figures after an application."""

    success_rate: float
    confidence_score: float


class Outcome(TypedDict):
    """The outcome of an application."""

    success: bool
    error: str | None
    rows_touched: int
    tables: Json
    execution_time_ms: int
    pattern: RatedPattern
    rows_before: NotRequired[list[Json] | None]
    """A sample of rows before the run, not scrubbed; `rows_after` has the same rows after it."""
    rows_after: NotRequired[list[Json] | None]
    raised: NotRequired[str | None]
    """The text of an exception that the application's own code raised, not scrubbed."""


class RunOfLogRow(TypedDict):
    """The latest run of a fix for a log row."""

    pattern_id: str
    pattern_signature: str
    script: str
    is_running: bool
    outcome: Outcome | None
    """None until it is recorded."""


class ComposedFix(TypedDict):
    """A fix with its analysis, in the form that is stored and digested."""

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
    secrets: dict[str, list[str]]


class Terms(TypedDict):
    """Until when and for how many runs an approval holds."""

    ends_at: str | None
    max_heals: int | None


class Approval(Terms):
    """A fix that a person approves."""

    pattern_id: str
    fix: ComposedFix
    approved_by: str
    mode: Literal["live", "shadow"]


class Decision(Terms):
    """What a person decides on a proposal."""

    proposal_id: str
    sha256: str
    decision: Literal["approve", "reject"]
    reason: str | None
    mode: Literal["live", "shadow"]
    two_people: bool


class Disabling(TypedDict):
    """A fix that a person disables; its version or digest tells it from others of the pattern."""

    pattern_id: str
    reason: str | None
    version: int | None
    sha256: str | None


class Confirming(TypedDict):
    """Identifiers that a person confirms for a fix."""

    pattern_id: str
    identifiers: Sequence[Mapping[Any, str]]
    version: int | None
    sha256: str | None


class Enabling(Terms):
    """A fix that a person makes live, or to which a person gives other terms."""

    pattern_id: str
    sha256: str
    reason: str | None
    two_people: bool


class Undo(TypedDict):
    """The undo of a run."""

    application_id: str
    """The id of the undo script's own run."""
    pattern_id: str
    system_log_id: int | None
    fix_type: str
    undo_script: str | None
    """None for a bash fix whose replaced files are restored instead."""
    prepared_undo_script: str | None
    parameters: Json
    timeout_ms: int


class Rehearsal(TypedDict):
    """What a rehearsal did before it was undone."""

    success: bool
    error: str | None
    rows_touched: int
    tables: Json
    whole_tables: list[str]
    """Tables of which the run changed or deleted every row."""
    rows_before: list[Json] | None
    rows_after: list[Json] | None


class ReplayedRecord(LogRecord):
    """A stored error of a pattern, for the replay of a proposed fix."""

    identifiers: dict[str, str]
    is_inside_guard: bool
    load: Json
    """The part `load` of Law 2 for the five minutes before the error."""


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
    """Whether the pattern's fix may run for errors with this signature."""
    incident_count: int
    example: str | None
    """The latest message with this signature that is still in the log."""


class Split(TypedDict):
    """Signatures that are to be split off a pattern into a new one."""

    pattern_id: str
    signatures: list[str]
    expression: str | None
    reason: str | None


class Ignoring(TypedDict):
    """A pattern to ignore, and for how long."""

    pattern_id: str
    until: str | None
    occurrences: int | None
    reason: str | None


class RuleRecord(TypedDict):
    """The fields of a grouping rule that matter for matching it."""

    rule_id: str
    expression: str
    conditions: dict[str, str]
    fingerprint: str
    priority: int


class GroupingRecord(TypedDict):
    """What decides on the pattern of an error beside its text."""

    rules: list[RuleRecord]
    older_algorithms: list[str]


class StoredErrorRecord(TypedDict):
    """A counted error and its pattern."""

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
