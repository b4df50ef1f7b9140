"""Learning from errors (specification, "Learn from error"): compute in Python, count in one call.

The same log row counts once, however often it is learned.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pattern_engine.learning import sightings
from pattern_engine.learning.counting import count_one
from pattern_engine.learning.models import LearnedPattern, LearnResponse

if TYPE_CHECKING:
    from pattern_engine.api.callers import Caller
    from pattern_engine.database.database import Database
    from pattern_engine.learning.models import LearnRequest


def learn(request: LearnRequest, caller: Caller, database: Database) -> LearnResponse:
    """Learn from one error that an application reports.

    Raises:
        UnknownLogRow: if it names a log row that does not exist.
        ForeignLogRow: if a person names a log row of somebody else, or one with another message.
    """
    learned = count_one(database, sightings.reported(request, caller, database))
    return LearnResponse(pattern=LearnedPattern.model_validate(learned), action=learned["action"])
