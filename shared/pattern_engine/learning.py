"""Learning from errors (specification, "Learn from error"): compute in Python, count in one call.

One error and ten thousand take the same path, and the same log row counts once however often it is
learned.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pattern_engine import (
    classification,
    evidence,
    features,
    grouping,
    regexes_v2,
    rules,
    scrubbing,
)
from pattern_engine.models import LearnedPattern, LearnResponse

if TYPE_CHECKING:
    from pattern_engine.auth import Caller
    from pattern_engine.database import Database
    from pattern_engine.evidence import Evidence
    from pattern_engine.grouping import Group
    from pattern_engine.models import ErrorReport, LearnRequest
    from pattern_engine.records import (
        AnyErrorRecord,
        ErrorRecord,
        KnownErrorRecord,
        LearnedRecord,
        LogRecord,
    )

MOST_OF_SAMPLE = 1024
"""Characters of its first message that a pattern keeps as a sample."""
_SCRUBBED = re.compile(r"\[[a-z0-9_ ]+\]")


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


def learn(request: LearnRequest, caller: Caller, database: Database) -> LearnResponse:
    """Learn from one error that an application reports.

    Raises:
        UnknownLogRow: if it names a log row that does not exist.
        ForeignLogRow: if a person names one that is not his, or has another message.
    """
    (sighting,) = by_rules([Sighting.reported(request, caller, database)], database)
    message, group = grouping.clean(sighting.message), sighting.group()
    keys = _keys(sighting, message, group)
    learned = database.learn_error(keys, lambda: _complete(keys, sighting, message, group))
    return LearnResponse(pattern=LearnedPattern.model_validate(learned), action=learned["action"])


def learn_many(
    requests: list[LearnRequest], caller: Caller, database: Database
) -> list[LearnedRecord]:
    """Learn from any number of errors in one call, and answer what became of each, in order.

    Raises:
        UnknownLogRow: if one names a log row that does not exist; then none is learned.
        ForeignLogRow: if a person names one that is not his, or has another message.
    """
    explained: set[str] = set()
    sightings = [Sighting.reported(request, caller, database) for request in requests]
    return database.learn_errors(
        [record(sighting, explained) for sighting in by_rules(sightings, database)]
    )


def by_rules(sightings: list[Sighting], database: Database) -> list[Sighting]:
    """The errors with the fingerprints that the operators' rules give them."""
    book = rules.current(database)
    if not book.rules:
        return sightings
    return [
        replace(sighting, rule=book.fingerprint(sighting.occurrence())) for sighting in sightings
    ]


def record(sighting: Sighting, explained: set[str] | None = None) -> AnyErrorRecord:
    """Everything that the database needs to count an error, or to make its pattern.

    What makes a pattern is left out where its signature is among those that another error of the
    batch has `explained`; else it is added to them.
    """
    message = grouping.clean(sighting.message)
    group = sighting.group()
    keys = _keys(sighting, message, group)
    if explained is not None and group.signature in explained:
        return keys
    complete = _complete(keys, sighting, message, group)
    if explained is not None:
        explained.add(group.signature)
    return complete


def _keys(sighting: Sighting, message: str, group: Group) -> KnownErrorRecord:
    """What counts an error whose signature the database has."""
    return {
        "signature": group.signature,
        "older": [older.signature for older in grouping.older_signatures(message, group)],
        "system_log_id": sighting.system_log_id,
        "claimed_by": sighting.claimed_by,
        # Only a person's word is compared with the row; the engine need not send it again.
        "error_message": message if sighting.claimed_by else None,
    }


def _complete(
    keys: KnownErrorRecord, sighting: Sighting, message: str, group: Group
) -> ErrorRecord:
    """Add what makes a pattern; nothing secret is stored in one.

    Signatures are digests of the template as it is, so they agree with those of other messages.
    """
    wider = list(grouping.wider_signatures(group.template)) if group.leaf else []
    template = scrubbing.scrub(group.template)
    if template != group.template:
        # What was taken out may be anything.
        group = group._replace(template=_SCRUBBED.sub("<*>", template))
    found = features.extract(message, sighting.source, sighting.severity)
    return {
        **keys,
        "algorithm": group.algorithm,
        "template": template,
        "leaf": group.leaf or None,
        "wider": wider,
        "pattern_type": classification.classify(message),
        "error_message_pattern": regexes_v2.expression(group),
        "error_source": sighting.source,
        "severity": classification.severity(message, sighting.severity),
        "features": found.as_dict(),
        "sample": scrubbing.scrub(message[: 2 * MOST_OF_SAMPLE])[:MOST_OF_SAMPLE],
    }
