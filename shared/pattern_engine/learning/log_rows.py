"""Learning from rows of the log, many at a time.

A batch that fails is halved until the row that fails is alone, in reading as in counting, so that a
row keeps no other from being learned.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pattern_engine import logs
from pattern_engine.exceptions import DatabaseNotMigrated, StatementCancelled, Unavailable
from pattern_engine.grouping import rules
from pattern_engine.learning import counting, recording, sightings
from pattern_engine.text import scrubbing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pattern_engine.database.database import Database
    from pattern_engine.database.records import ErrorRecord, LearnedRecord, LogRecord
    from pattern_engine.learning.sightings import Sighting

Learned = tuple["Sighting", "LearnedRecord"]
Computed = tuple["Sighting", "ErrorRecord"]


class Failures(dict[int, str]):
    """The rows that failed, each with the reason."""

    def note(self, event: str, problem: Exception, log_id: int | None) -> None:
        """Log the failure of a row, and keep its reason."""
        logs.error(event, problem, system_log_id=log_id)
        if log_id is not None:
            self[log_id] = scrubbing.scrub(f"{type(problem).__name__}: {problem}")


def is_for_all(problem: Exception) -> bool:
    """Whether a smaller batch would fail as well; it may succeed after a statement's time-out."""
    if isinstance(problem, StatementCancelled):
        return False
    return isinstance(problem, Unavailable | DatabaseNotMigrated)


def read(database: Database, ids: list[int], failures: Failures) -> Iterator[list[LogRecord]]:
    """Read log rows in parts of bounded size, by id.

    Raises:
        Unavailable: if the database cannot be reached.
    """
    left = sorted(ids)
    while left:
        try:
            rows = database.read_logs(left)
        except Exception as problem:
            if is_for_all(problem):
                raise
            if len(left) == 1:
                failures.note("reading_failed", problem, left[0])
                return
            middle = len(left) // 2
            yield from read(database, left[:middle], failures)
            yield from read(database, left[middle:], failures)
            return
        if not rows:
            return
        yield rows
        left = [id_ for id_ in left if id_ > rows[-1]["id"]]


def learn(database: Database, rows: list[LogRecord], failures: Failures) -> list[Learned]:
    """Learn from log rows, and return each learned error with the database's answer.

    Raises:
        Unavailable: if the database cannot be reached.
    """
    rule_set = rules.current(database)
    computed: list[Computed] = []
    explained: set[str] = set()
    for row in rows:
        try:
            sighting = sightings.of_row(row, rule_set)
            computed.append((sighting, recording.record(sighting, explained)))
        except Exception as problem:  # noqa: BLE001  a row that fails must not stop the others
            failures.note("learning_failed", problem, row["id"])
    return _count(database, computed, failures) if computed else []


def _count(database: Database, computed: list[Computed], failures: Failures) -> list[Learned]:
    """Count errors in one call; if that fails, try each half of them."""
    try:
        outcomes = counting.count(database, [error for _, error in computed])
    except Exception as problem:
        if is_for_all(problem):
            raise
        if len(computed) == 1:
            failures.note("learning_failed", problem, computed[0][0].system_log_id)
            return []
        first, second = _halves(computed)
        return _count(database, first, failures) + _count(database, second, failures)
    return [(sighting, outcome) for (sighting, _), outcome in zip(computed, outcomes, strict=True)]


def _halves(computed: list[Computed]) -> tuple[list[Computed], list[Computed]]:
    """Both halves of a batch; each holds everything that its errors need to be counted."""
    middle = len(computed) // 2
    errors = [error for _, error in computed]
    second = counting.self_contained(errors[middle:], errors)
    of_second = [sighting for sighting, _ in computed[middle:]]
    return computed[:middle], list(zip(of_second, second, strict=True))
