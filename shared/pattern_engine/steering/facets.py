"""Reading what the errors of a pattern named: constraints, tables, roles, throwing places."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pattern_engine.steering.models import FacetsResponse

if TYPE_CHECKING:
    from pattern_engine.api.callers import Caller
    from pattern_engine.database.database import Database
    from pattern_engine.steering.models import FacetsRequest


def facets(request: FacetsRequest, caller: Caller, database: Database) -> FacetsResponse:
    """Return the names of a pattern with their most frequent values.

    Raises:
        Forbidden: if a person is not an operator.
        UnknownPattern: if there is no such pattern.
    """
    (found,) = database.pattern_facets([str(request.pattern_id)], request.limit, caller)
    return FacetsResponse.model_validate(found)
