"""Why a fix was not run, in words: the database refuses by a code."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pattern_engine.database.records import Refusal

UNCONSTITUTIONAL: Final = "Constitutional validation failed"
"""The specification's reason where the Four Laws forbid a run."""
REASONS: Final[Mapping[str, str]] = {
    "not_live": "This fix is not the version that is live",
    "applied_before": "This version of the fix was applied to this log row before",
    "in_hand": "Another worker is handling this error",
    "moved": "This error belongs to another pattern now",
    "paused": "All fixes are paused until {until}: {reason}",
    "demoted": "The fix waits for a person: {reason}",
    "laws": UNCONSTITUTIONAL,
    "shadow": "The fix is a shadow: it would have run",
}
UNNOTED: Final = frozenset({"applied_before", "in_hand", "moved"})
"""Refusals that are not noted with their error: it is dealt with elsewhere."""


def reason(refusal: Refusal) -> str:
    """Return a refusal of the database as a sentence."""
    until = refusal.get("until")
    told = refusal | {"until": _moment(until)} if until else refusal
    return REASONS[refusal["code"]].format(**told)


def _moment(stamp: str) -> str:
    return f"{datetime.fromisoformat(stamp).astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
