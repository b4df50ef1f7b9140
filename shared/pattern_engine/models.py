"""Requests and responses of every endpoint, with the specification's keys.

Requests are strict: no field that is not listed, no string where a number belongs. Responses are
built from what the database answered and carry no other column of it. The OpenAPI document is made
from these classes, so a docstring or a description here is what a reader of the document sees.

Schemas are built when a class is first used: a function needs two of them, and start-up time is
what a serverless caller feels.
"""

from __future__ import annotations

import json
import re
from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
)
from pydantic_core import PydanticCustomError

from pattern_engine.fixes import MOST_TIMEOUT_MS
from pattern_engine.fixes.execution import DIRECTORY_NAME

MOST_MESSAGE_BYTES = 64 * 1024
MOST_SCRIPT_BYTES = 64 * 1024
MOST_ERROR_DATA_BYTES = 256 * 1024
"""As much as is read of a log row's."""
MOST_SOURCE_LENGTH = 256
MOST_REASON_LENGTH = 1000
MOST_IDS = 500
MOST_BIGINT = 2**63 - 1

# What JSON can say and Postgres cannot store: NUL, and halves of surrogate pairs.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def storable(value: object) -> object:
    """Text with everything replaced that Postgres cannot store; anything else as it is."""
    return _UNSTORABLE.sub("\ufffd", value) if isinstance(value, str) else value


def storable_throughout(value: object) -> object:
    """The same for all text within what JSON can say."""
    if isinstance(value, dict):
        return {storable(key): storable_throughout(member) for key, member in value.items()}
    if isinstance(value, list):
        return [storable_throughout(member) for member in value]
    return storable(value)


def _error_data_size(value: dict[str, Any]) -> dict[str, Any]:
    size = len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())
    if size > MOST_ERROR_DATA_BYTES:
        raise PydanticCustomError(
            "error_data_too_large",
            "Input has {size} bytes of JSON, at most {most} are taken",
            {"size": size, "most": MOST_ERROR_DATA_BYTES},
        )
    return value


def _not_blank(value: str) -> str:
    if not value.strip():
        raise PydanticCustomError("blank", "Input should not be blank")
    return value


def _message_size(value: str) -> str:
    size = len(value.encode())
    if size > MOST_MESSAGE_BYTES:
        raise PydanticCustomError(
            "message_too_large",
            "Input has {size} bytes, at most {most} are taken",
            {"size": size, "most": MOST_MESSAGE_BYTES},
        )
    return value


def _script_size(value: str) -> str:
    size = len(value.encode())
    if size > MOST_SCRIPT_BYTES:
        raise PydanticCustomError(
            "script_too_large",
            "Input has {size} bytes, at most {most} are taken",
            {"size": size, "most": MOST_SCRIPT_BYTES},
        )
    return value


Text = Annotated[str, BeforeValidator(storable), AfterValidator(_not_blank)]
Message = Annotated[Text, AfterValidator(_message_size)]
Script = Annotated[Text, AfterValidator(_script_size)]
ErrorData = Annotated[
    dict[str, Any], BeforeValidator(storable_throughout), AfterValidator(_error_data_size)
]
Source = Annotated[Text, Field(max_length=MOST_SOURCE_LENGTH)]
Reason = Annotated[Text, Field(max_length=MOST_REASON_LENGTH)]
# JSON has no UUIDs: a string is what a strict model has to take here.
Identifier = Annotated[UUID, Field(strict=False)]
LogId = Annotated[int, Field(ge=1, le=MOST_BIGINT)]
Severity = Literal["debug", "info", "warning", "error", "critical"]
PatternType = Literal["database", "api", "rls", "stripe", "deployment"]
FixMode = Literal["live", "shadow"]
FixType = Literal["sql", "typescript", "bash", "api_call"]
Writer = Literal["service_role", "authenticated", "postgres"]


class Request(BaseModel):
    """A request body: strict, and without fields that nobody asked for."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, defer_build=True)


class Response(BaseModel):
    """An answer: what the database says beyond its fields is left out."""

    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True)

    omitted_when_none: ClassVar[frozenset[str]] = frozenset()
    """Fields that are left out of the answer where they have nothing to say."""


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


class ClusterRequest(Request):
    """Nothing: clustering takes every pattern with three occurrences or more."""


class Cluster(Response):
    """Patterns that are alike."""

    cluster_id: str
    cluster_name: str
    pattern_ids: list[str]
    cluster_size: int
    avg_success_rate: float
    total_occurrences: int


class ClusterResponse(Response):
    """The clusters of one session."""

    success: Literal[True] = True
    clusters: list[Cluster]
    patterns_analyzed: int
    session_id: str


class PatternsByType(Response):
    """Patterns of each type."""

    database: int = 0
    api: int = 0
    rls: int = 0
    stripe: int = 0
    deployment: int = 0


class Statistics(Response):
    """The specification's key performance indicators."""

    total_patterns: int
    enabled_patterns: int
    approved_patterns: int
    avg_success_rate: float
    total_applications: int
    patterns_by_type: PatternsByType
    top_patterns: list[dict[str, Any]] = Field(description="Enabled patterns that heal best.")
    awaiting_approval: list[dict[str, Any]] = Field(
        description="Patterns with five occurrences or more and no enabled fix."
    )
    as_of: str = Field(description="When this was counted, ISO 8601.")


class StatisticsResponse(Response):
    """How learning goes."""

    statistics: Statistics


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

    directories: (
        dict[Annotated[str, Field(pattern=f"^{DIRECTORY_NAME}$")], Literal["read", "write"]] | None
    ) = Field(
        default=None,
        description="For bash: directories that the script gets a copy of at /granted/NAME, as in "
        '{"spool": "write", "config": "read"}. PATTERN_ENGINE_BASH_DIRECTORIES has the names. What '
        "a run did to a writable one is applied when the script has ended well.",
    )
    max_files: Annotated[int, Field(ge=1, le=10_000)] | None = Field(
        default=None,
        description="For bash: files and directories that a run may make, change and delete; "
        "100 by default. Beyond it nothing of the run remains.",
    )
    max_bytes: Annotated[int, Field(ge=0, le=1_073_741_824)] | None = Field(
        default=None,
        description="For bash: bytes of those files, before or after the run, whichever is more; "
        "67108864 by default.",
    )
    undo_hours: Annotated[int, Field(ge=1, le=720)] | None = Field(
        default=None,
        description="For bash: how long what a run replaced is kept for POST /rollback; "
        "24 by default.",
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
        most = MOST_TIMEOUT_MS.get(others.data.get("auto_fix_type", ""), 0)
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


class HealthResponse(Response):
    """The engine and its database answer."""

    status: Literal["ok"] = "ok"
    database: Literal["ok"] = "ok"


class Problem(Response):
    """What was wrong."""

    code: str = Field(description="Stable; branch on it.")
    message: str = Field(description="What was wrong, with which value, and what to do.")
    details: dict[str, Any]


class ErrorResponse(Response):
    """Every answer that is not a success."""

    error: Problem
    request_id: str = Field(description="Also in the x-request-id header, and in the log.")
