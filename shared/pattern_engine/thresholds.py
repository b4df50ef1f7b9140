"""The thresholds of the Four Laws and of verification, which operators can set.

`pattern_engine.settings` reads them from the environment; `Thresholds()` has the defaults.
docs/explanation/four-laws.md explains how each of them is used.
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
    """The lowest and the highest allowed value."""

    least: float
    most: float

    def __str__(self) -> str:
        return f"{self.least:.15g} to {self.most:.15g}"


def between(least: float, most: float) -> dict[str, Bounds]:
    """The metadata of a field that holds a number within these bounds."""
    return {"bounds": Bounds(least, most)}


class QuietHours(NamedTuple):
    """Hours of each day in which no fix runs by itself, in the local time of a zone.

    They follow daylight saving time, and an hour that occurs twice is quiet twice.
    """

    start: int
    """The first quiet minute of the day, 0 to 1439."""
    end: int
    """The minute of the day after the last quiet one, 0 to 1440; below `start`, on the next day."""
    zone: tzinfo

    def cover(self, now: datetime) -> bool:
        """Return whether a moment lies in these hours.

        Raises:
            ValueError: if the moment has no time zone.
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
    """Read a comma list, as in `22:00-06:00 Europe/Berlin, 12:00-13:00`; the default zone is UTC.

    Raises:
        ValueError: with a sentence for the author of the list.
    """
    return tuple(_hours(text) for text in filter(None, map(str.strip, listed.split(","))))


def _hours(text: str) -> QuietHours:
    found = re.fullmatch(r"(\d\d):([0-5]\d)-(\d\d):([0-5]\d)(?:\s+(\S+))?", text, re.ASCII)
    if not found:
        raise ValueError(f"{text!r} must have the form 22:00-06:00 Europe/Berlin")
    hour, minute, end_hour, end_minute = map(int, found.groups()[:4])
    start, end = hour * 60 + minute, end_hour * 60 + end_minute
    if start >= 24 * 60 or end > 24 * 60:
        raise ValueError(f"{text!r} has a time after 24:00; the last start is 23:59")
    if start == end:
        raise ValueError(f"{text!r} starts when it ends; write 00:00-24:00 for the whole day")
    return QuietHours(start, end, _zone(found[5]))


def _zone(name: str | None) -> tzinfo:
    from datetime import UTC  # noqa: PLC0415  most deployments have no quiet hours
    from zoneinfo import ZoneInfo  # noqa: PLC0415  and it is slow to load

    if name in (None, "UTC"):
        return UTC
    try:
        return ZoneInfo(name)
    # ZoneInfo raises KeyError for an unknown name, ValueError for a path, OSError for a directory.
    except (KeyError, ValueError, OSError) as problem:
        raise ValueError(f"this machine has no time zone named {name!r}") from problem


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The limits within which fixes run by themselves."""

    # -- Law 1: harm -------------------------------------------------------------------------------
    max_rows: int = field(default=MAX_ROWS, metadata=between(1, 1_000_000))
    """Highest `max_rows` that a fix may have; a fix with a higher one does not run."""
    max_tables: int = field(default=10, metadata=between(1, 1_000))
    """Maximum number of tables that one fix may read or write."""
    max_hosts: int = field(default=5, metadata=between(1, 1_000))
    """Maximum number of hosts that one fix may reach."""
    allow_destructive: bool = True
    """`off` stops fixes that destroy something, for instance by a delete."""

    # -- Law 2: order ------------------------------------------------------------------------------
    errors_at_maximum: int = field(default=100, metadata=between(1, 1_000_000))
    """Errors of all patterns within five minutes at which the entropy is 1, its maximum; at least.
    If three times what is usual at this hour of the week is more, that is the maximum."""
    storm_share: float = field(default=0.5, metadata=between(0, 1))
    """Share of those errors that a pattern must have for its fix to run at an entropy of 1."""

    # -- Law 3: proportion -------------------------------------------------------------------------
    min_confidence_sql: float = field(default=0.5, metadata=between(0, 1))
    """Lowest confidence at which a fix of type sql runs by itself."""
    min_confidence_typescript: float = field(default=0.5, metadata=between(0, 1))
    """Lowest confidence at which a fix of type typescript runs by itself."""
    min_confidence_bash: float = field(default=0.5, metadata=between(0, 1))
    """Lowest confidence at which a fix of type bash runs by itself."""
    min_confidence_api_call: float = field(default=0.5, metadata=between(0, 1))
    """Lowest confidence at which a fix of type api_call runs by itself."""
    min_lower_bound: float = field(default=0.1, metadata=between(0, 1))
    """Lowest success rate, as its 5 % quantile by the outcomes so far, at which a fix runs."""
    min_lower_bound_outcomes: int = field(default=5, metadata=between(1, 1_000))
    """Number of decided outcomes from which on that success rate is required."""
    runs_per_hour: int = field(default=60, metadata=between(1, 100_000))
    """Maximum number of runs of one pattern's fix within an hour."""
    rows_per_hour: int = field(default=100_000, metadata=between(1, 100_000_000))
    """Rows touched by one pattern's fix within an hour above which it does not run again."""
    rows_per_incident: int = field(default=1_000, metadata=between(1, 1_000_000))
    """Maximum rows touched by a fix within an hour, for each of its pattern's errors in it."""
    runs_per_incident: float = field(default=1.0, metadata=between(0.01, 1_000))
    """Maximum runs of a fix within an hour, for each of its pattern's errors in that hour."""

    # -- Law 4: rhythm -----------------------------------------------------------------------------
    cooldown_seconds: float = field(default=60.0, metadata=between(0, DAY))
    """Seconds between two runs for one pattern and target; more after failed outcomes in a row."""
    flaps_per_day: int = field(default=3, metadata=between(1, 1_000))
    """Verified outcomes of a fix that errors overturned later within a day, at which it stops."""
    storm_patterns: int = field(default=10, metadata=between(2, 10_000))
    """Number of patterns with an enabled fix that make a storm if all of them have errors."""
    storm_seconds: float = field(default=60.0, metadata=between(0.1, 3_600))
    """Seconds within which those errors have to occur."""
    storm_pause_seconds: float = field(default=900.0, metadata=between(1, DAY))
    """Seconds for which a storm pauses all fixes."""
    quiet_hours: tuple[QuietHours, ...] = ()
    """Hours in which no fix runs by itself, a comma list as in `22:00-06:00 Europe/Berlin`; UTC if
    no zone is named."""

    # -- Verification ------------------------------------------------------------------------------
    demote_after: int = field(default=2, metadata=between(1, 100))
    """Failed outcomes in a row after which a fix is demoted until a person enables it again."""
    disable_after: int = field(default=3, metadata=between(1, 100))
    """Failed outcomes in a row after which a fix is disabled; those before a demotion count."""
    min_window_seconds: float = field(default=300.0, metadata=between(0.1, 7 * DAY))
    """Shortest time in seconds without the error after which a run counts as verified."""
    max_window_seconds: float = field(default=DAY, metadata=between(0.1, 7 * DAY))
    """Longest time in seconds without the error after which a run counts as verified."""
    settle_seconds: float = field(default=1.0, metadata=between(0, 60))
    """Errors within this many seconds after a run are ignored, because they began before it."""
    late_seconds: float = field(default=DAY, metadata=between(0, 30 * DAY))
    """Seconds after a run was verified in which a recurrence still turns it into a failed one."""

    # -- Approval ----------------------------------------------------------------------------------
    two_people: bool = False
    """`on` requires that a fix is approved by another person than the one who proposed it."""
    proposal_seconds: float = field(default=7 * DAY, metadata=between(60, 365 * DAY))
    """Seconds after which an undecided proposal expires."""

    def policy(self) -> dict[str, float]:
        """Return every threshold that is a number, by its name; the database decides by them."""
        return {
            each.name: getattr(self, each.name)
            for each in fields(self)
            if "bounds" in each.metadata
        }
