"""What the Four Laws look at, as values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Circumstances:
    """All that the laws look at, as values. Hours and days are those that end now."""

    pattern_signature: str
    fix_type: str = "sql"
    findings: Sequence[str] = ()
    """What the static analysis found against the script."""
    destructive: Sequence[str] = ()
    """Operations of it that lose something for good."""
    writes: bool = True
    """Whether it changes rows."""
    tables: Sequence[str] = ()
    """Tables that it reads or writes."""
    hosts: Sequence[str] = ()
    """Hosts that it may reach."""
    max_rows: int | None = 1_000
    """The cap on rows touched, by the approval; None if there is none."""
    dry_run_rows: int | None = None
    """Rows that the dry-run at approval touched; None if there was none."""
    timeout_ms: int = 5_000
    most_timeout_ms: int = 8_000
    """The most that a fix of this type may have, in milliseconds."""
    max_retries: int = 0
    confidence: float = 0.5
    lower_bound: float | None = None
    """See `pattern_engine.confidence.lower_bound`."""
    decided_outcomes: int = 0
    """Outcomes behind it, verified or failed, by weight and rounded: where they have faded, the
    bound says nothing of the fix any more."""
    verified_outcomes: int = 0
    failed_outcomes: int = 0
    """Both of the latest ten decided outcomes of this fix since it was put in use."""
    consecutive_failures: int = 0
    flaps_last_day: int = 0
    """Verified outcomes that a late recurrence overturned."""
    recent_errors: int = 0
    """Errors of all patterns in the last five minutes."""
    recent_errors_of_pattern: int = 0
    runs_last_hour: int = 0
    """Runs of this pattern's fix, the one in question not among them."""
    rows_last_hour: int = 0
    """Rows that they touched."""
    incidents_last_hour: int = 0
    """Errors of this pattern."""
    seconds_since_last_run: float | None = None
    """For this pattern and target; None if there was no run."""
    firing_patterns: int = 0
    """Different patterns with an enabled fix that fired within the seconds of a storm."""
    now: datetime = field(kw_only=True)
    """It knows its time zone."""
