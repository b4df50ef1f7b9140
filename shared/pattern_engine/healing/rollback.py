"""Taking a run back: a person's decision.

The undo script that was approved with the fix does it. A bash fix without one has its directories
restored from what its run kept of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pattern_engine import fixes, logs
from pattern_engine.exceptions import FixNotPinned
from pattern_engine.grouping import rules
from pattern_engine.healing import running
from pattern_engine.healing.context import error_seen, record_changed_fix
from pattern_engine.healing.models import RollbackResponse
from pattern_engine.learning import sightings

if TYPE_CHECKING:
    from pattern_engine.api.callers import Caller
    from pattern_engine.database.database import Database
    from pattern_engine.database.records import Outcome, Undo
    from pattern_engine.healing.models import RollbackRequest
    from pattern_engine.settings import Facilities, Settings

REFUSED = "The undo script does not pass its analysis any more, and did not run: repair by hand"


def roll_back(
    request: RollbackRequest, caller: Caller, database: Database, settings: Settings
) -> RollbackResponse:
    """Take a run back and answer how that ended; from then on its fix waits for a person.

    Raises:
        UnknownApplication: if there was no such run.
        NotUndoable: if there is no way to undo it, nothing to undo, or it was undone before.
        FixNotPinned: if the stored undo script is not the approved one.
        MissingSecret: if Vault has not what it needs.
    """
    try:
        undo = database.start_rollback(str(request.application_id), request.reason, caller)
    except FixNotPinned as problem:
        _tell_changed_fix(request, caller, database, problem.message)
        raise
    if undo["undo_script"] is None:
        outcome = _restore(undo, str(request.application_id), database, settings.facilities())
    else:
        outcome = _run(undo, database, settings.facilities())
    return RollbackResponse(
        success=outcome["success"],
        application_id=undo["application_id"],
        undoes=str(request.application_id),
        pattern_id=undo["pattern_id"],
        reason=outcome["error"],
        rows_touched=outcome["rows_touched"],
        tables=outcome["tables"],
        execution_time_ms=outcome["execution_time_ms"],
    )


def _tell_changed_fix(
    request: RollbackRequest, caller: Caller, database: Database, reason: str
) -> None:
    """Someone changed what a person had approved; the refusal undid whatever it had recorded."""
    metadata = {
        "application_id": str(request.application_id),
        "ordered_by": caller.user_id,
        "reason": reason,
    }
    description = f"A roll-back was refused: {request.application_id}"
    record_changed_fix(database, description, metadata)
    logs.error("undo_refused", **metadata)


def _restore(undo: Undo, undone: str, database: Database, facilities: Facilities) -> Outcome:
    """Restore the files that a run replaced, if nobody has changed them since."""
    executor: Any = fixes.executor(undo["fix_type"], facilities)
    return running.record(database, undo["application_id"], executor.take_back(undone))


def _run(undo: Undo, database: Database, facilities: Facilities) -> Outcome:
    """Run the undo script, if it still is what its analysis lets pass."""
    undo_id, fix_type = undo["application_id"], undo["fix_type"]
    analysis = fixes.analyse(fix_type, str(undo["undo_script"]), undo["parameters"], facilities)
    if analysis.findings or analysis.prepared_script != undo["prepared_undo_script"]:
        logs.error("undo_refused", application_id=undo_id, pattern_id=undo["pattern_id"])
        refused = {"success": False, "started": False, "error": REFUSED, "execution_time_ms": 0}
        return database.finish_application(undo_id, refused)
    _recall_error(undo_id, undo["system_log_id"], database)
    job = None if fix_type == "sql" else database.application_job(undo_id)
    return running.run(database, undo_id, job, undo["timeout_ms"], facilities)


def _recall_error(undo_id: str, log_id: int | None, database: Database) -> None:
    """Let the undo script see what the fix saw, which is forgotten once a run has ended.

    Where the log row is gone, it sees what is left: the scrubbed message.
    """
    rows = database.read_logs([log_id]) if log_id is not None else []
    for row in rows:
        sighting = sightings.of_row(row, rules.current(database))
        database.recall_error(undo_id, error_seen(sighting))
