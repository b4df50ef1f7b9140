"""An error from a log row or a request, with its group, which is computed once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Final

from pattern_engine import grouping
from pattern_engine.exceptions import ForeignLogRow
from pattern_engine.grouping import evidence, rules
from pattern_engine.text import scrubbing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pattern_engine.api.callers import Caller
    from pattern_engine.database.database import Database
    from pattern_engine.database.records import LogRecord
    from pattern_engine.grouping import Group
    from pattern_engine.grouping.evidence import Evidence
    from pattern_engine.grouping.rules import RuleSet
    from pattern_engine.learning.models import ErrorReport


MAX_IDENTIFIERS: Final = 16
"""Captured values of an error that are stored."""
MAX_VALUE: Final = 200
"""Characters of a captured value that are stored."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """An error that occurred, and its group."""

    message: str
    source: str | None
    severity: str | None
    """The severity that the application gave; None if words of the message are to decide."""
    system_log_id: int | None
    claimed_by: str | None
    """The person who reported it; None if the engine or the webhook did."""
    group: Group
    """Its group under the current algorithm."""
    older: tuple[str, ...]
    """Its signatures under older algorithms, if the database holds signatures of them; the first
    known signature decides on the pattern."""

    @property
    def identifiers(self) -> dict[str, str]:
        """What it names, without values that scrubbing would change."""
        return harmless(self.group.identifiers)

    @property
    def signatures(self) -> list[str]:
        """All its signatures, in the order in which they decide on its pattern."""
        return [*self.older, self.group.signature]


def harmless(named: Mapping[str, str]) -> dict[str, str]:
    """Return the first of some captured values, without those that scrubbing would change."""
    kept = ((name, value[:MAX_VALUE]) for name, value in named.items() if _is_harmless(value))
    return dict(islice(kept, MAX_IDENTIFIERS))


@lru_cache(maxsize=4096)
def _is_harmless(value: str) -> bool:
    return scrubbing.scrub(value) == value


def sighted(  # noqa: PLR0913  an error has this many properties
    message: str,
    *,
    source: str | None = None,
    severity: str | None = None,
    system_log_id: int | None = None,
    claimed_by: str | None = None,
    environment: str | None = None,
    sent: Evidence = evidence.NONE,
    rule_set: RuleSet = rules.NONE,
) -> Sighting:
    """Return an error with its group, by the rules, the evidence `sent` with it, or the message."""
    message = grouping.clean(message)
    group = grouping.group(
        message,
        rule=rule_set.fingerprint(
            message, source=source, environment=environment, severity=severity
        ),
        fingerprint=sent.fingerprint,
        stack=sent.stack,
        exception=sent.exception,
        fields=sent.fields,
    )
    older = grouping.older_signatures(message, group, rule_set.older_algorithms)
    signatures = tuple(each.signature for each in older)
    return Sighting(message, source, severity, system_log_id, claimed_by, group, signatures)


def of_row(row: LogRecord, rule_set: RuleSet) -> Sighting:
    """Return the error in a row of ops.system_logs."""
    return sighted(
        row["message"],
        source=row["source"],
        severity=row["log_level"],
        system_log_id=row["id"],
        environment=row["environment"],
        sent=evidence.read(row["error_data"], row["message"]),
        rule_set=rule_set,
    )


def reported(
    request: ErrorReport, caller: Caller, database: Database, *, row_decides: bool
) -> Sighting:
    """Return the error that a caller reports.

    With `row_decides`, the error is the log row that the report names, whatever was sent about it:
    who reports an error cannot choose its rule, pattern or fix. A person has to send the message of
    the row. A row that is no error leaves the engine's report as it is, and a person's with the
    message alone.

    Raises:
        ForeignLogRow: if a person names a row that has another message.
    """
    rule_set = rules.current(database)
    by_person = caller.user_id is not None
    if row_decides and request.system_log_id is not None:
        for row in database.read_logs([request.system_log_id]):
            if by_person and grouping.clean(row["message"]) != grouping.clean(
                request.error_message
            ):
                raise ForeignLogRow
            return replace(of_row(row, rule_set), claimed_by=caller.user_id)
        if by_person:
            return sighted(
                request.error_message,
                system_log_id=request.system_log_id,
                claimed_by=caller.user_id,
                rule_set=rule_set,
            )
    return sighted(
        request.error_message,
        source=request.error_source,
        severity=request.severity,
        system_log_id=request.system_log_id,
        claimed_by=caller.user_id,
        sent=evidence.read(request.error_data, request.error_message),
        rule_set=rule_set,
    )
