"""What the database knows about an error and its fix."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pattern_engine import grouping

if TYPE_CHECKING:
    from pattern_engine.database.database import Database
    from pattern_engine.database.records import Candidate, CandidateQuery
    from pattern_engine.learning.sightings import Sighting
    from pattern_engine.settings import Settings


def find(database: Database, sightings: list[Sighting], settings: Settings) -> list[Candidate]:
    """What is known about each error and its fix, in order.

    An error whose signature is unknown is tried on the expressions of the enabled patterns.
    """
    queries = [_query(sighting, *signatures(sighting)) for sighting in sightings]
    storm_seconds = settings.thresholds.storm_seconds
    found = database.find_candidates(queries, storm_seconds)
    matched = {
        place: signature
        for place, (sighting, candidate) in enumerate(zip(sightings, found, strict=True))
        if candidate["pattern"] is None and candidate["expressions"]
        if (signature := _by_expression(sighting.message, candidate)) is not None
    }
    if matched:
        again = [_query(sightings[place], signature) for place, signature in matched.items()]
        for place, candidate in zip(
            matched, database.find_candidates(again, storm_seconds), strict=True
        ):
            found[place] = candidate
    return found


def signatures(sighting: Sighting) -> list[str]:
    """Its signatures in the order in which they decide: those of older algorithms come first."""
    group = sighting.group()
    older = grouping.older_signatures(grouping.clean(sighting.message), group)
    return [*(key.signature for key in older), group.signature]


def _query(sighting: Sighting, *signatures: str) -> CandidateQuery:
    return {"signatures": list(signatures), "system_log_id": sighting.system_log_id}


def _by_expression(message: str, candidate: Candidate) -> str | None:
    """The signature of the only enabled pattern whose expression the message matches."""
    from pattern_engine.grouping import matching  # noqa: PLC0415  most calls do without RE2

    return matching.first_unique_match(
        message,
        (
            (expression["pattern_signature"], expression["error_message_pattern"])
            for expression in candidate["expressions"]
        ),
    )
