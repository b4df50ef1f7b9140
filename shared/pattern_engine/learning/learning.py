"""Learning from an error (specification, "Learn from error").

Python computes its group and features, and one database call counts it. A log row is counted once,
even if it is sent again.

A process remembers which signatures the database has, and sends only the keys of their errors. If
the database lost such a pattern, it answers so without counting, and the complete record is sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary

from pattern_engine import logs
from pattern_engine.api.callers import Kind
from pattern_engine.learning import counting, recording, sightings
from pattern_engine.learning.models import LearnedPattern, LearnResponse

if TYPE_CHECKING:
    from pattern_engine.api.callers import Caller
    from pattern_engine.database.database import Database
    from pattern_engine.database.records import LearnedRecord
    from pattern_engine.learning.models import LearnRequest
    from pattern_engine.learning.sightings import Sighting

MAX_SIGNATURES: Final = 20_000
"""Signatures that a process remembers; when there are more, it forgets all of them."""
_KNOWN: WeakKeyDictionary[Database, set[str]] = WeakKeyDictionary()


def learn(request: LearnRequest, caller: Caller, database: Database) -> LearnResponse:
    """Learn from one error that an application reports.

    Raises:
        UnknownLogRow: if the log row does not exist.
        ForeignLogRow: if a person names somebody else's log row, or one with another message.
    """
    by_person = caller.kind is Kind.PERSON  # the engine's key may say more than the row holds
    sighting = sightings.reported(request, caller, database, row_decides=by_person)
    learned = _count_one(database, sighting)
    return LearnResponse(pattern=LearnedPattern.model_validate(learned), action=learned["action"])


def _count_one(database: Database, sighting: Sighting) -> LearnedRecord:
    """Count one error; send only its keys if its signature is known."""
    known = _KNOWN.setdefault(database, set())
    signature = sighting.group.signature
    if signature in known:
        (answer,) = database.learn_errors([recording.keys(sighting)])
        if "unknown" not in answer:
            return answer
        known.discard(signature)
        logs.warning("signature_lost", signature=signature)
    (learned,) = counting.count(database, [recording.complete(sighting)])
    if learned["action"] != "unchanged":  # a row that was counted before may have another signature
        if len(known) >= MAX_SIGNATURES:
            known.clear()
        known.add(signature)
    return learned
