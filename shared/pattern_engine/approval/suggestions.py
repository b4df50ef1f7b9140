"""Suggesting the fixes of similar patterns as drafts; a suggestion never runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pattern_engine.approval.models import SuggestionsResponse

if TYPE_CHECKING:
    from pattern_engine.api.callers import Caller
    from pattern_engine.approval.models import SuggestionsRequest
    from pattern_engine.database.database import Database


def suggest(request: SuggestionsRequest, caller: Caller, database: Database) -> SuggestionsResponse:
    """Return approved fixes of similar patterns with their outcomes, the most successful first.

    Raises:
        Forbidden: if the caller is a person without an operator's role.
        UnknownPattern: if there is no such pattern.
    """
    found = database.suggested_fixes(str(request.pattern_id), request.limit, caller)
    return SuggestionsResponse.model_validate({"suggestions": found})
