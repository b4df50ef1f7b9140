"""What the engine knows about a run before the Four Laws are judged."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from pattern_engine.limits import FixType


@dataclass(frozen=True, slots=True)
class Circumstances:
    """The analysis of a script, the limits of its fix, and the time."""

    fix_type: FixType = "sql"
    findings: Sequence[str] = ()
    """The objections of the static analysis."""
    destructive: Sequence[str] = ()
    """The script's operations that destroy something, such as deletes."""
    writes: bool = True
    """Whether it changes rows."""
    tables: Sequence[str] = ()
    """Tables that it reads or writes."""
    hosts: Sequence[str] = ()
    """Hosts that it may reach."""
    max_rows: int = 1_000
    """The most rows that the approval lets a run touch."""
    dry_run_rows: int | None = None
    """Rows that the dry-run touched; None if there was no dry-run."""
    timeout_ms: int = 5_000
    max_retries: int = 0
    now: datetime = field(kw_only=True)
    """A time with a time zone."""
