"""Receiving the database webhook: learn from new log rows, heal those whose fix is enabled.

Rows are read from the table, never taken from the body. Delivery is at least once: a row counts
once and a fix version runs once for it, so the same call a second time changes nothing. One row
that cannot be worked on never keeps the others waiting.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pattern_engine import logs
from pattern_engine.database.batches import self_contained
from pattern_engine.exceptions import (
    DatabaseNotMigrated,
    PatternEngineError,
    StatementCancelled,
    Unavailable,
)
from pattern_engine.healing.candidates import find
from pattern_engine.healing.models import WebhookResponse
from pattern_engine.learning.learning import record
from pattern_engine.learning.sightings import Sighting, by_rules

if TYPE_CHECKING:
    from pattern_engine.database.database import Database
    from pattern_engine.database.records import AnyErrorRecord, Candidate, LearnedRecord, Refusal
    from pattern_engine.healing.models import WebhookRequest
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
    sightings = [Sighting.of_row(row) for row in rows]
    known = _learn(database, by_rules(sightings, database) if sightings else [], tally)
    fixable = [sighting for sighting, learned in known if learned["has_fix"]]
    refusals: list[Refusal] = []
    for sighting, candidate in _candidates(database, fixable, settings, tally) if fixable else []:
        refusal = _heal(database, sighting, candidate, settings, tally)
        if refusal is not None:
            refusals.append(refusal)
    if refusals:
        database.record_refusals(refusals)
    return WebhookResponse(
        received=len(ids),
        learned=tally.learned,
        unchanged=tally.unchanged,
        applied=tally.applied,
        healed=tally.healed,
        failed=tally.failed,
    )


def _learn(
    database: Database, sightings: list[Sighting], tally: Tally
) -> list[tuple[Sighting, LearnedRecord]]:
    """Learn from all of them, and answer those that were learned with what became of them."""
    computed: list[tuple[Sighting, AnyErrorRecord]] = []
    explained: set[str] = set()
    for sighting in sightings:
        try:
            computed.append((sighting, record(sighting, explained)))
        except Exception as problem:  # noqa: BLE001  whatever is wrong with this row, the others go on
            _note_failure("learning_failed", problem, sighting, tally)
    return _count(database, computed, tally) if computed else []


def _count(
    database: Database, computed: list[tuple[Sighting, AnyErrorRecord]], tally: Tally
) -> list[tuple[Sighting, LearnedRecord]]:
    """Count errors in one call; halve the batch where the database refuses it, to find the row."""
    try:
        outcomes = database.learn_errors([error for _, error in computed])
    except PatternEngineError as problem:
        if _is_for_all(problem):
            raise
        if len(computed) == 1:
            _note_failure("learning_failed", problem, computed[0][0], tally)
            return []
        first, second = _halves(computed)
        return _count(database, first, tally) + _count(database, second, tally)
    unchanged = sum(outcome["action"] == "unchanged" for outcome in outcomes)
    tally.unchanged += unchanged
    tally.learned += len(outcomes) - unchanged
    return [(sighting, outcome) for (sighting, _), outcome in zip(computed, outcomes, strict=True)]


def _halves(
    computed: list[tuple[Sighting, AnyErrorRecord]],
) -> tuple[list[tuple[Sighting, AnyErrorRecord]], list[tuple[Sighting, AnyErrorRecord]]]:
    """Both halves of a batch, each complete in itself."""
    middle = len(computed) // 2
    sightings = [sighting for sighting, _ in computed]
    errors = [error for _, error in computed]
    second = self_contained(errors[middle:], errors)
    return computed[:middle], list(zip(sightings[middle:], second, strict=True))


def _is_for_all(problem: PatternEngineError) -> bool:
    """Whether fewer rows would fare no better; a statement that took too long may have had many."""
    if isinstance(problem, StatementCancelled):
        return False
    return isinstance(problem, Unavailable | DatabaseNotMigrated)


def _candidates(
    database: Database, sightings: list[Sighting], settings: Settings, tally: Tally
) -> list[tuple[Sighting, Candidate]]:
    """What is known about each error; one by one where they cannot be looked up together."""
    try:
        return list(zip(sightings, find(database, sightings, settings), strict=True))
    except PatternEngineError as problem:
        if _is_for_all(problem):
            raise
        if len(sightings) == 1:
            _note_failure("finding_failed", problem, sightings[0], tally)
            return []
        return [
            found
            for sighting in sightings
            for found in _candidates(database, [sighting], settings, tally)
        ]


def _heal(
    database: Database,
    sighting: Sighting,
    candidate: Candidate,
    settings: Settings,
    tally: Tally,
) -> Refusal | None:
    """Heal one error, if it may be healed; else answer what to note of it."""
    from pattern_engine.healing import application  # noqa: PLC0415  most calls only learn

    try:
        answer = application.heal(database, sighting, candidate, settings)
    except Exception as problem:  # noqa: BLE001  whatever is wrong with this row, the others go on
        _note_failure("healing_failed", problem, sighting, tally)
        return None
    tally.applied += answer.applied
    tally.healed += answer.success is True
    if not answer.applied:
        logs.debug("not_applied", system_log_id=sighting.system_log_id, reason=answer.reason)
    return application.refusal_of(sighting, candidate, answer)


def _note_failure(event: str, problem: Exception, sighting: Sighting, tally: Tally) -> None:
    tally.failed += 1
    logs.error(event, problem, system_log_id=sighting.system_log_id)
