"""Receiving the database webhook: learn from new log rows, heal those whose fix is enabled.

Rows are read from the table, never taken from the body. Delivery is at least once: a row counts
once and a fix version runs once for it, so the same call a second time changes nothing. One row
that cannot be worked on never keeps the others waiting.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pattern_engine import logs
from pattern_engine.exceptions import (
    DatabaseNotMigrated,
    PatternEngineError,
    StatementCancelled,
    Unavailable,
)
from pattern_engine.grouping import rules
from pattern_engine.healing.models import WebhookResponse
from pattern_engine.learning import counting, recording, sightings

if TYPE_CHECKING:
    from pattern_engine.database.database import Database
    from pattern_engine.database.records import (
        ErrorRecord,
        LearnedRecord,
        LogRecord,
        RefusalNote,
    )
    from pattern_engine.healing.candidates import Match, NoMatch
    from pattern_engine.healing.models import WebhookRequest
    from pattern_engine.learning.sightings import Sighting
    from pattern_engine.settings import Settings


@dataclass(slots=True)
class Tally:
    """What became of the rows so far."""

    learned: int = 0
    unchanged: int = 0
    applied: int = 0
    healed: int = 0
    failed: int = 0


def receive(request: WebhookRequest, database: Database, settings: Settings) -> WebhookResponse:
    """Work on the rows that a webhook names.

    Raises:
        Unavailable: when the database is out of reach; sending the call again is safe.
    """
    ids = request.log_ids()
    tally = Tally()
    rows = database.read_logs(ids) if ids else []
    known = _learn(database, rows, tally) if rows else []
    fixable = [sighting for sighting, learned in known if learned["has_fix"]]
    notes: list[RefusalNote] = []
    for found in _candidates(database, fixable, tally) if fixable else []:
        note = _heal(database, found, settings, tally)
        if note is not None:
            notes.append(note)
    if notes:
        database.record_refusals(notes)
    return WebhookResponse(
        received=len(ids),
        learned=tally.learned,
        unchanged=tally.unchanged,
        applied=tally.applied,
        healed=tally.healed,
        failed=tally.failed,
    )


def _learn(
    database: Database, rows: list[LogRecord], tally: Tally
) -> list[tuple[Sighting, LearnedRecord]]:
    """Learn from all of them, and answer those that were learned with what became of them."""
    book = rules.current(database)
    computed: list[tuple[Sighting, ErrorRecord]] = []
    explained: set[str] = set()
    for row in rows:
        try:
            sighting = sightings.of_row(row, book)
            computed.append((sighting, recording.record(sighting, explained)))
        except Exception as problem:  # noqa: BLE001  whatever is wrong with this row, the others go on
            _note_failure("learning_failed", problem, row["id"], tally)
    return _count(database, computed, tally) if computed else []


def _count(
    database: Database, computed: list[tuple[Sighting, ErrorRecord]], tally: Tally
) -> list[tuple[Sighting, LearnedRecord]]:
    """Count errors in one call; halve the batch where the database refuses it, to find the row."""
    try:
        outcomes = counting.count(database, [error for _, error in computed])
    except PatternEngineError as problem:
        if _is_for_all(problem):
            raise
        if len(computed) == 1:
            _note_failure("learning_failed", problem, computed[0][0].system_log_id, tally)
            return []
        first, second = _halves(computed)
        return _count(database, first, tally) + _count(database, second, tally)
    unchanged = sum(outcome["action"] == "unchanged" for outcome in outcomes)
    tally.unchanged += unchanged
    tally.learned += len(outcomes) - unchanged
    return [(sighting, outcome) for (sighting, _), outcome in zip(computed, outcomes, strict=True)]


def _halves(
    computed: list[tuple[Sighting, ErrorRecord]],
) -> tuple[list[tuple[Sighting, ErrorRecord]], list[tuple[Sighting, ErrorRecord]]]:
    """Both halves of a batch, each complete in itself."""
    middle = len(computed) // 2
    errors = [error for _, error in computed]
    second = counting.self_contained(errors[middle:], errors)
    of_second = [sighting for sighting, _ in computed[middle:]]
    return computed[:middle], list(zip(of_second, second, strict=True))


def _is_for_all(problem: PatternEngineError) -> bool:
    """Whether fewer rows would fare no better; a statement that took too long may have had many."""
    if isinstance(problem, StatementCancelled):
        return False
    return isinstance(problem, Unavailable | DatabaseNotMigrated)


def _candidates(database: Database, errors: list[Sighting], tally: Tally) -> list[Match | NoMatch]:
    """What is known about each error; one by one where they cannot be looked up together."""
    from pattern_engine.healing import candidates  # noqa: PLC0415  most calls only learn

    try:
        return candidates.find(database, errors)
    except PatternEngineError as problem:
        if _is_for_all(problem):
            raise
        if len(errors) == 1:
            _note_failure("finding_failed", problem, errors[0].system_log_id, tally)
            return []
        return [found for error in errors for found in _candidates(database, [error], tally)]


def _heal(
    database: Database, found: Match | NoMatch, settings: Settings, tally: Tally
) -> RefusalNote | None:
    """Heal one error, if it may be healed; else answer what to note of it."""
    from pattern_engine.healing import application  # noqa: PLC0415  most calls only learn

    log_id = found.sighting.system_log_id
    try:
        healing = application.heal(database, found, settings)
    except Exception as problem:  # noqa: BLE001  whatever is wrong with this row, the others go on
        _note_failure("healing_failed", problem, log_id, tally)
        return None
    answer = healing.answer
    tally.applied += answer.applied
    tally.healed += answer.success is True
    if not answer.applied:
        logs.debug("not_applied", system_log_id=log_id, reason=answer.reason)
    return healing.note


def _note_failure(event: str, problem: Exception, log_id: int | None, tally: Tally) -> None:
    tally.failed += 1
    logs.error(event, problem, system_log_id=log_id)
