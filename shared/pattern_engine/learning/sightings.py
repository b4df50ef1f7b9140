"""An error that occurred, from wherever the engine heard of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pattern_engine import grouping
from pattern_engine.grouping import evidence, rules

if TYPE_CHECKING:
    from pattern_engine.api.callers import Caller
    from pattern_engine.database.database import Database
    from pattern_engine.database.records import LogRecord
    from pattern_engine.grouping import Group
    from pattern_engine.grouping.evidence import Evidence
    from pattern_engine.learning.models import ErrorReport


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
    environment: str | None = None
    evidence: Evidence = evidence.NONE
    """What else tells which error it is."""
    rule: str | None = None
    """The fingerprint of the operators' rule that it matches."""

    @classmethod
    def reported(cls, request: ErrorReport, caller: Caller, database: Database) -> Sighting:
        """The error that a caller reports."""
        return cls(
            message=request.error_message,
            source=request.error_source,
            severity=request.severity,
            system_log_id=request.system_log_id,
            claimed_by=caller.user_id,
            evidence=_told(request, caller, database),
        )

    @classmethod
    def of_row(cls, row: LogRecord) -> Sighting:
        """The error that a row of ops.system_logs tells of."""
        return cls(
            row["message"],
            row["source"],
            row["log_level"],
            row["id"],
            environment=row["environment"],
            evidence=evidence.read(row["error_data"], row["message"]),
        )

    def occurrence(self) -> rules.Occurrence:
        """What the operators' rules are asked about."""
        return rules.Occurrence(self.message, self.source, self.environment, self.severity)

    def group(self) -> Group:
        """Where it belongs under the current algorithm."""
        return grouping.group(
            grouping.clean(self.message),
            rule=self.rule,
            fingerprint=self.evidence.fingerprint,
            stack=self.evidence.stack,
            exception=self.evidence.exception,
        )


def _told(request: ErrorReport, caller: Caller, database: Database) -> Evidence:
    """What a caller tells of an error beside its message.

    Who names a log row as a person may say of it what it says itself, and no more: else a row that
    a fix trusts would lead to the fix of any pattern. The database compares the message; the rest
    is read from the row, and what cannot be read there counts for nothing.
    """
    error_data: object = request.error_data
    if error_data is None:
        return evidence.NONE
    if caller.user_id is not None and request.system_log_id is not None:
        rows = database.read_logs([request.system_log_id])
        error_data = rows[0]["error_data"] if rows else None
    return evidence.read(error_data, request.error_message)


def by_rules(sightings: list[Sighting], database: Database) -> list[Sighting]:
    """The errors with the fingerprints that the operators' rules give them."""
    book = rules.current(database)
    if not book.rules:
        return sightings
    return [
        replace(sighting, rule=book.fingerprint(sighting.occurrence())) for sighting in sightings
    ]
