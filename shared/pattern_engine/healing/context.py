"""What a fix is told of the error that it runs for, and by whose log rows it may run."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from pattern_engine.text import scrubbing

if TYPE_CHECKING:
    from pattern_engine.database.database import Database
    from pattern_engine.database.records import Json
    from pattern_engine.learning.sightings import Sighting

ENGINE_WRITER = "service_role"
"""Who is taken to have written an error that the engine reports without a log row."""


def distrust(writer: str, trusted: list[str]) -> str:
    """Why a fix is not run for a log row of this writer."""
    return f"The log row was written by {writer}; the fix trusts rows of: {', '.join(trusted)}"


def record_changed_fix(database: Database, description: str, metadata: Json) -> None:
    """Put on record that the stored fix, or its undo script, is not the approved one."""
    database.record_event(
        {
            "event_type": "fix_refused",
            "severity": "critical",
            "description": description,
            "metadata": metadata,
            "validation": None,
        }
    )


def captured(sighting: Sighting) -> dict[str, str]:
    """What stood where the template has a variable: kind → text; the second of a kind is kind_2."""
    values: dict[str, str] = {}
    seen: Counter[str] = Counter()
    for kind, text in sighting.group().values:
        seen[kind] += 1
        values[kind if seen[kind] == 1 else f"{kind}_{seen[kind]}"] = text
    return values


def target(names: list[str], captured: dict[str, str]) -> str:
    """A digest of the captured values of these names; empty for the whole pattern, without names.

    Values are not stored: they may be personal.
    """
    if not names:
        return ""
    named = [captured.get(name) for name in names]
    return hashlib.sha256(json.dumps(named).encode()).hexdigest()[:32]


def error_context(sighting: Sighting) -> dict[str, Any]:
    """What a script learns of the error, and what stays of that once it has run."""
    return {
        "message": sighting.message,
        "source": sighting.source,
        "captured": captured(sighting),
        "system_log_id": sighting.system_log_id,
        # For the record: what the script sees goes when it has run.
        "scrubbed": scrubbing.scrub(sighting.message),
    }
