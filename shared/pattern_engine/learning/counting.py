"""Counting errors: one call for a batch, and a shorter one for an error with a known signature.

A process remembers which signatures the database has, and sends only the keys of their errors. If
the database lost such a pattern, it answers so without counting, and the complete record is sent.
An error that shows that two patterns are the same takes a second call, which merges them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast
from weakref import WeakKeyDictionary

from pattern_engine import logs
from pattern_engine.exceptions import DatabaseError
from pattern_engine.learning import recording

if TYPE_CHECKING:
    from pattern_engine.database.database import Database
    from pattern_engine.database.records import ErrorRecord, LearnedRecord
    from pattern_engine.learning.sightings import Sighting

MAX_SIGNATURES: Final = 20_000
"""Signatures that a process remembers; when there are more, it forgets all of them."""
_KNOWN: WeakKeyDictionary[Database, set[str]] = WeakKeyDictionary()


def count_one(database: Database, sighting: Sighting) -> LearnedRecord:
    """Count one error; send only its keys if its signature is known."""
    known = _KNOWN.setdefault(database, set())
    signature = sighting.group.signature
    if signature in known:
        (answer,) = database.learn_errors([recording.keys(sighting)])
        if "unknown" not in answer:
            return answer
        known.discard(signature)
        logs.warning("signature_lost", signature=signature)
    (learned,) = count(database, [recording.complete(sighting)])
    if learned["action"] != "unchanged":  # a row that was counted before may have another signature
        if len(known) >= MAX_SIGNATURES:
            known.clear()
        known.add(signature)
    return learned


def count(database: Database, errors: list[ErrorRecord]) -> list[LearnedRecord]:
    """Count errors and return the result of each, in order."""
    answers = database.learn_errors(errors)
    unknown = [place for place, answer in enumerate(answers) if "unknown" in answer]
    if unknown:
        left = self_contained([errors[place] for place in unknown], errors)
        for place, answer in zip(unknown, database.join_errors(left), strict=True):
            answers[place] = answer
    if any("unknown" in answer for answer in answers):
        raise DatabaseError(
            "The database did not count every error in join_errors_v1; check that the engine and "
            "the migrations are of the same version."
        )
    return cast("list[LearnedRecord]", answers)


def self_contained(part: list[ErrorRecord], whole: list[ErrorRecord]) -> list[ErrorRecord]:
    """Return part of a batch with every field added to the first error of each signature."""
    complete: dict[str, ErrorRecord] = {}
    for error in whole:
        if "template" in error:
            complete.setdefault(error["signature"], error)
    explained: set[str] = set()
    contained: list[ErrorRecord] = []
    for error in part:
        is_first = error["signature"] not in explained
        explained.add(error["signature"])
        contained.append({**complete[error["signature"]], **error} if is_first else error)
    return contained
