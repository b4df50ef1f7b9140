"""What claims are made with where nothing is to hold the fix back, and what their verdict says."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, Final

from pattern_engine.laws.circumstances import Circumstances
from pattern_engine.laws.parts import parts
from pattern_engine.thresholds import Thresholds

POLICY: Final = Thresholds(
    errors_at_maximum=1_000_000,
    min_confidence_sql=0,
    min_confidence_typescript=0,
    min_confidence_bash=0,
    min_confidence_api_call=0,
    min_lower_bound=0,
    runs_per_hour=100_000,
    rows_per_hour=100_000_000,
    runs_per_incident=1_000,
    rows_per_incident=1_000_000,
    cooldown_seconds=0,
    flaps_per_day=1_000,
    storm_patterns=10_000,
    demote_after=1_000,
    disable_after=1_001,
    settle_seconds=0,
).policy()
#: The engine's parts of the Four Laws for a script that nothing speaks against.
PARTS: Final = [
    part._asdict() for part in parts(Circumstances(now=datetime.now(UTC)), Thresholds())
]


def broken(claim: dict[str, Any]) -> list[tuple[int, str]]:
    """Return the parts that do not hold by the verdict that a claim was answered with."""
    return [
        (law["law"], part)
        for law in claim["validation"]["laws"]
        for part, holds in sorted(law["parts"].items())
        if holds is False
    ]


def number(claim: dict[str, Any], name: str) -> Any:
    """Return one of the numbers of a claim's verdict."""
    (found,) = {
        json.dumps(law["numbers"][name])
        for law in claim["validation"]["laws"]
        if name in law["numbers"]
    }
    return json.loads(found)
