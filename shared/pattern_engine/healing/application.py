"""Applying approved fixes to errors (specification, "Pattern Application").

Find the pattern, check that its fix is meant for this error and is still the one that was approved,
ask the Four Laws, take the error in hand, run. Whatever speaks against it is an answer with a
reason, not an error: `{"applied": false, "reason": …}`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pattern_engine import fixes, logs
from pattern_engine.api.callers import Caller, Kind
from pattern_engine.exceptions import (
    FixesPaused,
    FixNotPinned,
    ForeignLogRow,
    MissingSecret,
    NoEnabledFix,
    UnknownLogRow,
)
from pattern_engine.healing import running
from pattern_engine.healing.candidates import find
from pattern_engine.healing.context import (
    ENGINE_WRITER,
    captured,
    distrust,
    error_context,
    record_changed_fix,
    target,
)
from pattern_engine.healing.models import AppliedPattern, ApplyResponse
from pattern_engine.laws.circumstances import Circumstances
from pattern_engine.laws.verdict import validate
from pattern_engine.learning.sightings import Sighting, by_rules

if TYPE_CHECKING:
    from pattern_engine.database.database import Database
    from pattern_engine.database.records import (
        Candidate,
        CandidateFix,
        CandidatePattern,
        ClaimRequest,
        Refusal,
    )
    from pattern_engine.fixes.analysis import Analysis
    from pattern_engine.healing.models import ApplyRequest
    from pattern_engine.settings import Settings

NO_MATCH = "No matching pattern found"
UNCONSTITUTIONAL = "Constitutional validation failed"
HANDLED_ELSEWHERE = "Another worker is handling this error"
"""What the database says to all who claim an error but one."""
MOVED = "This error belongs to another pattern now"
"""What it says where a pattern was split or merged at that moment: another fix may be for it."""


def apply(
    request: ApplyRequest, caller: Caller, database: Database, settings: Settings
) -> ApplyResponse:
    """Heal one error that an application reports.

    Raises:
        UnknownLogRow: if it names a log row that does not exist; a person has to name one.
        ForeignLogRow: if a person names one that is not his, or has another message.
    """
    (sighting,) = by_rules([Sighting.reported(request, caller, database)], database)
    (candidate,) = find(database, [sighting], settings)
    _require_own_row(sighting, candidate, caller)
    answer = heal(database, sighting, candidate, settings)
    refusal = refusal_of(sighting, candidate, answer)
    if refusal is not None:
        database.record_refusals([refusal])
    if answer.success is False and caller.kind is Kind.PERSON:
        # What the database says of a failure may quote rows that the person may not see.
        return answer.model_copy(update={"reason": "The fix failed; operators can see why."})
    return answer


def _require_own_row(sighting: Sighting, candidate: Candidate, caller: Caller) -> None:
    """A person heals what happened to him, and it has to have happened."""
    log = candidate["log"]
    if log is None and (sighting.system_log_id is not None or caller.kind is Kind.PERSON):
        raise UnknownLogRow(
            f"There is no log row {sighting.system_log_id}; insert the error into ops.system_logs "
            "and send the id of that row."
            if sighting.system_log_id is not None
            else "Send the system_log_id of the row in ops.system_logs that tells of the error."
        )
    if log is None or caller.kind is not Kind.PERSON:
        return
    if log["user_id"] != caller.user_id or log["message"] != sighting.message:
        raise ForeignLogRow


def heal(
    database: Database, sighting: Sighting, candidate: Candidate, settings: Settings
) -> ApplyResponse:
    """Run the fix of one error if nothing speaks against it, and answer what happened."""
    pattern, fix = candidate["pattern"], candidate["fix"]
    if pattern is None:
        return _refused(NO_MATCH)
    if fix is None:
        return _refuse_without_fix(database, sighting, candidate)
    reason = _reason_against(candidate, fix, settings)
    if reason is not None:
        return _refused(reason)
    analysis = fixes.analyse(
        fix["fix_type"], fix["script"], fix["parameters"], settings.facilities()
    )
    reason = _tampering(fix, analysis)
    if reason is not None:
        return _refuse_changed_fix(database, sighting, candidate, reason)
    error = error_context(sighting)
    of_target = target(fix["target"], error["captured"])
    circumstances = _circumstances(candidate, pattern, fix, analysis, of_target)
    verdict = validate(circumstances, settings.thresholds)
    validation = verdict.as_dict()
    if not verdict.compliant:
        if candidate["firing_patterns"] >= settings.thresholds.storm_patterns:
            policy = settings.thresholds.policy()
            database.stop_for_storm(candidate["firing_patterns"], policy)
        database.record_violation(pattern["pattern_id"], validation)
        return ApplyResponse(
            applied=False,
            reason=UNCONSTITUTIONAL,
            constitutional_validation=validation,
        )
    if candidate["log"] is not None:
        # Whoever reports the error does not choose whose silence will judge the fix.
        error["source"] = candidate["log"]["source"]
    request: ClaimRequest = {
        "pattern_id": pattern["pattern_id"],
        "system_log_id": candidate["log"]["id"] if candidate["log"] else None,
        "fix_version": fix["version"],
        "sha256": fix["sha256"],
        "validation": validation,
        "error": error,
        "target": of_target,
        "policy": settings.thresholds.policy(),
    }
    return _run(database, sighting, candidate, request, settings)


def _refuse_without_fix(
    database: Database, sighting: Sighting, candidate: Candidate
) -> ApplyResponse:
    """There is no fix for this error: at all, or for how it looks."""
    signature = candidate["untrusted_signature"]
    if signature is None:
        return _refused("The matching pattern has no enabled fix")
    database.refuse_signature(signature, sighting.system_log_id)
    return _refused(
        f"The error's signature {signature} came after the fix was approved; POST /confirm it"
    )


def refusal_of(sighting: Sighting, candidate: Candidate, answer: ApplyResponse) -> Refusal | None:
    """What is to be noted of an error whose fix was not run; None where there is nothing.

    Without it nobody could tell an error that was refused from one whose worker died.
    """
    fix = candidate["fix"]
    if fix is None and candidate["untrusted_signature"] is None:
        return None
    if answer.applied or sighting.system_log_id is None:
        return None
    if candidate["already_applied"] or answer.reason in (None, HANDLED_ELSEWHERE, MOVED):
        return None
    return {
        "system_log_id": sighting.system_log_id,
        "reason": _told(answer),
        "target": (target(fix["target"], captured(sighting)) or None) if fix else None,
    }


def _told(answer: ApplyResponse) -> str:
    """The reason in one sentence, with what the laws said against it."""
    laws = (answer.constitutional_validation or {}).get("laws", ())
    against = "; ".join(law["reason"] for law in laws if law["outcome"] == "fail")
    return f"{answer.reason}: {against}" if against else str(answer.reason)


def _refused(reason: str) -> ApplyResponse:
    return ApplyResponse(applied=False, reason=reason)


def _reason_against(candidate: Candidate, fix: CandidateFix, settings: Settings) -> str | None:
    """Why this fix is not for this error, or not for now; None if it is."""
    if candidate["already_applied"]:
        return "This version of the fix was applied to this log row before"
    return _why_not_now(candidate, fix, settings) or _why_not_for(candidate, fix, settings)


def _why_not_now(candidate: Candidate, fix: CandidateFix, settings: Settings) -> str | None:
    """Why the fix runs for no error at all now; None if it does."""
    if candidate["pause"]:
        return candidate["pause"]
    if fix["mode"] == "demoted":
        return f"The fix waits for a person: {fix['mode_reason']}"
    if settings.thresholds.two_people and _is_one_persons(fix):
        return "Two people are asked for here, and one alone proposed and approved this fix"
    return None


def _why_not_for(candidate: Candidate, fix: CandidateFix, settings: Settings) -> str | None:
    """Why the fix does not run for this error; None if it does."""
    log = candidate["log"]
    writer = log["written_by"] if log else ENGINE_WRITER
    if candidate["before_approval"]:
        return "The error occurred before the fix was approved"
    if log and log["age_seconds"] > settings.apply_max_age_seconds:
        return f"The error is older than {settings.apply_max_age_seconds} seconds: it is history"
    if writer not in fix["trusted_writers"]:
        return distrust(writer, fix["trusted_writers"])
    return None


def _is_one_persons(fix: CandidateFix) -> bool:
    """Whether who proposed a fix also approved it, or made it live."""
    return fix["proposed_by"] in (None, fix["approved_by"], fix["mode_changed_by"])


def _tampering(fix: CandidateFix, analysis: Analysis) -> str | None:
    """Why the stored fix must not run, whatever was approved; None if it is as it should be."""
    if not fix["stored_matches"]:
        return "The stored fix is not the approved one"
    if analysis.findings:
        found = "; ".join(finding.message for finding in analysis.findings)
        return f"The fix does not pass its analysis any more: {found}"
    sample = analysis.sample.before if analysis.sample else None
    if (analysis.prepared_script, sample) != (fix["prepared_script"], fix["sample_script"]):
        return "What would run is not what the approved script says"
    return None


def _circumstances(
    candidate: Candidate,
    pattern: CandidatePattern,
    fix: CandidateFix,
    analysis: Analysis,
    of_target: str,
) -> Circumstances:
    """What the Four Laws look at."""
    standing = candidate["standing"]
    assert standing is not None  # noqa: S101  there is one wherever there is a fix
    return Circumstances(
        pattern_signature=pattern["pattern_signature"],
        fix_type=fix["fix_type"],
        findings=tuple(finding.message for finding in analysis.findings),
        destructive=analysis.destructive,
        writes=analysis.writes,
        tables=analysis.tables,
        hosts=analysis.hosts,
        max_rows=fix["max_rows"],
        dry_run_rows=fix["dry_run_rows"],
        timeout_ms=fix["timeout_ms"],
        most_timeout_ms=fixes.MAX_TIMEOUT_MS[fix["fix_type"]],
        max_retries=fix["max_retries"],
        confidence=pattern["confidence_score"],
        lower_bound=pattern["confidence_lower_bound"],
        decided_outcomes=round(pattern["confidence_outcomes"]),
        verified_outcomes=standing["verified"],
        failed_outcomes=standing["failed"],
        consecutive_failures=pattern["consecutive_failures"],
        flaps_last_day=standing["flaps_last_day"],
        recent_errors=candidate["recent_errors"],
        recent_errors_of_pattern=candidate["recent_errors_of_pattern"],
        runs_last_hour=standing["runs_last_hour"],
        rows_last_hour=standing["rows_last_hour"],
        incidents_last_hour=standing["incidents_last_hour"],
        seconds_since_last_run=standing["seconds_since_run"].get(of_target),
        firing_patterns=candidate["firing_patterns"],
        now=datetime.now(UTC),
    )


def _refuse_changed_fix(
    database: Database, sighting: Sighting, candidate: Candidate, reason: str
) -> ApplyResponse:
    """Someone changed what a person had approved: nothing runs, and it is on record."""
    pattern, fix = candidate["pattern"], candidate["fix"]
    assert pattern is not None  # noqa: S101  heal has looked
    assert fix is not None  # noqa: S101
    metadata = {
        "pattern_id": pattern["pattern_id"],
        "fix_version": fix["version"],
        "sha256": fix["sha256"],
        "system_log_id": sighting.system_log_id,
        "reason": reason,
    }
    record_changed_fix(database, f"A fix was refused: {pattern['pattern_signature']}", metadata)
    logs.error("fix_refused", **metadata)
    return _refused(f"{reason}; disable it and approve it again")


def _run(
    database: Database,
    sighting: Sighting,
    candidate: Candidate,
    request: ClaimRequest,
    settings: Settings,
) -> ApplyResponse:
    """Take the error in hand, run the fix, answer how it ended."""
    pattern, fix = candidate["pattern"], candidate["fix"]
    assert pattern is not None  # noqa: S101  heal has looked
    assert fix is not None  # noqa: S101
    try:
        claim = database.claim_application(request)
    except FixNotPinned as problem:
        return _refuse_changed_fix(database, sighting, candidate, problem.message)
    except (NoEnabledFix, FixesPaused, MissingSecret) as problem:
        return _refused(problem.message)
    if not claim["claimed"] or claim["application_id"] is None:
        return _refused(claim["reason"] or HANDLED_ELSEWHERE)
    outcome = running.run(
        database, claim["application_id"], claim["job"], fix["timeout_ms"], settings.facilities()
    )
    return ApplyResponse(
        applied=True,
        success=outcome["success"],
        reason=outcome["error"],
        execution_time_ms=outcome["execution_time_ms"],
        pattern=AppliedPattern(
            pattern_id=pattern["pattern_id"],
            pattern_signature=pattern["pattern_signature"],
            auto_fix_script=pattern["auto_fix_script"],
            success_rate=outcome["pattern"]["success_rate"],
        ),
    )
