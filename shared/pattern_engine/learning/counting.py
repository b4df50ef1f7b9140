"""Counting errors, one call for a batch.

An error that shows that two patterns are the same takes a second call, which merges them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from pattern_engine.exceptions import DatabaseError

if TYPE_CHECKING:
    from pattern_engine.database.database import Database
    from pattern_engine.database.records import ErrorRecord, LearnedRecord


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
