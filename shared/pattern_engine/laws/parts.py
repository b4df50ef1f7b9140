"""What each of the Four Laws looks at, part by part, each with its numbers and a sentence.

Source: specification, "Constitutional Validation". Its words are read in the terms of operations:
harm is the blast radius, order is the load and what the fix did for it, proportion is how much is
done for how many errors, rhythm is when. `pattern_engine.laws.verdict` makes verdicts of the parts.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Final, NamedTuple

from pattern_engine.fibonacci import fibonacci

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from pattern_engine.laws.circumstances import Circumstances
    from pattern_engine.thresholds import QuietHours, Thresholds

__all__ = [
    "MOST_RETRIES",
    "Figure",
    "Part",
    "backoff_seconds",
    "entropy_increase",
    "harm",
    "is_quiet",
    "order",
    "proportion",
    "rhythm",
    "system_entropy",
]

Figure = float | int | str | None

#: Tries after the first one. With pauses of 0.1 s times 1, 1, 2, 3, 5, … eight of them wait 5.4 s;
#: a ninth would wait 8.8 s, longer than the database lets any statement run.
MOST_RETRIES: Final = 8
#: What a fix does for the system's entropy when all its outcomes were verified.
ENTROPY_INCREASE: Final = -0.05
#: Decided outcomes from which on a fix that did more harm than good is stopped for it.
_LEAST_HISTORY: Final = 3
_MAXIMUM_ENTROPY: Final = 1.0


class Part(NamedTuple):
    """One thing that a law looks at."""

    holds: bool | None
    """None where there is nothing to judge it by."""
    sentence: str
    numbers: Mapping[str, Figure]
    """What was looked at, and beside it the threshold."""
    risk: float = 0.0
    """For Law 1, 0 to 1: below 1 where it holds, 1 where it does not."""


# -- Law 1 -----------------------------------------------------------------------------------------


def harm(given: Circumstances, allowed: Thresholds) -> list[Part]:
    """Law 1: what the script may destroy, and how far it reaches."""
    return [
        _findings(given),
        _destruction(given, allowed),
        _cap(given, allowed),
        _dry_run(given),
        _reach("tables", given.tables, allowed.most_tables),
        _reach("hosts", given.hosts, allowed.most_hosts),
    ]


def _findings(given: Circumstances) -> Part:
    numbers: dict[str, Figure] = {"findings": len(given.findings)}
    if given.findings:
        return Part(False, f"the analysis found: {'; '.join(given.findings)}", numbers, 1.0)
    return Part(True, "the analysis found nothing", numbers)


def _destruction(given: Circumstances, allowed: Thresholds) -> Part:
    numbers: dict[str, Figure] = {
        "destructive_operations": len(given.destructive),
        "allow_destructive": "on" if allowed.allow_destructive else "off",
    }
    if not given.destructive:
        return Part(True, "no operation is destructive", numbers)
    listed = ", ".join(given.destructive)
    if allowed.allow_destructive:
        return Part(True, f"destructive, as approved: {listed}", numbers)
    return Part(False, f"destructive operations are off here: {listed}", numbers, 1.0)


def _cap(given: Circumstances, allowed: Thresholds) -> Part:
    numbers: dict[str, Figure] = {"max_rows": given.max_rows, "most_rows": allowed.most_rows}
    if not given.writes:
        return Part(True, "it writes to no table", numbers)
    if given.max_rows is None:
        return Part(False, "it writes, and has no cap on the rows it may touch", numbers, 1.0)
    sentence = f"its cap is {given.max_rows} rows, {allowed.most_rows} are allowed"
    return _counted(given.max_rows, allowed.most_rows, sentence, numbers)


def _dry_run(given: Circumstances) -> Part:
    numbers: dict[str, Figure] = {"dry_run_rows": given.dry_run_rows, "max_rows": given.max_rows}
    if given.dry_run_rows is None:
        return Part(None, "there was no dry-run", numbers)
    if given.max_rows is None:
        return Part(None, f"its dry-run touched {given.dry_run_rows} rows, without a cap", numbers)
    sentence = f"its dry-run touched {given.dry_run_rows} rows, its cap is {given.max_rows}"
    return _counted(given.dry_run_rows, given.max_rows, sentence, numbers)


def _reach(what: str, names: Iterable[str], most: int) -> Part:
    listed = list(names)
    where = f" ({', '.join(listed)})" if listed else ""
    sentence = f"{what}: {len(listed)}{where}, {most} are allowed"
    return _counted(len(listed), most, sentence, {what: len(listed), f"most_{what}": most})


def _counted(used: int, most: int, sentence: str, numbers: Mapping[str, Figure]) -> Part:
    """A count against the most it may be; its risk is its share of the first that is too many."""
    return Part(used <= most, sentence, numbers, min(1.0, used / (most + 1)))


# -- Law 2 -----------------------------------------------------------------------------------------


def system_entropy(recent_errors: int, errors_at_maximum: int = 100) -> float:
    """Return the entropy, 0 to 1, of so many errors in the last five minutes."""
    return min(_MAXIMUM_ENTROPY, recent_errors / errors_at_maximum)


def entropy_increase(verified: int, failed: int) -> float:
    """Return what a fix does for the entropy by its decided outcomes, -0.05 (good) to 0.05.

    All verified make the specification's -0.05, which is also assumed where none is decided.
    """
    decided = verified + failed
    return -ENTROPY_INCREASE * ((failed - verified) / decided) if decided else ENTROPY_INCREASE


def order(given: Circumstances, allowed: Thresholds) -> list[Part]:
    """Law 2: how many errors there are, and whether this fix makes them fewer."""
    return [_load(given, allowed), _history(given)]


def _load(given: Circumstances, allowed: Thresholds) -> Part:
    entropy = system_entropy(given.recent_errors, allowed.errors_at_maximum)
    share = given.recent_errors_of_pattern / given.recent_errors if given.recent_errors else None
    numbers: dict[str, Figure] = {
        "recent_errors": given.recent_errors,
        "errors_at_maximum": allowed.errors_at_maximum,
        "system_entropy": entropy,
        "recent_errors_of_pattern": given.recent_errors_of_pattern,
        "share_of_errors": share,
        "storm_share": allowed.storm_share,
    }
    load = f"{given.recent_errors} errors in five minutes make an entropy of {entropy:.2f}"
    if share is None or entropy < _MAXIMUM_ENTROPY:
        return Part(True, load, numbers)
    part = f"{given.recent_errors_of_pattern} of them, {share:.0%}, are of this pattern"
    sentence = f"{load}, {part}, {allowed.storm_share:.0%} needed at the maximum"
    return Part(share >= allowed.storm_share, sentence, numbers)


def _history(given: Circumstances) -> Part:
    verified, failed = given.verified_outcomes, given.failed_outcomes
    decided = verified + failed
    increase = entropy_increase(verified, failed)
    numbers: dict[str, Figure] = {
        "verified_outcomes": verified,
        "failed_outcomes": failed,
        "entropy_increase": increase if decided else None,
    }
    if not decided:
        return Part(None, f"no outcome is decided, {increase} is assumed", numbers)
    sentence = (
        f"{verified} of {decided} decided outcomes were verified, "
        f"an entropy increase of {increase:.3f}"
    )
    return Part(increase <= 0 or decided < _LEAST_HISTORY, sentence, numbers)


# -- Law 3 -----------------------------------------------------------------------------------------


def proportion(given: Circumstances, allowed: Thresholds) -> list[Part]:
    """Law 3: how much is done, for how many errors, and how well proven the fix is."""
    return [
        _time_limit(given),
        _retries(given),
        _runs(given, allowed),
        _runs_of_incidents(given, allowed),
        _rows(given, allowed),
        _rows_of_incidents(given, allowed),
        _confidence(given, allowed),
        _lower_bound(given, allowed),
    ]


def _time_limit(given: Circumstances) -> Part:
    return Part(
        0 < given.timeout_ms <= given.most_timeout_ms,
        f"its time limit is {given.timeout_ms} ms, 1 to {given.most_timeout_ms} are allowed",
        {"timeout_ms": given.timeout_ms, "most_timeout_ms": given.most_timeout_ms},
    )


def _retries(given: Circumstances) -> Part:
    return Part(
        0 <= given.max_retries <= MOST_RETRIES,
        f"{given.max_retries} retries, 0 to {MOST_RETRIES} are allowed",
        {"max_retries": given.max_retries, "most_retries": MOST_RETRIES},
    )


def _runs(given: Circumstances, allowed: Thresholds) -> Part:
    return Part(
        given.runs_last_hour < allowed.runs_per_hour,
        f"{given.runs_last_hour} runs in the last hour, {allowed.runs_per_hour} are allowed",
        {"runs_last_hour": given.runs_last_hour, "runs_per_hour": allowed.runs_per_hour},
    )


def _runs_of_incidents(given: Circumstances, allowed: Thresholds) -> Part:
    most = allowed.runs_per_incident * _incidents(given)
    return Part(
        given.runs_last_hour <= most,
        f"{given.runs_last_hour} runs for {given.incidents_last_hour} errors in the last hour, "
        f"up to {most:g} are in proportion",
        {
            "runs_last_hour": given.runs_last_hour,
            "incidents_last_hour": given.incidents_last_hour,
            "runs_per_incident": allowed.runs_per_incident,
        },
    )


def _rows(given: Circumstances, allowed: Thresholds) -> Part:
    return Part(
        given.rows_last_hour <= allowed.rows_per_hour,
        f"{given.rows_last_hour} rows in the last hour, {allowed.rows_per_hour} are allowed",
        {"rows_last_hour": given.rows_last_hour, "rows_per_hour": allowed.rows_per_hour},
    )


def _rows_of_incidents(given: Circumstances, allowed: Thresholds) -> Part:
    most = allowed.rows_per_incident * _incidents(given)
    return Part(
        given.rows_last_hour <= most,
        f"{given.rows_last_hour} rows for {given.incidents_last_hour} errors in the last hour, "
        f"up to {most} are in proportion",
        {
            "rows_last_hour": given.rows_last_hour,
            "incidents_last_hour": given.incidents_last_hour,
            "rows_per_incident": allowed.rows_per_incident,
        },
    )


def _incidents(given: Circumstances) -> int:
    """The errors that runs are measured by: the one at hand is there, learned yet or not."""
    return max(1, given.incidents_last_hour)


def _confidence(given: Circumstances, allowed: Thresholds) -> Part:
    least = allowed.min_confidence(given.fix_type)
    return Part(
        given.confidence >= least,
        f"a confidence of {given.confidence:.2f}, {least:.2f} needed for {given.fix_type}",
        {"confidence": given.confidence, f"min_confidence_{given.fix_type}": least},
    )


def _lower_bound(given: Circumstances, allowed: Thresholds) -> Part:
    least, enough = allowed.min_lower_bound, allowed.min_lower_bound_outcomes
    numbers: dict[str, Figure] = {
        "lower_bound": given.lower_bound,
        "min_lower_bound": least,
        "decided_outcomes": given.decided_outcomes,
        "min_lower_bound_outcomes": enough,
    }
    if given.lower_bound is None or given.decided_outcomes < enough:
        sentence = f"{given.decided_outcomes} decided outcomes, a lower bound needs {enough}"
        return Part(None, sentence, numbers)
    sentence = f"a lower bound of {given.lower_bound:.3f}, {least:.3f} needed"
    return Part(given.lower_bound >= least, sentence, numbers)


# -- Law 4 -----------------------------------------------------------------------------------------


def backoff_seconds(thresholds: Thresholds, consecutive_failures: int) -> float:
    """Return the pause that is due after so many failed outcomes in a row.

    The cooldown times 1, 1, 2, 3, 5, 8, … for 0, 1, 2, 3, 4, 5, … failures.
    """
    factor = next(itertools.islice(fibonacci(), consecutive_failures, None))
    return thresholds.cooldown_seconds * factor


def is_quiet(now: datetime, quiet_hours: Iterable[QuietHours]) -> bool:
    """Return whether a moment lies in any of the quiet hours.

    Raises:
        ValueError: if the moment does not know its time zone.
    """
    return any(hours.cover(now) for hours in quiet_hours)


def rhythm(given: Circumstances, allowed: Thresholds) -> list[Part]:
    """Law 4: whether it is time for a run."""
    return [
        _pause(given, allowed),
        _flapping(given, allowed),
        _storm(given, allowed),
        _quiet(given, allowed),
    ]


def _pause(given: Circumstances, allowed: Thresholds) -> Part:
    since, needed = (
        given.seconds_since_last_run,
        backoff_seconds(allowed, given.consecutive_failures),
    )
    numbers: dict[str, Figure] = {
        "seconds_since_last_run": since,
        "pause_seconds": needed,
        "cooldown_seconds": allowed.cooldown_seconds,
        "consecutive_failures": given.consecutive_failures,
    }
    if since is None:
        return Part(None, "there was no run before", numbers)
    sentence = (
        f"{since:.1f} s since the last run, {needed:.1f} s needed after "
        f"{given.consecutive_failures} failed outcomes in a row"
    )
    return Part(since >= needed, sentence, numbers)


def _flapping(given: Circumstances, allowed: Thresholds) -> Part:
    return Part(
        given.flaps_last_day < allowed.flaps_per_day,
        f"{given.flaps_last_day} verified outcomes overturned in a day, "
        f"{allowed.flaps_per_day} are flapping",
        {"flaps_last_day": given.flaps_last_day, "flaps_per_day": allowed.flaps_per_day},
    )


def _storm(given: Circumstances, allowed: Thresholds) -> Part:
    return Part(
        given.firing_patterns < allowed.storm_patterns,
        f"{given.firing_patterns} patterns with a fix fired within {allowed.storm_seconds:g} s, "
        f"{allowed.storm_patterns} are a storm",
        {
            "firing_patterns": given.firing_patterns,
            "storm_patterns": allowed.storm_patterns,
            "storm_seconds": allowed.storm_seconds,
        },
    )


def _quiet(given: Circumstances, allowed: Thresholds) -> Part:
    listed = ", ".join(map(str, allowed.quiet_hours))
    numbers: dict[str, Figure] = {"now": given.now.isoformat(), "quiet_hours": listed}
    if not listed:
        return Part(True, "no hours are quiet", numbers)
    if is_quiet(given.now, allowed.quiet_hours):
        return Part(False, f"{given.now.isoformat()} is in the quiet hours {listed}", numbers)
    return Part(True, f"{given.now.isoformat()} is outside the quiet hours {listed}", numbers)
