"""What the engine itself knows of a run that the Four Laws are asked about, as values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from pattern_engine.limits import FixType


@dataclass(frozen=True, slots=True)
class Circumstances:
    """A script as its analysis found it, the limits of its fix, and the time."""

    fix_type: FixType = "sql"
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
    max_rows: int = 1_000
    """The cap on rows touched, by the approval."""
    dry_run_rows: int | None = None
    """Rows that the dry-run at approval touched; None if there was none."""
    timeout_ms: int = 5_000
    max_retries: int = 0
    now: datetime = field(kw_only=True)
    """It knows its time zone."""
