"""The parts of the Four Laws that follow from the script, its limits and the clock.

Source: specification, "Constitutional Validation". Harm means the blast radius; order means the
load and the fix's history; proportion means the work done for the number of errors; rhythm means
the time. The database computes all parts that depend on earlier runs (load, history, budgets,
confidence, cooldown, flapping, storm) in `ops_internal.judge_laws` and decides while it holds the
pattern's lock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pattern_engine.limits import MAX_RETRIES, MAX_TIMEOUT_MS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from pattern_engine.laws.circumstances import Circumstances
    from pattern_engine.thresholds import QuietHours, Thresholds

__all__ = ["Figure", "Part", "is_quiet", "parts"]

Figure = float | int | str | list[str] | None


class Part(NamedTuple):
    """One check of a law, in the form in which it is sent to the database."""

    law: int
    part: str
    holds: bool | None
    """Whether the check passes; None if there is no value to judge."""
    numbers: Mapping[str, Figure]
    """The values that were compared, and the thresholds."""
    risk: float = 0.0
    """For Law 1, from 0 to 1: below 1 if the check passes, else 1."""


def parts(given: Circumstances, allowed: Thresholds) -> list[Part]:
    """Return the engine's parts of the laws.

    Raises:
        ValueError: if there are quiet hours and `now` has no time zone.
    """
    return [
        _analysis(given),
        _destruction(given, allowed),
        _cap(given, allowed),
        _dry_run(given),
        _reach("tables", given.tables, allowed.max_tables),
        _reach("hosts", given.hosts, allowed.max_hosts),
        _time_limit(given),
        _retries(given),
        _quiet_hours(given, allowed),
    ]


def _analysis(given: Circumstances) -> Part:
    found = list(given.findings)
    return Part(1, "analysis", not found, {"findings": found}, float(bool(found)))


def _destruction(given: Circumstances, allowed: Thresholds) -> Part:
    is_fine = allowed.allow_destructive or not given.destructive
    numbers: dict[str, Figure] = {
        "destructive_operations": list(given.destructive),
        "allow_destructive": "on" if allowed.allow_destructive else "off",
    }
    return Part(1, "destruction", is_fine, numbers, float(not is_fine))


def _cap(given: Circumstances, allowed: Thresholds) -> Part:
    numbers: dict[str, Figure] = {
        "max_rows": given.max_rows,
        "max_rows_allowed": allowed.max_rows,
        "writes": "yes" if given.writes else "no",
    }
    if not given.writes:
        return Part(1, "cap", True, numbers)
    return _counted("cap", given.max_rows, allowed.max_rows, numbers)


def _dry_run(given: Circumstances) -> Part:
    numbers: dict[str, Figure] = {"dry_run_rows": given.dry_run_rows, "max_rows": given.max_rows}
    if given.dry_run_rows is None:
        return Part(1, "dry_run", None, numbers)
    return _counted("dry_run", given.dry_run_rows, given.max_rows, numbers)


def _reach(what: str, names: Iterable[str], most: int) -> Part:
    listed = list(names)
    return _counted(what, len(listed), most, {what: listed, f"max_{what}": most})


def _counted(name: str, used: int, most: int, numbers: Mapping[str, Figure]) -> Part:
    """Compare a count with its maximum; the risk is its share of the smallest count that fails."""
    return Part(1, name, used <= most, numbers, min(1.0, used / (most + 1)))


def _time_limit(given: Circumstances) -> Part:
    most = MAX_TIMEOUT_MS[given.fix_type]
    numbers: dict[str, Figure] = {"timeout_ms": given.timeout_ms, "timeout_ms_allowed": most}
    return Part(3, "time_limit", 0 < given.timeout_ms <= most, numbers)


def _retries(given: Circumstances) -> Part:
    numbers: dict[str, Figure] = {
        "max_retries": given.max_retries,
        "max_retries_allowed": MAX_RETRIES,
    }
    return Part(3, "retries", 0 <= given.max_retries <= MAX_RETRIES, numbers)


def _quiet_hours(given: Circumstances, allowed: Thresholds) -> Part:
    numbers: dict[str, Figure] = {
        "now": given.now.isoformat(),
        "quiet_hours": ", ".join(map(str, allowed.quiet_hours)),
    }
    return Part(4, "quiet_hours", not is_quiet(given.now, allowed.quiet_hours), numbers)


def is_quiet(now: datetime, quiet_hours: Iterable[QuietHours]) -> bool:
    """Return whether a moment lies in any of the quiet hours.

    Raises:
        ValueError: if the moment has no time zone.
    """
    return any(hours.cover(now) for hours in quiet_hours)
