"""Near-duplicates of a pattern: proposed with a score and the words that differ, never joined."""

from __future__ import annotations

from difflib import SequenceMatcher
from typing import TYPE_CHECKING

from pattern_engine.steering.models import SimilarResponse

if TYPE_CHECKING:
    from pattern_engine.api.callers import Caller
    from pattern_engine.database.database import Database
    from pattern_engine.steering.models import SimilarRequest

MOST_WORDS = 200
"""Words of a template that are compared one by one: comparing takes time in their product."""


def similar(request: SimilarRequest, caller: Caller, database: Database) -> SimilarResponse:
    """The patterns that resemble one, best first.

    Raises:
        Forbidden: for a person who is no operator.
        UnknownPattern: if there is no such pattern.
    """
    found = database.similar_patterns(str(request.pattern_id), request.limit, caller)
    patterns = [
        row | {"differences": differences(row["own_template"], row["template"])} for row in found
    ]
    return SimilarResponse.model_validate({"patterns": patterns})


def differences(this: str, other: str) -> list[dict[str, str]]:
    """The words in which two templates differ, in order: each pair stands in the same place."""
    ours, theirs = this.split()[:MOST_WORDS], other.split()[:MOST_WORDS]
    matcher = SequenceMatcher(None, ours, theirs, autojunk=False)
    return [
        {"this": " ".join(ours[a:b]), "other": " ".join(theirs[c:d])}
        for kind, a, b, c, d in matcher.get_opcodes()
        if kind != "equal"
    ]
