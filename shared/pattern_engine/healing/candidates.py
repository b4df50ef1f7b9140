"""Finding the patterns and fixes of errors.

For each error the result is a `Match` with a fix, or a `NoMatch` with the reason why there is none.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pattern_engine.database.database import Database
    from pattern_engine.database.records import (
        Candidate,
        CandidateFix,
        CandidateLog,
        CandidatePattern,
        CandidateQuery,
        OutsideGuard,
        Refusal,
    )
    from pattern_engine.learning.sightings import Sighting

GUARDING = ("constraint", "column", "table", "function", "role")
"""The names by which fixes are guarded, the most specific first."""
NO_PATTERN = "No matching pattern found"
NO_FIX = "The matching pattern has no enabled fix"


@dataclass(frozen=True, slots=True)
class Match:
    """An error and the fix of its pattern."""

    sighting: Sighting
    log: CandidateLog | None
    pattern: CandidatePattern
    fix: CandidateFix
    hold: Refusal | None
    """Why the fix does not run for this error now, by the database."""
    before_approval: bool
    """Whether the error occurred before the fix was approved."""


@dataclass(frozen=True, slots=True)
class NoMatch:
    """An error without a fix."""

    sighting: Sighting
    log: CandidateLog | None
    pattern: CandidatePattern | None
    untrusted_signature: str | None
    """The error's signature, if its pattern got it after the fix was approved."""
    outside_guard: OutsideGuard | None
    """The fix that comes closest, if none was approved for what the error names."""

    @property
    def reason(self) -> str:
        """Why there is no fix."""
        if self.pattern is None:
            return NO_PATTERN
        if self.untrusted_signature is not None:
            return (
                f"The error's signature {self.untrusted_signature} was added to the pattern after "
                "the fix was approved; POST /confirm lets the fix run for it"
            )
        if self.outside_guard is not None:
            return _unapproved(self.outside_guard)
        return NO_FIX


def _unapproved(outside: OutsideGuard) -> str:
    version = outside["version"]
    identifiers = {name: value for name in GUARDING if (value := outside["identifiers"].get(name))}
    if not identifiers:
        return (
            f"The error names none of the identifiers for which version {version} of the fix was "
            'approved; the parameter "when" of a new version can name others'
        )
    named = ", ".join(f"{name} {value!r}" for name, value in identifiers.items())
    return (
        f"Version {version} of the fix was not approved for {named}; POST /confirm with "
        f'"version": {version}, "identifiers": [{json.dumps(identifiers, ensure_ascii=False)}] '
        "lets it run for them"
    )


def find(database: Database, sightings: list[Sighting]) -> list[Match | NoMatch]:
    """Return a `Match` or `NoMatch` for each error, in order.

    An error with an unknown signature is matched against the expressions of the enabled patterns.
    """
    if not sightings:
        return []
    found = database.find_candidates([_query(each, *each.signatures) for each in sightings])
    matched = {
        place: signature
        for place, (sighting, candidate) in enumerate(zip(sightings, found, strict=True))
        if candidate["pattern"] is None and candidate["expressions"]
        if (signature := _by_expression(sighting.message, candidate)) is not None
    }
    if matched:
        again = [_query(sightings[place], signature) for place, signature in matched.items()]
        for place, candidate in zip(matched, database.find_candidates(again), strict=True):
            found[place] = candidate
    return [_parsed(*pair) for pair in zip(sightings, found, strict=True)]


def _parsed(sighting: Sighting, candidate: Candidate) -> Match | NoMatch:
    log, pattern, fix = candidate["log"], candidate["pattern"], candidate["fix"]
    if pattern is None or fix is None:
        return NoMatch(
            sighting, log, pattern, candidate["untrusted_signature"], candidate["outside_guard"]
        )
    return Match(sighting, log, pattern, fix, candidate["hold"], candidate["before_approval"])


def _query(sighting: Sighting, *signatures: str) -> CandidateQuery:
    return {
        "signatures": list(signatures),
        "system_log_id": sighting.system_log_id,
        "identifiers": sighting.identifiers,
    }


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
