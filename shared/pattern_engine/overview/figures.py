"""Reading how learning goes (specification, "Monitoring & Statistics")."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pattern_engine.overview.models import Statistics, StatisticsResponse

if TYPE_CHECKING:
    from pattern_engine.api.callers import Caller
    from pattern_engine.database.database import Database


def read(caller: Caller, database: Database) -> StatisticsResponse:
    """The key performance indicators; for a person, the database decides whether he may see them.

    Raises:
        Forbidden: for a person who is no operator.
    """
    return StatisticsResponse(statistics=Statistics.model_validate(database.statistics(caller)))
