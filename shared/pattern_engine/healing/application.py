"""Applying approved fixes to errors (specification, "Pattern Application").

The engine finds the error's pattern, checks that the fix may run for this error and is still the
approved one, claims the error in the database and runs the fix. The database decides on the claim,
by the Four Laws and all other brakes. A fix that does not run is an answer with a reason, not an
error: `{"applied": false, "reason": …}`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from pattern_engine import fixes, logs
from pattern_engine.api.callers import Caller, Kind
from pattern_engine.exceptions import (
    FixesPaused,
    FixNotPinned,
    ForeignLogRow,
    MissingSecret,
    NoEnabledFix,
    NotGranted,
    UnknownLogRow,
)
from pattern_engine.healing import answering, refusals, running
from pattern_engine.healing.candidates import Match, NoMatch, find
from pattern_engine.healing.context import (
    ENGINE_WRITER,
    distrust,
    error_seen,
    record_changed_fix,
    target,
)
from pattern_engine.healing.models import ApplyResponse
from pattern_engine.laws import verdict
from pattern_engine.laws.circumstances import Circumstances
from pattern_engine.laws.parts import parts
from pattern_engine.learning import sightings
from pattern_engine.text.withholding import Withheld

if TYPE_CHECKING:
    from pattern_engine.database.database import Database
    from pattern_engine.database.records import (
        CandidateFix,
        Claim,
        ClaimRequest,
        Json,
        Refusal,
        RefusalNote,
    )
    from pattern_engine.fixes.analysis import Analysis
    from pattern_engine.healing.models import ApplyRequest
    from pattern_engine.settings import Settings


BELOW_ERROR: Final = frozenset({"debug", "info", "warning"})
"""Levels that no fix runs for. Those of log rows are compared by the database."""


@dataclass(frozen=True, slots=True)
class Healing:
    """What happened with an error, and what the database is to note of it."""

    answer: ApplyResponse
    note: RefusalNote | None = None
    """Why the fix was refused; an error without a note and without a run lost its worker."""


def apply(
    request: ApplyRequest, caller: Caller, database: Database, settings: Settings
) -> ApplyResponse:
    """Heal one error that an application reports.

    Raises:
        UnknownLogRow: if the log row does not exist, or a person names none.
        ForeignLogRow: if a person names somebody else's log row, or one with another message.
    """
    sighting = sightings.reported(request, caller, database, row_decides=True)
    (found,) = find(database, [sighting])
    _require_own_row(found, caller)
    healing = heal(database, found, settings)
    if healing.note is not None:
        database.record_refusals([healing.note])
    answer, log_id = healing.answer, found.sighting.system_log_id
    if not answer.applied and log_id is not None and found.pattern is not None:
        another = answering.run_of_another(database, log_id, settings.apply_wait_seconds)
        answer = another or answer
    return answering.told(answer, caller, database)


def _require_own_row(found: Match | NoMatch, caller: Caller) -> None:
    """Refuse an unknown log row, and for a person also a missing one or somebody else's."""
    log_id, log = found.sighting.system_log_id, found.log
    if log is None and (log_id is not None or caller.kind is Kind.PERSON):
        raise UnknownLogRow(
            f"There is no log row {log_id}; insert the error into ops.system_logs and send the id "
            "of that row."
            if log_id is not None
            else "The system_log_id is missing; send the id of the error's row in ops.system_logs."
        )
    if log is None or caller.kind is not Kind.PERSON:
        return
    if log["user_id"] != caller.user_id or log["message"] != found.sighting.message:
        raise ForeignLogRow


def heal(database: Database, found: Match | NoMatch, settings: Settings) -> Healing:
    """Run the fix of one error unless a check refuses it, and return what happened."""
    if isinstance(found, NoMatch):
        return _without_fix(database, found)
    if found.hold is not None:
        return _refused_by_database(found, found.hold, None)
    refusal = _refusal_of(found, settings)
    return _refused(found, *refusal) if refusal is not None else _attempt(database, found, settings)


def _attempt(database: Database, found: Match, settings: Settings) -> Healing:
    """Make sure that the fix is the approved one, claim the error, and run."""
    fix = found.fix
    analysis = fixes.analyse(
        fix["fix_type"], fix["script"], fix["parameters"], settings.facilities()
    )
    reason = _tampering(fix, analysis, settings)
    if reason is not None:
        return _refuse_changed_fix(database, found, reason)
    try:
        claim = database.claim_application(_claim_request(found, analysis, settings))
    except FixNotPinned as problem:
        return _refuse_changed_fix(database, found, problem.message)
    except (NoEnabledFix, FixesPaused, MissingSecret, NotGranted) as problem:
        return _refused(found, refusals.gate(problem), problem.message)
    return _run(database, found, claim, settings)


def _without_fix(database: Database, found: NoMatch) -> Healing:
    """Answer that there is no fix for this error, or none that was approved for it."""
    if found.untrusted_signature is not None:
        database.refuse_signature(found.untrusted_signature, found.sighting.system_log_id)
        return _refused(found, "unconfirmed", found.reason)
    if found.outside_guard is not None:
        return _refused(found, "outside_guard", found.reason)
    return Healing(ApplyResponse(applied=False, reason=found.reason))


def _refused(found: Match | NoMatch, gate: str, reason: str, details: str = "") -> Healing:
    """Answer that the fix was not run and why; the gate and `details` are in the note alone."""
    answer = ApplyResponse(applied=False, reason=reason)
    log_id = found.sighting.system_log_id
    if log_id is None:
        return Healing(answer)
    names = found.fix["target"] if isinstance(found, Match) else []
    return Healing(
        answer,
        {
            "system_log_id": log_id,
            "gate": gate,
            "reason": f"{reason}: {details}" if details else reason,
            "target": target(names, found.sighting.group.captured) or None,
        },
    )


def _refusal_of(found: Match, settings: Settings) -> tuple[str, str] | None:
    """The gate at which the fix may not run for this error, and why; None if it may."""
    log, fix = found.log, found.fix
    writer = log["written_by"] if log else ENGINE_WRITER
    if settings.thresholds.two_people and _has_one_approver(fix):
        return "two_people", (
            "Approval takes two people here (PATTERN_ENGINE_TWO_PEOPLE=on), but one person both "
            "proposed and approved this fix; POST /propose it again"
        )
    if log is None and (found.sighting.severity or "").lower() in BELOW_ERROR:
        return "no_error", refusals.NO_ERROR
    if found.before_approval:
        return "before_approval", "The error occurred before the fix was approved"
    if log and log["age_seconds"] > settings.apply_max_age_seconds:
        return "too_old", f"The error is older than {settings.apply_max_age_seconds} seconds"
    if writer not in fix["trusted_writers"]:
        return "writer", distrust(writer, fix["trusted_writers"])
    return None


def _has_one_approver(fix: CandidateFix) -> bool:
    """Whether the person who proposed a fix also approved it or made it live."""
    return fix["proposed_by"] in (None, fix["approved_by"], fix["mode_changed_by"])


def _tampering(fix: CandidateFix, analysis: Analysis, settings: Settings) -> str | None:
    """Why the stored fix must not run although it was approved; None if it is unchanged."""
    if not fix["stored_matches"]:
        return "The stored fix differs from the approved fix"
    if analysis.findings:
        objections = "; ".join(finding.message for finding in analysis.findings)
        return f"The analysis refuses the approved fix now: {objections}"
    sample = analysis.sample.before if analysis.sample else None
    if (analysis.prepared_script, sample) != (fix["prepared_script"], fix["sample_script"]):
        return "The stored prepared script differs from the one that the approved script yields now"
    undo = (
        fixes.analyse(fix["fix_type"], fix["undo_script"], fix["parameters"], settings.facilities())
        if fix["undo_script"]
        else None
    )
    reach = fixes.reach([each for each in (analysis, undo) if each])
    if reach != {"tables": fix["tables"], "hosts": fix["hosts"], "secrets": fix["secrets"]}:
        return "The approved tables, hosts or secrets differ from those that the script names"
    if fix["analysis"] not in (None, analysis.as_dict()):
        return "The analysis that its approver read differs from that of the approved script"
    return None


def _refuse_changed_fix(database: Database, found: Match, reason: str) -> Healing:
    """Refuse a fix that differs from the approved one, and record a critical event."""
    metadata = {
        "pattern_id": found.pattern["pattern_id"],
        "fix_version": found.fix["version"],
        "sha256": found.fix["sha256"],
        "system_log_id": found.sighting.system_log_id,
        "reason": reason,
    }
    signature = found.pattern["pattern_signature"]
    record_changed_fix(database, f"A fix was refused: {signature}", metadata)
    logs.error("fix_refused", **metadata)
    return _refused(found, "changed", f"{reason}; disable it and approve it again")


def _claim_request(found: Match, analysis: Analysis, settings: Settings) -> ClaimRequest:
    """Return what the database needs to decide on the claim."""
    fix, error = found.fix, error_seen(found.sighting)
    of_target = target(fix["target"], error["captured"])
    if found.log is not None:
        # Verification watches this source, so it is the log row's and not the caller's.
        error["source"] = found.log["source"]
    circumstances = Circumstances(
        fix_type=fix["fix_type"],
        findings=[finding.message for finding in analysis.findings],
        destructive=analysis.destructive,
        writes=analysis.writes,
        tables=analysis.tables,
        hosts=analysis.hosts,
        max_rows=fix["max_rows"],
        dry_run_rows=fix["dry_run_rows"],
        timeout_ms=fix["timeout_ms"],
        max_retries=fix["max_retries"],
        now=datetime.now(UTC),
    )
    return {
        "pattern_id": found.pattern["pattern_id"],
        "system_log_id": found.log["id"] if found.log else None,
        "fix_version": fix["version"],
        "sha256": fix["sha256"],
        "parts": [part._asdict() for part in parts(circumstances, settings.thresholds)],
        "error": error,
        "identifiers": found.sighting.identifiers,
        "target": of_target,
        "policy": settings.thresholds.policy(),
    }


def _run(database: Database, found: Match, claim: Claim, settings: Settings) -> Healing:
    """Run the fix of a claimed error and return its outcome, or why the claim was refused."""
    if claim["refusal"] is not None:
        return _refused_by_database(found, claim["refusal"], claim["validation"])
    outcome = running.run(
        database,
        str(claim["application_id"]),
        claim["job"],
        found.fix["timeout_ms"],
        settings.facilities(),
        Withheld({"message": found.sighting.message, "captured": found.sighting.group.captured}),
    )
    pattern = found.pattern
    return Healing(
        answering.ran(
            pattern["pattern_id"], pattern["pattern_signature"], found.fix["script"], outcome
        )
    )


def _refused_by_database(found: Match, refusal: Refusal, validation: Json | None) -> Healing:
    """Answer that the database refused the run, with the verdict if the Four Laws forbade it."""
    reason = refusals.reason(refusal)
    if refusal["code"] in refusals.UNNOTED:
        return Healing(ApplyResponse(applied=False, reason=reason))
    if validation is None or refusal["code"] != "laws":
        return _refused(found, refusal["code"], reason)
    healing = _refused(found, "laws", reason, verdict.against(validation))
    answer = healing.answer.model_copy(
        update={"constitutional_validation": verdict.worded(validation)}
    )
    return Healing(answer, healing.note)
