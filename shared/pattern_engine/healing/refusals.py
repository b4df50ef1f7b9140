"""The database refuses a run with a code; here the code becomes a sentence."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

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


def reason(refusal: Refusal) -> str:
    """Return a refusal of the database as a sentence."""
    until = refusal.get("until")
    values = refusal | {"until": _moment(until)} if until else refusal
    return REASONS[refusal["code"]].format(**values)


def _moment(stamp: str) -> str:
    return f"{datetime.fromisoformat(stamp).astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
