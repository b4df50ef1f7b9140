"""Finding patterns that are similar to one, with a score and the words that differ."""

from __future__ import annotations

from difflib import SequenceMatcher
from typing import TYPE_CHECKING, NamedTuple

from pattern_engine.steering.models import SimilarResponse

if TYPE_CHECKING:
    from pattern_engine.api.callers import Caller
    from pattern_engine.database.database import Database
    from pattern_engine.steering.models import SimilarRequest

MAX_VALUES = 3
"""The most values of each name that are shown of a pattern."""
MAX_WORDS = 200
"""The most words of a template that are compared, which takes quadratic time."""


def similar(request: SimilarRequest, caller: Caller, database: Database) -> SimilarResponse:
    """Return the patterns that are similar to one, the most similar first.

    Raises:
        Forbidden: if a person is not an operator.
        UnknownPattern: if there is no such pattern.
    """
    pattern_id = str(request.pattern_id)
    found = database.similar_patterns(pattern_id, request.limit, caller)
    ids = [pattern_id, *(row["pattern_id"] for row in found)]
    own, *named = database.pattern_facets(ids, MAX_VALUES, caller)
    patterns = [
        row
        | {
            "differences": differences(row["own_template"], row["template"]),
            "facets": facets["facets"],
        }
        for row, facets in zip(found, named, strict=True)
    ]
    return SimilarResponse.model_validate(own | {"patterns": patterns})


class Stretch(NamedTuple):
    """Words of two templates that are the same, or that differ in the same place."""

    this: str
    other: str
    differs: bool


def compared(this: str, other: str) -> list[Stretch]:
    """Return two templates side by side, in stretches of words that are equal or differ."""
    ours, theirs = this.split()[:MAX_WORDS], other.split()[:MAX_WORDS]
    matcher = SequenceMatcher(None, ours, theirs, autojunk=False)
    return [
        Stretch(" ".join(ours[a:b]), " ".join(theirs[c:d]), kind != "equal")
        for kind, a, b, c, d in matcher.get_opcodes()
    ]


def differences(this: str, other: str) -> list[dict[str, str]]:
    """Return the words in which two templates differ, in pairs from the same place, in order."""
    return [
        {"this": each.this, "other": each.other} for each in compared(this, other) if each.differs
    ]
