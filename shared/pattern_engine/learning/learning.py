"""Learning from an error (specification, "Learn from error").

Python computes its group and features, and one database call counts it. A log row is counted once,
even if it is sent again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pattern_engine.api.callers import Kind
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
        UnknownLogRow: if the log row does not exist.
        ForeignLogRow: if a person names somebody else's log row, or one with another message.
    """
    by_person = caller.kind is Kind.PERSON  # the engine's key may say more than the row holds
    sighting = sightings.reported(request, caller, database, row_decides=by_person)
    learned = count_one(database, sighting)
    return LearnResponse(pattern=LearnedPattern.model_validate(learned), action=learned["action"])
