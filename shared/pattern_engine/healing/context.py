"""What a script sees of its error, the target of a run, and whose log rows are trusted."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from pattern_engine.text import scrubbing

if TYPE_CHECKING:
    from pattern_engine.database.database import Database
    from pattern_engine.database.records import ErrorSeen, Json
    from pattern_engine.learning.sightings import Sighting

ENGINE_WRITER = "service_role"
"""The role that counts as the writer of an error without a log row, which the engine reports."""


def error_seen(sighting: Sighting) -> ErrorSeen:
    """Return the error as its script sees it, and its scrubbed message for the record."""
    return {
        "message": sighting.message,
        "source": sighting.source,
        "captured": sighting.group.captured,
        "system_log_id": sighting.system_log_id,
        # Only this one is kept after the run.
        "scrubbed": scrubbing.scrub(sighting.message),
    }


def target(names: list[str], captured: dict[str, str]) -> str:
    """Return a digest of the captured values with these names; empty without names.

    It is a digest because captured values may be personal data.
    """
    if not names:
        return ""
    named = [captured.get(name) for name in names]
    return hashlib.sha256(json.dumps(named).encode()).hexdigest()[:32]


def distrust(writer: str, trusted: list[str]) -> str:
    """Return why a fix is not run for a log row of this writer."""
    return (
        f"The log row was written by the role {writer}; the fix trusts only rows of: "
        f"{', '.join(trusted)}"
    )


def record_changed_fix(database: Database, description: str, metadata: Json) -> None:
    """Record the event that a stored fix or undo script differs from the approved one."""
    database.record_event(
        {
            "event_type": "fix_refused",
            "severity": "critical",
            "description": description,
            "metadata": metadata,
            "validation": None,
        }
    )
