"""Applying approved fixes to errors (specification, "Pattern Application").

Find the pattern, check that its fix is meant for this error and is still the one that was approved,
ask the Four Laws, take the error in hand, run. Whatever speaks against it is an answer with a
reason, not an error: `{"applied": false, "reason": …}`.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pattern_engine import constitution, fixes, grouping, logs, running, scrubbing
from pattern_engine.auth import Caller, Kind
from pattern_engine.errors import ForeignLogRow, UnknownLogRow
from pattern_engine.learning import Sighting, by_rules
from pattern_engine.models import AppliedPattern, ApplyResponse
from pattern_engine.thresholds import Thresholds

if TYPE_CHECKING:
    from pattern_engine.database import Database
    from pattern_engine.fixes.analysis import Analysis
    from pattern_engine.models import ApplyRequest
    from pattern_engine.records import Candidate, CandidateFix, CandidatePattern, CandidateQuery

NO_MATCH = "No matching pattern found"
UNCONSTITUTIONAL = "Constitutional validation failed"
ENGINE_WRITER = "service_role"
"""Who is taken to have written an error that the engine reports without a log row."""

# One error in hand is one application: many rows of one pattern may be healed together. Beyond ten
# a second the fix does not help, whatever it says of itself.
THRESHOLDS = Thresholds(cooldown_seconds=0.1)


def apply(
    request: ApplyRequest, caller: Caller, database: Database, most_age_seconds: int
) -> ApplyResponse:
    """Heal one error that an application reports.

    Raises:
        UnknownLogRow: if it names a log row that does not exist; a person has to name one.
        ForeignLogRow: if a person names one that is not his, or has another message.
    """
    (sighting,) = by_rules([Sighting.reported(request, caller, database)], database)
    (candidate,) = find(database, [sighting])
    _require_own_row(sighting, candidate, caller)
    answer = heal(database, sighting, candidate, most_age_seconds)
    if answer.success is False and caller.kind is Kind.PERSON:
        # What the database says of a failure may quote rows that the person may not see.
        return answer.model_copy(update={"reason": "The fix failed; operators can see why."})
    return answer


def find(database: Database, sightings: list[Sighting]) -> list[Candidate]:
    """What is known about each error and its fix, in order.

    An error whose signature is unknown is tried on the expressions of the enabled patterns.
    """
    queries = [_query(sighting, *signatures(sighting)) for sighting in sightings]
    found = database.find_candidates(queries)
    matched = {
        place: signature
        for place, (sighting, candidate) in enumerate(zip(sightings, found, strict=True))
        if candidate["pattern"] is None and candidate["expressions"]
        if (signature := _by_expression(sighting.message, candidate)) is not None
    }
    if matched:
        again = [_query(sightings[place], signature) for place, signature in matched.items()]
        for place, candidate in zip(matched, database.find_candidates(again), strict=True):
            found[place] = candidate
    return found


def signatures(sighting: Sighting) -> list[str]:
    """Its signatures in the order in which they decide: those of older algorithms come first."""
    group = sighting.group()
    older = grouping.older_signatures(grouping.clean(sighting.message), group)
    return [*(key.signature for key in older), group.signature]


def _query(sighting: Sighting, *signatures: str) -> CandidateQuery:
    return {"signatures": list(signatures), "system_log_id": sighting.system_log_id}


def _by_expression(message: str, candidate: Candidate) -> str | None:
    """The signature of the only enabled pattern whose expression the message matches."""
    from pattern_engine import matching  # noqa: PLC0415  most calls do without RE2

    return matching.first_unique_match(
        message,
        (
            (expression["pattern_signature"], expression["error_message_pattern"])
            for expression in candidate["expressions"]
        ),
    )


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
    database: Database, sighting: Sighting, candidate: Candidate, most_age_seconds: int
) -> ApplyResponse:
    """Run the fix of one error if nothing speaks against it, and answer what happened."""
    pattern, fix = candidate["pattern"], candidate["fix"]
    if pattern is None:
        return _refused(NO_MATCH)
    if fix is None:
        return _refused("The matching pattern has no enabled fix")
    reason = _reason_against(candidate, fix, most_age_seconds)
    if reason is not None:
        return _refused(reason)
    analysis = _analysed(fix)
    reason = _tampering(fix, analysis)
    if reason is not None:
        return _refuse_changed_fix(database, sighting, pattern, fix, reason)
    verdict = constitution.validate(_circumstances(candidate, pattern, fix, analysis), THRESHOLDS)
    validation = verdict.as_dict()
    if not verdict.compliant:
        return _refuse_unconstitutional(database, pattern, validation)
    return _run(database, sighting, candidate, validation)


def _refused(reason: str) -> ApplyResponse:
    return ApplyResponse(applied=False, reason=reason)


def _reason_against(candidate: Candidate, fix: CandidateFix, most_age_seconds: int) -> str | None:
    """Why this fix is not for this error; None if it is."""
    log = candidate["log"]
    writer = log["written_by"] if log else ENGINE_WRITER
    if fix["fix_type"] != "sql":
        return f"Fixes of type {fix['fix_type']} cannot run yet"
    if candidate["already_applied"]:
        return "This version of the fix was applied to this log row before"
    if candidate["before_approval"]:
        return "The error occurred before the fix was approved"
    if log and log["age_seconds"] > most_age_seconds:
        return f"The error is older than {most_age_seconds} seconds: it is history"
    if writer not in fix["trusted_writers"]:
        trusted = ", ".join(fix["trusted_writers"])
        return f"The log row was written by {writer}; the fix trusts rows of: {trusted}"
    return None


def _analysed(fix: CandidateFix) -> Analysis:
    """The analysis of the pinned script, done anew."""
    return fixes.analyse(fix["fix_type"], fix["script"], fix["parameters"])


def _tampering(fix: CandidateFix, analysis: Analysis) -> str | None:
    """Why the stored fix must not run, whatever was approved; None if it is as it should be."""
    if not fix["stored_matches"]:
        return "The stored fix is not the approved one"
    if analysis.findings:
        found = "; ".join(finding.message for finding in analysis.findings)
        return f"The fix does not pass its analysis any more: {found}"
    if analysis.prepared_script != fix["prepared_script"]:
        return "What would run is not what the approved script says"
    return None


def _circumstances(
    candidate: Candidate, pattern: CandidatePattern, fix: CandidateFix, analysis: Analysis
) -> constitution.Circumstances:
    """What the Four Laws look at."""
    recently = candidate["applications_last_minute"]
    return constitution.Circumstances(
        pattern_signature=pattern["pattern_signature"],
        fix_type=fix["fix_type"],
        findings=tuple(finding.message for finding in analysis.findings),
        destructive=analysis.destructive,
        writes=analysis.writes,
        tables=analysis.tables,
        hosts=analysis.hosts,
        max_rows=fix["max_rows"],
        timeout_ms=fix["timeout_ms"],
        max_retries=fix["max_retries"],
        confidence=pattern["confidence_score"],
        recent_errors=candidate["recent_errors"],
        recent_errors_of_pattern=candidate["recent_errors_of_pattern"],
        seconds_since_last_run=60 / recently if recently else None,
        now=datetime.now(UTC),
    )


def _refuse_changed_fix(
    database: Database,
    sighting: Sighting,
    pattern: CandidatePattern,
    fix: CandidateFix,
    reason: str,
) -> ApplyResponse:
    """Someone changed what a person had approved: nothing runs, and it is on record."""
    metadata = {
        "pattern_id": pattern["pattern_id"],
        "fix_version": fix["version"],
        "sha256": fix["sha256"],
        "system_log_id": sighting.system_log_id,
        "reason": reason,
    }
    database.record_event(
        {
            "event_type": "fix_refused",
            "severity": "critical",
            "description": f"A fix was refused: {pattern['pattern_signature']}",
            "metadata": metadata,
            "validation": None,
        }
    )
    logs.error("fix_refused", **metadata)
    return _refused(f"{reason}; disable it and approve it again")


def _refuse_unconstitutional(
    database: Database, pattern: CandidatePattern, validation: dict[str, Any]
) -> ApplyResponse:
    """The Four Laws forbid it: the specification's event, and its answer."""
    database.record_violation(pattern["pattern_id"], validation)
    return ApplyResponse(
        applied=False, reason=UNCONSTITUTIONAL, constitutional_validation=validation
    )


def _captured(sighting: Sighting) -> dict[str, str]:
    """What stood where the template has a variable: kind → text; the second of a kind is kind_2."""
    captured: dict[str, str] = {}
    seen: Counter[str] = Counter()
    for kind, text in sighting.group().values:
        seen[kind] += 1
        captured[kind if seen[kind] == 1 else f"{kind}_{seen[kind]}"] = text
    return captured


def _run(
    database: Database, sighting: Sighting, candidate: Candidate, validation: dict[str, Any]
) -> ApplyResponse:
    """Take the error in hand, run the fix, answer how it ended."""
    pattern, fix = candidate["pattern"], candidate["fix"]
    assert pattern is not None  # noqa: S101  heal has looked
    assert fix is not None  # noqa: S101
    error: dict[str, Any] = {
        "message": sighting.message,
        "source": sighting.source,
        "captured": _captured(sighting),
        # For the record: what the script sees goes when it has run.
        "scrubbed": scrubbing.scrub(sighting.message),
    }
    claim = database.claim_application(candidate, error, validation)
    if not claim["claimed"] or claim["application_id"] is None:
        return _refused(claim["reason"] or "This error is in hand already")
    outcome = running.run(database, claim["application_id"], fix["timeout_ms"])
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
