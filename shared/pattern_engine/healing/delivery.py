"""Receiving the database webhook: learn from new log rows, and heal those with an enabled fix.

The body names the rows; their content is read from the table. Supabase may deliver a call again: a
row counts once and a fix version runs once for it, so a repeated call changes nothing. A row that
fails does not stop the other rows.
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
    """Counts of what happened with the rows so far."""

    learned: int = 0
    unchanged: int = 0
    applied: int = 0
    healed: int = 0
    failed: int = 0


def receive(request: WebhookRequest, database: Database, settings: Settings) -> WebhookResponse:
    """Learn from the rows that a webhook names, and heal them.

    Raises:
        Unavailable: if the database cannot be reached; sending the call again is safe.
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
    """Learn from the rows, and return each learned error with the database's answer."""
    rule_set = rules.current(database)
    computed: list[tuple[Sighting, ErrorRecord]] = []
    explained: set[str] = set()
    for row in rows:
        try:
            sighting = sightings.of_row(row, rule_set)
            computed.append((sighting, recording.record(sighting, explained)))
        except Exception as problem:  # noqa: BLE001  a row that fails must not stop the others
            _note_failure("learning_failed", problem, row["id"], tally)
    return _count(database, computed, tally) if computed else []


def _count(
    database: Database, computed: list[tuple[Sighting, ErrorRecord]], tally: Tally
) -> list[tuple[Sighting, LearnedRecord]]:
    """Count errors in one call; if the database refuses a batch, try each half of it."""
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
    """Both halves of a batch; each holds everything that its errors need to be counted."""
    middle = len(computed) // 2
    errors = [error for _, error in computed]
    second = counting.self_contained(errors[middle:], errors)
    of_second = [sighting for sighting, _ in computed[middle:]]
    return computed[:middle], list(zip(of_second, second, strict=True))


def _is_for_all(problem: PatternEngineError) -> bool:
    """Whether a smaller batch would fail as well; it may succeed after a statement's time-out."""
    if isinstance(problem, StatementCancelled):
        return False
    return isinstance(problem, Unavailable | DatabaseNotMigrated)


def _candidates(database: Database, errors: list[Sighting], tally: Tally) -> list[Match | NoMatch]:
    """Find the fix of each error; if the batch fails, look each of them up by itself."""
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
    """Heal one error, or return the note that says why its fix was refused."""
    from pattern_engine.healing import application  # noqa: PLC0415  most calls only learn

    log_id = found.sighting.system_log_id
    try:
        healing = application.heal(database, found, settings)
    except Exception as problem:  # noqa: BLE001  a row that fails must not stop the others
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
