"""Reading the statistics (specification, "Monitoring & Statistics")."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pattern_engine.overview.models import Statistics, StatisticsResponse

if TYPE_CHECKING:
    from pattern_engine.api.callers import Caller
    from pattern_engine.database.database import Database


def read(caller: Caller, database: Database) -> StatisticsResponse:
    """Return the key performance indicators; the database checks the role of a person.

    Raises:
        Forbidden: if a person is not an operator.
    """
    return StatisticsResponse(statistics=Statistics.model_validate(database.statistics(caller)))
