"""Pausing all fixes: during a pause no worker starts a fix."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pattern_engine.healing.models import PauseResponse, ResumeResponse

if TYPE_CHECKING:
    from pattern_engine.api.callers import Caller
    from pattern_engine.database.database import Database
    from pattern_engine.healing.models import PauseRequest, ResumeRequest


def pause(request: PauseRequest, caller: Caller, database: Database) -> PauseResponse:
    """Pause all fixes for a time; runs that have started are not stopped.

    Raises:
        Forbidden: or a subclass, if the caller's role does not allow it.
    """
    begun = database.pause_fixes(request.reason, request.seconds, caller)
    return PauseResponse.model_validate({"pause": begun})


def resume(request: ResumeRequest, caller: Caller, database: Database) -> ResumeResponse:
    """End every pause.

    Raises:
        Forbidden: or a subclass, if the caller's role does not allow it.
    """
    return ResumeResponse.model_validate(database.resume_fixes(request.reason, caller))
