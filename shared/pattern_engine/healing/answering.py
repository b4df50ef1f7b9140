"""What a caller of `apply` is told.

If another worker was first, usually the webhook, the answer is the outcome of that run, so that the
caller learns that what failed may be tried again. A run that is under way is waited for within
bounds. A person who is no operator is told whether a fix ran and succeeded, and nothing of it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from pattern_engine.api.callers import Kind
from pattern_engine.healing.models import AppliedPattern, ApplyResponse

if TYPE_CHECKING:
    from pattern_engine.api.callers import Caller
    from pattern_engine.database.database import Database
    from pattern_engine.database.records import Outcome

STILL_RUNNING: Final = "A fix is still running for this error; send the request again"
FOR_OPERATORS: Final = "Only an operator is told the reason"
"""What anybody else is told instead of a reason, which may quote rows, scripts and limits."""
PAUSE_SECONDS: Final = 0.05
"""The first pause before asking again for a run that is under way; each next one is longer."""


def ran(pattern_id: str, pattern_signature: str, script: str, outcome: Outcome) -> ApplyResponse:
    """Return the answer for a run that ended."""
    return ApplyResponse(
        applied=True,
        success=outcome["success"],
        reason=outcome["error"],
        execution_time_ms=outcome["execution_time_ms"],
        pattern=AppliedPattern(
            pattern_id=pattern_id,
            pattern_signature=pattern_signature,
            auto_fix_script=script,
            success_rate=outcome["pattern"]["success_rate"],
        ),
    )


def run_of_another(database: Database, log_id: int, wait_seconds: float) -> ApplyResponse | None:
    """Return the outcome of the run that another worker began for a log row; None without one."""
    ends = time.monotonic() + wait_seconds
    pause = PAUSE_SECONDS
    while (run := database.run_of_log_row(log_id)) is not None:
        if run["outcome"] is not None:
            return ran(run["pattern_id"], run["pattern_signature"], run["script"], run["outcome"])
        if not run["is_running"]:
            return None
        left = ends - time.monotonic()
        if left <= 0:
            return ApplyResponse(applied=False, reason=STILL_RUNNING)
        time.sleep(min(pause, left))
        pause *= 1.5
    return None


def told(answer: ApplyResponse, caller: Caller, database: Database) -> ApplyResponse:
    """Return what the caller may know: all, or only whether a fix ran and succeeded."""
    if caller.kind is not Kind.PERSON or database.is_operator(caller):
        return answer
    reason = answer.reason if answer.reason == STILL_RUNNING else FOR_OPERATORS
    return ApplyResponse(
        applied=answer.applied,
        success=answer.success,
        reason=None if answer.success else reason,
    )
