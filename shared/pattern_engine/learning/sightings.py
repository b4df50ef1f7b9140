"""An error that occurred, from wherever the engine heard of it: read once and grouped once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pattern_engine import grouping
from pattern_engine.grouping import evidence, rules

if TYPE_CHECKING:
    from pattern_engine.api.callers import Caller
    from pattern_engine.database.database import Database
    from pattern_engine.database.records import LogRecord
    from pattern_engine.grouping import Group
    from pattern_engine.grouping.evidence import Evidence
    from pattern_engine.grouping.rules import RuleSet
    from pattern_engine.learning.models import ErrorReport


@dataclass(frozen=True, slots=True)
class Sighting:
    """An error that occurred, with the group that it belongs to."""

    message: str
    source: str | None
    severity: str | None
    """As the application said; None to judge by the words of the message."""
    system_log_id: int | None
    claimed_by: str | None
    """The person on whose word it is learned; None where the engine knows by itself."""
    group: Group
    """Where it belongs under the current algorithm."""
    older: tuple[str, ...]
    """Its signatures under older algorithms; the first that is known decides."""

    @property
    def signatures(self) -> list[str]:
        """All its signatures, in the order in which they decide on its pattern."""
        return [*self.older, self.group.signature]


def sighted(  # noqa: PLR0913  an error has as many sides
    message: str,
    *,
    source: str | None = None,
    severity: str | None = None,
    system_log_id: int | None = None,
    claimed_by: str | None = None,
    environment: str | None = None,
    beside: Evidence = evidence.NONE,
    book: RuleSet = rules.NONE,
) -> Sighting:
    """Return an error with its group, which the operators' rules in `book` may decide."""
    message = grouping.clean(message)
    group = grouping.group(
        message,
        rule=book.fingerprint(message, source=source, environment=environment, severity=severity),
        fingerprint=beside.fingerprint,
        stack=beside.stack,
        exception=beside.exception,
    )
    older = tuple(older.signature for older in grouping.older_signatures(message, group))
    return Sighting(message, source, severity, system_log_id, claimed_by, group, older)


def of_row(row: LogRecord, book: RuleSet) -> Sighting:
    """Return the error that a row of ops.system_logs tells of."""
    return sighted(
        row["message"],
        source=row["source"],
        severity=row["log_level"],
        system_log_id=row["id"],
        environment=row["environment"],
        beside=evidence.read(row["error_data"], row["message"]),
        book=book,
    )


def reported(request: ErrorReport, caller: Caller, database: Database) -> Sighting:
    """Return the error that a caller reports."""
    return sighted(
        request.error_message,
        source=request.error_source,
        severity=request.severity,
        system_log_id=request.system_log_id,
        claimed_by=caller.user_id,
        beside=evidence.read(_error_data(request, caller, database), request.error_message),
        book=rules.current(database),
    )


def _error_data(request: ErrorReport, caller: Caller, database: Database) -> dict[str, Any] | None:
    """What a caller says of an error beside its message.

    A person who names a log row can say of it only what the row itself says: otherwise a row that a
    fix trusts could be led to the fix of any pattern. The database compares the message; the rest
    is read from the row, and what cannot be read there does not count.
    """
    if request.error_data is None or caller.user_id is None or request.system_log_id is None:
        return request.error_data
    rows = database.read_logs([request.system_log_id])
    return rows[0]["error_data"] if rows else None
