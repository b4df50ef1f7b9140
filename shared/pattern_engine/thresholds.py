"""The thresholds of the Four Laws and of verification: what an operator may turn.

The defaults suit a deployment that nobody has tuned. `pattern_engine.settings` fills them from the
environment; `Thresholds()` is what holds where it says nothing. How each of them is used is told in
docs/explanation/four-laws.md.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from datetime import datetime, tzinfo

from pattern_engine.limits import MAX_ROWS

__all__ = ["Bounds", "QuietHours", "Thresholds", "between", "quiet_hours"]

DAY: Final = 86_400.0


class Bounds(NamedTuple):
    """The least and the most that a number may be, both allowed."""

    least: float
    most: float

    def __str__(self) -> str:
        return f"{self.least:.15g} to {self.most:.15g}"


def between(least: float, most: float) -> dict[str, Bounds]:
    """The metadata of a field that holds a number within these bounds."""
    return {"bounds": Bounds(least, most)}


class QuietHours(NamedTuple):
    """Hours of each day in which nothing runs by itself, by the clock on a wall of that zone.

    So a change to summer time moves them, and an hour that the clock strikes twice is quiet twice.
    """

    start: int
    """Minute of the day, 0 to 1439, that is the first quiet one."""
    end: int
    """Minute of the day, 0 to 1440, that is not quiet any more; below `start`, it is tomorrow's."""
    zone: tzinfo

    def cover(self, now: datetime) -> bool:
        """Whether a moment, which knows its time zone, lies in them.

        Raises:
            ValueError: if it does not know its time zone.
        """
        if now.utcoffset() is None:
            raise ValueError(f"{now} has no time zone")
        local = now.astimezone(self.zone)
        minute = local.hour * 60 + local.minute
        if self.start < self.end:
            return self.start <= minute < self.end
        return minute >= self.start or minute < self.end

    def __str__(self) -> str:
        return f"{_clock(self.start)}-{_clock(self.end)} {self.zone}"


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def quiet_hours(listed: str) -> tuple[QuietHours, ...]:
    """Read a comma list, as in `22:00-06:00 Europe/Berlin, 12:00-13:00`; without a zone it is UTC.

    Raises:
        ValueError: with a sentence for whoever wrote the list.
    """
    return tuple(_hours(text) for text in filter(None, map(str.strip, listed.split(","))))


def _hours(text: str) -> QuietHours:
    found = re.fullmatch(r"(\d\d):([0-5]\d)-(\d\d):([0-5]\d)(?:\s+(\S+))?", text, re.ASCII)
    if not found:
        raise ValueError(f"{text!r} is not like 22:00-06:00 Europe/Berlin")
    hour, minute, end_hour, end_minute = map(int, found.groups()[:4])
    start, end = hour * 60 + minute, end_hour * 60 + end_minute
    if start >= 24 * 60 or end > 24 * 60:
        raise ValueError(f"{text!r} has a time that no day has")
    if start == end:
        raise ValueError(f"{text!r} starts as it ends; the whole day is 00:00-24:00")
    return QuietHours(start, end, _zone(found[5]))


def _zone(name: str | None) -> tzinfo:
    from datetime import UTC  # noqa: PLC0415  most deployments have no quiet hours
    from zoneinfo import ZoneInfo  # noqa: PLC0415  and it is slow to load

    if name in (None, "UTC"):
        return UTC
    try:
        return ZoneInfo(name)
    # What is unknown is a KeyError, what is a path is a ValueError, a directory an OSError.
    except (KeyError, ValueError, OSError) as problem:
        raise ValueError(f"{name!r} is no time zone that this machine knows") from problem


@dataclass(frozen=True, slots=True)
class Thresholds:
    """How far fixes go by themselves, and what makes the engine stop them."""

    # -- Law 1: harm -------------------------------------------------------------------------------
    max_rows: int = field(default=MAX_ROWS, metadata=between(1, 1_000_000))
    """Highest cap on rows that a fix may have; one with a higher cap does not run."""
    max_tables: int = field(default=10, metadata=between(1, 1_000))
    """Most tables that one fix may read or write."""
    max_hosts: int = field(default=5, metadata=between(1, 1_000))
    """Most hosts that one fix may reach."""
    allow_destructive: bool = True
    """`off` stops fixes that lose something for good, by a delete for instance."""

    # -- Law 2: order ------------------------------------------------------------------------------
    errors_at_maximum: int = field(default=100, metadata=between(1, 1_000_000))
    """Errors of all patterns within five minutes at which the entropy is 1, its maximum."""
    storm_share: float = field(default=0.5, metadata=between(0, 1))
    """Share of those errors that a pattern must make up for its fix to run at the maximum."""

    # -- Law 3: proportion -------------------------------------------------------------------------
    min_confidence_sql: float = field(default=0.5, metadata=between(0, 1))
    """Least confidence at which a fix of type sql runs by itself."""
    min_confidence_typescript: float = field(default=0.5, metadata=between(0, 1))
    """Least confidence at which a fix of type typescript runs by itself."""
    min_confidence_bash: float = field(default=0.5, metadata=between(0, 1))
    """Least confidence at which a fix of type bash runs by itself."""
    min_confidence_api_call: float = field(default=0.5, metadata=between(0, 1))
    """Least confidence at which a fix of type api_call runs by itself."""
    min_lower_bound: float = field(default=0.1, metadata=between(0, 1))
    """Least share of runs that a fix is all but sure to end well (the 5 % quantile)."""
    min_lower_bound_outcomes: int = field(default=5, metadata=between(1, 1_000))
    """Outcomes that must be decided before that share is asked for."""
    runs_per_hour: int = field(default=60, metadata=between(1, 100_000))
    """Runs of one pattern's fix within an hour; the next one waits."""
    rows_per_hour: int = field(default=100_000, metadata=between(1, 100_000_000))
    """Rows that one pattern's fix may have touched within an hour when it runs again."""
    rows_per_incident: int = field(default=1_000, metadata=between(1, 1_000_000))
    """Rows that a fix may have touched within an hour for each of the pattern's errors of it."""
    runs_per_incident: float = field(default=1.0, metadata=between(0.01, 1_000))
    """Runs that a fix may have had within an hour for each of the pattern's errors of it."""

    # -- Law 4: rhythm -----------------------------------------------------------------------------
    cooldown_seconds: float = field(default=60.0, metadata=between(0, DAY))
    """Seconds between two runs for one pattern and target; more after failed outcomes in a row."""
    flaps_per_day: int = field(default=3, metadata=between(1, 1_000))
    """Verified outcomes overturned by a late recurrence within a day at which a fix stops."""
    storm_patterns: int = field(default=10, metadata=between(2, 10_000))
    """Different patterns with an enabled fix that make a storm when they fire together."""
    storm_seconds: float = field(default=60.0, metadata=between(0.1, 3_600))
    """Seconds within which they count as together."""
    storm_pause_seconds: float = field(default=900.0, metadata=between(1, DAY))
    """Seconds for which a storm pauses all fixes."""
    quiet_hours: tuple[QuietHours, ...] = ()
    """Hours in which no fix runs by itself, as in `22:00-06:00 Europe/Berlin`, a comma list; UTC
    where no zone is named."""

    # -- Verification ------------------------------------------------------------------------------
    demote_after: int = field(default=2, metadata=between(1, 100))
    """Failed outcomes in a row after which a fix runs only when a person says so."""
    disable_after: int = field(default=3, metadata=between(1, 100))
    """Failed outcomes in a row, those included, after which a fix is disabled."""
    min_window_seconds: float = field(default=300.0, metadata=between(0.1, 7 * DAY))
    """Seconds that an error must stay away for its fix to count as verified, at least."""
    max_window_seconds: float = field(default=DAY, metadata=between(0.1, 7 * DAY))
    """Seconds that an error must stay away for its fix to count as verified, at most."""
    settle_seconds: float = field(default=1.0, metadata=between(0, 60))
    """Errors this many seconds after a run were under way already, and speak against nothing."""
    late_seconds: float = field(default=DAY, metadata=between(0, 30 * DAY))
    """Seconds after a fix was verified in which a recurrence still overturns it."""

    # -- Approval ----------------------------------------------------------------------------------
    two_people: bool = False
    """`on` lets nobody approve a script that he proposed himself."""
    proposal_seconds: float = field(default=7 * DAY, metadata=between(60, 365 * DAY))
    """Seconds after which a proposal that nobody approved expires."""

    def policy(self) -> dict[str, float]:
        """Return what the database decides by: every number, by its name."""
        return {
            each.name: getattr(self, each.name)
            for each in fields(self)
            if "bounds" in each.metadata
        }
