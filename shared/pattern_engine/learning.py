"""Learning from errors (specification, "Learn from error"): compute in Python, count in one call.

One error and ten thousand take the same path, and the same log row counts once however often it is
learned.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pattern_engine import classification, features, grouping, regexes
from pattern_engine.models import LearnedPattern, LearnResponse

if TYPE_CHECKING:
    from pattern_engine.auth import Caller
    from pattern_engine.database import Database
    from pattern_engine.models import ErrorReport, LearnRequest
    from pattern_engine.records import ErrorRecord, LearnedRecord, LogRecord


@dataclass(frozen=True, slots=True)
class Sighting:
    """An error that occurred, from wherever we heard of it."""

    message: str
    source: str | None = None
    severity: str | None = None
    """As the application said; None to judge by the words of the message."""
    system_log_id: int | None = None
    claimed_by: str | None = None
    """The person on whose word it is learned; None where the engine knows by itself."""

    @classmethod
    def reported(cls, request: ErrorReport, caller: Caller) -> Sighting:
        """The error that a caller reports."""
        return cls(
            message=request.error_message,
            source=request.error_source,
            severity=request.severity,
            system_log_id=request.system_log_id,
            claimed_by=caller.user_id,
        )

    @classmethod
    def of_row(cls, row: LogRecord) -> Sighting:
        """The error that a row of ops.system_logs tells of."""
        return cls(row["message"], row["source"], row["log_level"], row["id"])


def learn(request: LearnRequest, caller: Caller, database: Database) -> LearnResponse:
    """Learn from one error that an application reports.

    Raises:
        UnknownLogRow: if it names a log row that does not exist.
        ForeignLogRow: if a person names one that is not his, or has another message.
    """
    (learned,) = learn_many([request], caller, database)
    return LearnResponse(pattern=LearnedPattern.model_validate(learned), action=learned["action"])


def learn_many(
    requests: list[LearnRequest], caller: Caller, database: Database
) -> list[LearnedRecord]:
    """Learn from any number of errors in one call, and answer what became of each, in order.

    Raises:
        UnknownLogRow: if one names a log row that does not exist; then none is learned.
        ForeignLogRow: if a person names one that is not his, or has another message.
    """
    return database.learn_errors(
        [record(Sighting.reported(request, caller)) for request in requests]
    )


def record(sighting: Sighting) -> ErrorRecord:
    """Everything that the database needs to count an error, or to make its pattern."""
    message = grouping.clean(sighting.message)
    group = grouping.group(message)
    found = features.extract(message, sighting.source, sighting.severity)
    return {
        "signature": group.signature,
        "algorithm": group.algorithm,
        "template": group.template,
        "pattern_type": classification.classify(message),
        "error_message_pattern": regexes.expression(group.template),
        "error_source": sighting.source,
        "severity": classification.severity(message, sighting.severity),
        "features": found.as_dict(),
        "system_log_id": sighting.system_log_id,
        "claimed_by": sighting.claimed_by,
        # Only a person's word is compared with the row; the engine need not send it again.
        "error_message": message if sighting.claimed_by else None,
    }
