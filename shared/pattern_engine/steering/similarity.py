"""Finding patterns that are similar to one, with a score and the words that differ."""

from __future__ import annotations

from difflib import SequenceMatcher
from typing import TYPE_CHECKING

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


def differences(this: str, other: str) -> list[dict[str, str]]:
    """Return the words in which two templates differ, in pairs from the same place, in order."""
    ours, theirs = this.split()[:MAX_WORDS], other.split()[:MAX_WORDS]
    matcher = SequenceMatcher(None, ours, theirs, autojunk=False)
    return [
        {"this": " ".join(ours[a:b]), "other": " ".join(theirs[c:d])}
        for kind, a, b, c, d in matcher.get_opcodes()
        if kind != "equal"
    ]
