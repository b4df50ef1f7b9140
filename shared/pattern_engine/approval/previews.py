"""What a proposed fix would do: a dry-run for the latest error, and a replay over stored ones.

An SQL script really runs and is undone. A bash fix with directories runs on copies of them, and a
TypeScript fix runs without sending anything. For other fixes the dry-run is a plan of what would be
called. The replay is a simulation. A failure in either is part of the result, because people have
to see it before they decide.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from pattern_engine import fixes
from pattern_engine.exceptions import PatternEngineError
from pattern_engine.fixes.execution import Job, Limits
from pattern_engine.grouping import rules
from pattern_engine.healing.candidates import find
from pattern_engine.healing.context import ENGINE_WRITER, distrust, error_seen, target
from pattern_engine.laws.verdict import sentence
from pattern_engine.learning import sightings
from pattern_engine.text.withholding import Withheld

if TYPE_CHECKING:
    from pattern_engine.database.database import Database
    from pattern_engine.database.records import ErrorSeen, Json, ReplayedRecord
    from pattern_engine.fixes.analysis import Analysis
    from pattern_engine.healing.candidates import Match, NoMatch
    from pattern_engine.settings import Settings

MAX_INCIDENTS: Final = 20
MAX_REHEARSALS: Final = 10
MAX_SECONDS: Final = 5.0
"""Seconds after which no further rehearsal begins; PostgREST's time-out limits each of them."""
MAX_BYTES: Final = 64 * 1024
"""Bytes of one stored value, such as the sampled rows; a larger value is left out."""
MAX_MESSAGE_LENGTH: Final = 300
MAX_REASON_LENGTH: Final = 1_000
ABOUT_REPLAY: Final = (
    "This is a simulation. Each error is replayed by itself, as if it occurred now, on today's"
    " data; every change is undone. Cooldown, budgets, storms, pauses and quiet hours are not"
    " simulated."
)
OUTSIDE_GUARD: Final = "What the error names is not in the guard that would be approved"
NO_ERROR: Final[ErrorSeen] = {
    "message": "",
    "source": None,
    "captured": {},
    "system_log_id": None,
    "scrubbed": "",
}
"""What a script sees when the log holds no error of the pattern any more."""


def preview(proposal: Json, analysis: Analysis, database: Database, settings: Settings) -> Json:
    """Make dry-run and replay of a proposal, store them, and answer the proposal.

    Raises:
        PatternEngineError: if they cannot be stored.
    """
    fix = proposal["fix"]
    incidents, problem = _incidents(proposal, database, settings)
    rehearsals = _Rehearsals(database, proposal["proposal_id"], _limits(fix))
    dry_run = _dry_run(proposal, analysis, incidents, rehearsals, settings)
    replay = _replay(fix, incidents, rehearsals) | {"error": problem}
    return database.note_preview(proposal["proposal_id"], dry_run, replay)


def rehearse(
    proposal: Json, analysis: Analysis, database: Database, settings: Settings
) -> str | None:
    """Make the dry-run of a proposal alone, and return why it failed; None if it went well.

    Without a stored error a request lacks the values of one, which proves nothing against it.
    """
    incidents, _ = _incidents(proposal, database, settings)
    rehearsals = _Rehearsals(database, proposal["proposal_id"], _limits(proposal["fix"]))
    dry_run = _dry_run(proposal, analysis, incidents, rehearsals, settings)
    proves = proposal["fix"]["type"] == "sql" or dry_run["for_system_log_id"] is not None
    return str(dry_run["error"]) if proves and not dry_run["success"] else None


def _dry_run(
    proposal: Json,
    analysis: Analysis,
    incidents: list[_Incident],
    rehearsals: _Rehearsals,
    settings: Settings,
) -> Json:
    """What the script did or would be given for the latest error, and what to know about it."""
    inside = [each for each in incidents if each.row["is_inside_guard"]]
    error = next((each.error for each in inside or incidents), NO_ERROR)
    if proposal["fix"]["type"] == "sql":
        done = rehearsals.of(error)
    else:
        done = _plan(proposal, analysis, error, settings)
    return done | {
        "for_system_log_id": error["system_log_id"],
        "warnings": list(analysis.warnings),
    }


def _limits(fix: Json) -> Limits:
    """The limits that a fix names; `Limits` and the database have the same defaults."""
    names = ("timeout_ms", "max_retries", "max_rows")
    given = {name: fix["parameters"][name] for name in names if name in fix["parameters"]}
    return Limits(**given)


@dataclass(frozen=True, slots=True)
class _Incident:
    """A stored error of the pattern."""

    row: ReplayedRecord
    error: ErrorSeen
    """What a script would see of it."""
    matches: bool
    """Whether its signatures lead to the pattern today."""


def _incidents(
    proposal: Json, database: Database, settings: Settings
) -> tuple[list[_Incident], str | None]:
    """The latest stored errors of a pattern, newest first; or none, and why they are missing."""
    pattern_id = proposal["pattern_id"]
    try:
        policy = settings.thresholds.policy()
        rows = database.incidents_for_replay(pattern_id, proposal["guard"], MAX_INCIDENTS, policy)
        rule_set = rules.current(database)
        found = find(database, [sightings.of_row(row, rule_set) for row in rows])
    except PatternEngineError as problem:
        return [], problem.message
    incidents = [
        _Incident(row, error_seen(one.sighting), _is_of(pattern_id, one))
        for row, one in zip(rows, found, strict=True)
    ]
    return incidents, None


def _is_of(pattern_id: str, found: Match | NoMatch) -> bool:
    return found.pattern is not None and found.pattern["pattern_id"] == pattern_id


@dataclass(slots=True)
class _Rehearsals:
    """Rehearses a proposal for errors within a count and a time; equal errors share one run."""

    database: Database
    proposal_id: str
    limits: Limits
    _known: dict[str, Json] = field(default_factory=dict)
    _started: float = field(default_factory=time.monotonic)

    def of(self, error: ErrorSeen) -> Json:
        """Return what the script did for an error before the run was undone.

        `rehearsed` is false where the count or the time was used up.
        """
        seen = {name: error.get(name) for name in ("message", "source", "captured")}
        key = json.dumps(seen, sort_keys=True)
        if key not in self._known:
            late = time.monotonic() - self._started > MAX_SECONDS
            if len(self._known) >= MAX_REHEARSALS or (self._known and late):
                return {"rehearsed": False}
            self._known[key] = self._rehearse(error)
        return self._known[key]

    def _rehearse(self, error: ErrorSeen) -> Json:
        started, withheld = time.monotonic(), Withheld(error)
        try:
            (done,) = self.database.rehearse_proposal(self.proposal_id, [error])
        except PatternEngineError as problem:
            return _failed(problem.message, withheld) | {
                "duration_ms": _milliseconds_since(started)
            }
        milliseconds = _milliseconds_since(started)
        if not done["success"]:
            return _failed(str(done["error"]), withheld) | {"duration_ms": milliseconds}
        return {
            "rehearsed": True,
            "success": True,
            "error": None,
            "rows_touched": done["rows_touched"],
            "tables": done["tables"],
            "whole_tables": done["whole_tables"],
            "max_rows": self.limits.max_rows,
            "is_over_cap": done["rows_touched"] > self.limits.max_rows,
            "rows_before": _small(withheld.hide_json(done["rows_before"])),
            "rows_after": _small(withheld.hide_json(done["rows_after"])),
            "duration_ms": milliseconds,
            "timeout_ms": self.limits.timeout_ms,
        }


def _failed(reason: str, withheld: Withheld) -> Json:
    # The database's message may quote a row.
    return {
        "rehearsed": True,
        "success": False,
        "error": withheld.hide(reason)[:MAX_REASON_LENGTH],
        "rows_touched": None,
    }


def _milliseconds_since(started: float) -> int:
    return round((time.monotonic() - started) * 1000)


def _small(value: Any) -> Any:  # noqa: ANN401  any JSON
    """The value, or a note of its size where it is too large to be stored with a proposal."""
    size = len(json.dumps(value, ensure_ascii=False).encode(errors="replace"))
    return value if size <= MAX_BYTES else f"left out: {size} bytes"


def _replay(fix: Json, incidents: list[_Incident], rehearsals: _Rehearsals) -> Json:
    """Whether the fix would run for each stored error, and what it would do."""
    replayed = [_replayed(fix, incident, rehearsals) for incident in incidents]
    runs = [each for each in replayed if each["would_run"]]
    return {
        "simulation": True,
        "about": ABOUT_REPLAY,
        "totals": {
            "incidents": len(replayed),
            "would_match": sum(each["matches"] for each in replayed),
            "would_be_refused": sum(each["refusal"] is not None for each in replayed),
            "outside_guard": sum(not each.row["is_inside_guard"] for each in incidents),
            "would_run": len(runs),
            "rehearsed": sum("success" in each for each in runs),
            "would_fail": sum(each.get("success") is False for each in runs),
            "over_cap": sum(each.get("is_over_cap", False) for each in runs),
            "rows_touched": sum(each.get("rows_touched") or 0 for each in runs),
        },
        "incidents": replayed,
    }


def _replayed(fix: Json, incident: _Incident, rehearsals: _Rehearsals) -> Json:
    row, error = incident.row, incident.error
    refusal = _refusal(fix, row)
    would_run = incident.matches and refusal is None
    answer: Json = {
        "system_log_id": row["id"],
        "occurred_at": row["created_at"],
        "message": error["scrubbed"][:MAX_MESSAGE_LENGTH],
        "identifiers": row["identifiers"],
        "matches": incident.matches,
        "refusal": refusal,
        "would_run": would_run,
        "target": target(fix["parameters"].get("target", []), error["captured"]),
    }
    if would_run and fix["type"] == "sql":
        rehearsal = rehearsals.of(error)
        kept = ("success", "error", "rows_touched", "tables", "whole_tables", "is_over_cap")
        answer |= {name: rehearsal[name] for name in kept if name in rehearsal}
    return answer


def _refusal(fix: Json, row: ReplayedRecord) -> str | None:
    """Why the fix would not have run when the error occurred; None if it would have."""
    if not row["is_inside_guard"]:
        return OUTSIDE_GUARD
    trusted = fix["parameters"].get("trusted_writers", [ENGINE_WRITER])
    if row["written_by"] not in trusted:
        return distrust(row["written_by"], trusted)
    load = row["load"]
    return None if load["holds"] else f"Law 2: {sentence(load['part'], load['numbers'])}"


def _plan(proposal: Json, analysis: Analysis, error: ErrorSeen, settings: Settings) -> Json:
    """What a script outside the database would be given, and what an api_call would send."""
    fix, limits, withheld = proposal["fix"], _limits(proposal["fix"]), Withheld(error)
    seen = {name: value for name, value in error.items() if name != "scrubbed"}
    plan: Json = {
        "operations": list(analysis.operations),
        "hosts": list(analysis.hosts),
        "secrets": analysis.as_dict()["secrets"],
        "limits": {
            "timeout_ms": limits.timeout_ms,
            "max_retries": limits.max_retries,
            "max_rows": limits.max_rows,
        },
        "sees": {"parameters": fix["parameters"], "error": seen},
    }
    problem = None
    job = Job(
        application_id=proposal["proposal_id"],
        script=fix["prepared_script"],
        parameters=fix["parameters"],
        error=seen,
        limits=limits,
    )
    if fix["type"] == "api_call":
        executor: Any = fixes.executor("api_call", settings.facilities())
        outcome = executor.plan(job)
        problem = outcome.error
        if outcome.output is not None:
            # The values of headers may contain secrets.
            plan["request"] = outcome.output | {"headers": sorted(outcome.output["headers"])}
    elif fix["type"] == "typescript":
        executor = fixes.executor("typescript", settings.facilities())
        outcome = executor.rehearse(job)
        problem = outcome.error
        plan["rehearsal"] = {"stopped": outcome.stopped, **(outcome.output or {})}
    elif fix["type"] == "bash" and fix["parameters"].get("directories"):
        executor = fixes.executor("bash", settings.facilities())
        outcome = executor.rehearse(job)
        problem = outcome.error
        plan["rehearsal"] = {"output": outcome.output, "stopped": outcome.stopped}
    return {
        "success": problem is None,
        "error": problem and withheld.hide(problem),
        "plan": {name: _small(withheld.hide_json(value)) for name, value in plan.items()},
    }
