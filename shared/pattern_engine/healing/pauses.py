"""The brake for everything: while a pause holds, no fix runs, whichever worker would run it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pattern_engine.healing.models import PauseResponse, ResumeResponse

if TYPE_CHECKING:
    from pattern_engine.api.callers import Caller
    from pattern_engine.database.database import Database
    from pattern_engine.healing.models import PauseRequest, ResumeRequest


def pause(request: PauseRequest, caller: Caller, database: Database) -> PauseResponse:
    """Pause all fixes for a time; a run under way ends as it ends.

    Raises:
        Forbidden: or one of its kinds, as the database decides.
    """
    begun = database.pause_fixes(request.reason, request.seconds, caller)
    return PauseResponse.model_validate({"pause": begun})


def resume(request: ResumeRequest, caller: Caller, database: Database) -> ResumeResponse:
    """End every pause that holds.

    Raises:
        Forbidden: or one of its kinds, as the database decides.
    """
    return ResumeResponse.model_validate(database.resume_fixes(request.reason, caller))
