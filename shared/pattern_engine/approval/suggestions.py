"""Fixes that helped patterns like the one at hand: drafts for a person, which nothing ever runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pattern_engine.approval.models import SuggestionsResponse

if TYPE_CHECKING:
    from pattern_engine.api.callers import Caller
    from pattern_engine.approval.models import SuggestionsRequest
    from pattern_engine.database.database import Database


def suggest(request: SuggestionsRequest, caller: Caller, database: Database) -> SuggestionsResponse:
    """Approved fixes of similar patterns with their track record, those that helped most first.

    Raises:
        Forbidden: for a person who is no operator.
        UnknownPattern: if there is no such pattern.
    """
    found = database.suggested_fixes(str(request.pattern_id), request.limit, caller)
    return SuggestionsResponse.model_validate({"suggestions": found})
