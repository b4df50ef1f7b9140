"""The database refuses a run with a code; here the code becomes a sentence."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from pattern_engine.exceptions import FixesPaused, NoEnabledFix, PatternEngineError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pattern_engine.database.records import Refusal

UNCONSTITUTIONAL: Final = "Constitutional validation failed"
"""The reason that the specification prescribes if the Four Laws forbid a run."""
NO_ERROR: Final = "Only errors and criticals of the application are healed"
"""The reason for a log row, or a report without one, of a lower level."""
REASONS: Final[Mapping[str, str]] = {
    "not_live": "This version of the fix is not the live version",
    "applied_before": "This version of the fix has already run for this log row",
    "in_hand": "Another worker is handling this error",
    "moved": "This error was moved to another pattern",
    "no_error": NO_ERROR,
    "outside_guard": "The fix was not approved for what the error names",
    "paused": "All fixes are paused until {until}: {reason}",
    "demoted": "The fix was demoted ({reason}); POST /enable makes it live again",
    "expired": "The approval of the fix is over ({reason}); POST /enable with a new ends_at or "
    "max_heals, or approve it again",
    "laws": UNCONSTITUTIONAL,
    "shadow": "The fix would have run, but it is a shadow; POST /enable makes it live",
}
UNNOTED: Final = frozenset({"applied_before", "in_hand", "moved"})
"""Refusals that are not noted with the error, because another run or pattern takes care of it."""

GATES: Final[Mapping[str, str]] = {
    "laws": "The Four Laws forbade the run: a budget, a cooldown, the load, or another part.",
    "outside_guard": "The fix was not approved for what the error names.",
    "unconfirmed": "The error's signature came to the pattern after the approval; nobody has "
    "confirmed it.",
    "paused": "All fixes were paused.",
    "demoted": "The fix was demoted because it failed too often.",
    "expired": "The approval was over.",
    "shadow": "The fix is a shadow: it would have run.",
    "before_approval": "The error happened before the fix was approved.",
    "too_old": "The error was delivered too late to be healed.",
    "writer": "The fix does not trust the role that wrote the log row.",
    "no_error": "The log row is no error of the application.",
    "two_people": "The approval takes two people, and one has done both.",
    "not_live": "The version was disabled or replaced at that moment.",
    "not_granted": "A host or a secret that the fix uses is missing or not granted.",
    "changed": "The stored fix is not the one that was approved.",
}
"""What kept a fix from an error, by the name that is stored with the error."""
_GATES: Final[Mapping[type[PatternEngineError], str]] = {
    NoEnabledFix: "not_live",
    FixesPaused: "paused",
}


def gate(problem: PatternEngineError) -> str:
    """Return the gate at which the database refused a claim with this error."""
    return _GATES.get(type(problem), "not_granted")


def reason(refusal: Refusal) -> str:
    """Return a refusal of the database as a sentence."""
    until = refusal.get("until")
    values = refusal | {"until": _moment(until)} if until else refusal
    return REASONS[refusal["code"]].format(**values)


def _moment(stamp: str) -> str:
    return f"{datetime.fromisoformat(stamp).astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
