"""Undoing a run when a person asks for it.

The undo script that was approved with the fix runs. For a bash fix without an undo script, the
files that its run replaced are restored.
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
from pattern_engine.text.withholding import NOTHING, Withheld

if TYPE_CHECKING:
    from pattern_engine.api.callers import Caller
    from pattern_engine.database.database import Database
    from pattern_engine.database.records import Outcome, Undo
    from pattern_engine.healing.models import RollbackRequest
    from pattern_engine.settings import Facilities, Settings

REFUSED = "The undo script did not run, because its analysis refuses it now; undo the run by hand"


def roll_back(
    request: RollbackRequest, caller: Caller, database: Database, settings: Settings
) -> RollbackResponse:
    """Undo a run and return the outcome; the fix is demoted until a person enables it again.

    Raises:
        UnknownApplication: if there is no such run.
        NotUndoable: if it has no undo script, changed nothing, or was undone before.
        FixNotPinned: if the stored undo script is not the approved one.
        MissingSecret: if Vault lacks a secret that the undo script needs.
    """
    try:
        undo = database.start_rollback(str(request.application_id), request.reason, caller)
    except FixNotPinned as problem:
        _record_changed_undo(request, caller, database, problem.message)
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


def _record_changed_undo(
    request: RollbackRequest, caller: Caller, database: Database, reason: str
) -> None:
    """Record that the undo script was changed; the database rolled its own record back."""
    metadata = {
        "application_id": str(request.application_id),
        "ordered_by": caller.user_id,
        "reason": reason,
    }
    description = f"A rollback was refused: {request.application_id}"
    record_changed_fix(database, description, metadata)
    logs.error("undo_refused", **metadata)


def _restore(undo: Undo, undone: str, database: Database, facilities: Facilities) -> Outcome:
    """Restore the files that a run replaced, unless they were changed since."""
    executor: Any = fixes.executor(undo["fix_type"], facilities)
    outcome = executor.take_back(undone)
    return running.record(database, undo["application_id"], outcome, NOTHING)


def _run(undo: Undo, database: Database, facilities: Facilities) -> Outcome:
    """Run the undo script if its analysis still accepts it."""
    undo_id, fix_type = undo["application_id"], undo["fix_type"]
    analysis = fixes.analyse(fix_type, str(undo["undo_script"]), undo["parameters"], facilities)
    if analysis.findings or analysis.prepared_script != undo["prepared_undo_script"]:
        logs.error("undo_refused", application_id=undo_id, pattern_id=undo["pattern_id"])
        refused = {"success": False, "started": False, "error": REFUSED, "execution_time_ms": 0}
        return database.finish_application(undo_id, refused)
    withheld = _recall_error(undo_id, undo["system_log_id"], database)
    job = None if fix_type == "sql" else database.application_job(undo_id)
    return running.run(database, undo_id, job, undo["timeout_ms"], facilities, withheld)


def _recall_error(undo_id: str, log_id: int | None, database: Database) -> Withheld:
    """Read the error from the log again for the undo script, because the run kept no copy.

    If the log row is gone, the undo script sees only the scrubbed message.
    """
    for row in database.read_logs([log_id]) if log_id is not None else []:
        error = error_seen(sightings.of_row(row, rules.current(database)))
        database.recall_error(undo_id, error)
        return Withheld(error)
    return NOTHING
