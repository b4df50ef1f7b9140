"""The only place that speaks PostgREST: one method for each function of the schema `ops`.

What a person does is called with his own token, so that the database decides whether he may; the
secret key is for the engine's own work. Calls are never repeated once they were sent: `learn` is
safe to repeat, but whether to do so is for the caller, who is told by a 503. Only a connection that
could not be opened is tried a second time, by the transport.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, cast

from pattern_engine import logs
from pattern_engine.database import transport
from pattern_engine.database.batches import self_contained
from pattern_engine.database.transport import Clients
from pattern_engine.exceptions import DatabaseError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pattern_engine.api.callers import Caller
    from pattern_engine.database.records import (
        AnyErrorRecord,
        Approval,
        Candidate,
        CandidateQuery,
        Claim,
        ClaimRequest,
        ComposedFix,
        Decision,
        Enabling,
        ErrorRecord,
        Event,
        Ignoring,
        JobRecord,
        Json,
        KnownErrorRecord,
        LearnedRecord,
        LogRecord,
        Outcome,
        Refusal,
        Rehearsal,
        ReplayedRecord,
        RuleRecord,
        SignatureRecord,
        Split,
        StoredErrorRecord,
        Undo,
        UnknownRecord,
    )
    from pattern_engine.settings import Settings


MOST_SIGNATURES = 20_000
"""Signatures that a process remembers the database to have; beyond it, it starts anew."""


class Database:
    """Calls the database's functions. Safe to share between threads, one for each process."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._clients: Clients | None = None
        self._signatures: set[str] = set()

    def close(self) -> None:
        """Close the connections; a process that lives on opens new ones with its next call."""
        with self._lock:
            if self._clients is not None:
                self._clients.close()
                self._clients = None

    def learn_error(
        self, keys: KnownErrorRecord, complete: Callable[[], ErrorRecord]
    ) -> LearnedRecord:
        """Count one error, by its keys alone where the database was seen to have its signature.

        `complete` is asked for what makes a pattern where it was not, or has lost it since.
        """
        signature = keys["signature"]
        if signature in self._signatures:
            counted = self._count(keys)
            if counted is not None:
                return counted
            self._signatures.discard(signature)
            logs.warning("signature_lost", signature=signature)
        (learned,) = self.learn_errors([complete()])
        if learned["action"] != "unchanged":  # a row that was counted before proves nothing
            self._remember(signature)
        return learned

    def _count(self, keys: KnownErrorRecord) -> LearnedRecord | None:
        """Count an error by its keys alone; None, and nothing is counted, if they do not do."""
        (answer,) = self._learn("learn_errors_v1", [keys])
        return None if "unknown" in answer else answer

    def _remember(self, signature: str) -> None:
        if len(self._signatures) >= MOST_SIGNATURES:
            self._signatures.clear()
        self._signatures.add(signature)

    def learn_errors(self, errors: list[AnyErrorRecord]) -> list[LearnedRecord]:
        """Count errors and answer what became of each, in order.

        One call, and one more for those by which two patterns turn out to be one.
        """
        answers = self._learn("learn_errors_v1", errors)
        unknown = [place for place, answer in enumerate(answers) if "unknown" in answer]
        if unknown:
            left = self_contained([errors[place] for place in unknown], errors)
            for place, answer in zip(unknown, self._learn("join_errors_v1", left), strict=True):
                answers[place] = answer
        if any("unknown" in answer for answer in answers):
            raise _unexpected("join_errors_v1", answers)
        return cast("list[LearnedRecord]", answers)

    def _learn(
        self, name: str, errors: list[AnyErrorRecord]
    ) -> list[LearnedRecord | UnknownRecord]:
        return self._rows(name, {"p_errors": errors}, expected=len(errors))

    def read_logs(self, ids: list[int]) -> list[LogRecord]:
        """Read the errors and criticals among some log rows, without the engine's own."""
        return self._rows("read_logs_v1", {"p_ids": ids})

    def find_candidates(
        self, queries: list[CandidateQuery], storm_seconds: float
    ) -> list[Candidate]:
        """Find pattern, fix and circumstances of errors, in order."""
        arguments = {"p_errors": queries, "p_storm_seconds": storm_seconds}
        return self._rows("find_candidates_v1", arguments, expected=len(queries))

    def claim_application(self, request: ClaimRequest) -> Claim:
        """Take an error in hand: a version of a fix runs once for a log row."""
        arguments = {f"p_{name}": value for name, value in request.items()}
        return cast("Claim", self._object("claim_application_v1", arguments))

    def application_job(self, application_id: str) -> JobRecord:
        """Read all that it takes to run a claimed fix outside the database, secrets included."""
        arguments = {"p_application_id": application_id}
        return cast("JobRecord", self._object("application_job_v1", arguments))

    def run_application(self, application_id: str) -> Outcome:
        """Run the SQL of a claimed application and record how it ended, in one transaction."""
        arguments = {"p_application_id": application_id}
        return cast("Outcome", self._object("run_application_v1", arguments))

    def cancel_application(self, application_id: str) -> bool:
        """Stop the backend that runs an application; False if none does."""
        return self._call("cancel_application_v1", {"p_application_id": application_id}) is True

    def finish_application(self, application_id: str, outcome: Json) -> Outcome:
        """Record an application; one that was recorded before stays as it is."""
        arguments = {"p_application_id": application_id, "p_outcome": outcome}
        return cast("Outcome", self._object("finish_application_v1", arguments))

    def note_rows(self, application_id: str, before: list[Json], after: list[Json] | None) -> None:
        """Store a sample of the rows before and after a run, scrubbed."""
        arguments = {"p_application_id": application_id, "p_before": before, "p_after": after}
        self._call("note_rows_v1", arguments)

    def record_refusals(self, refusals: list[Refusal]) -> None:
        """Note why fixes were not run for errors."""
        self._call("record_refusals_v1", {"p_refusals": refusals})

    def refuse_signature(self, signature: str, system_log_id: int | None) -> None:
        """Tell, once an hour, that a fix was not run for a signature that came after it."""
        arguments = {"p_signature": signature, "p_system_log_id": system_log_id}
        self._call("refuse_signature_v1", arguments)

    def stop_for_storm(self, patterns: int, policy: Json) -> str:
        """Pause all fixes because so many patterns fire together; answers why nothing runs."""
        answer = self._call("stop_for_storm_v1", {"p_patterns": patterns, "p_policy": policy})
        return str(answer)

    def approve_pattern(self, approval: Approval, caller: Caller) -> Json:
        """Approve a fix for a pattern, in the caller's name; answers the pattern."""
        arguments = {f"p_{name}": value for name, value in approval.items()}
        return self._object("approve_pattern_v1", arguments, caller)

    def enable_fix(self, enabling: Enabling, caller: Caller) -> Json:
        """Put a shadow or a demoted fix in use, in the caller's name; answers the pattern."""
        arguments = {f"p_{name}": value for name, value in enabling.items()}
        return self._object("enable_fix_v1", arguments, caller)

    def disable_pattern(self, pattern_id: str, reason: str | None, caller: Caller) -> Json:
        """Switch a pattern's fix off, in the caller's name; answers the pattern."""
        arguments = {"p_pattern_id": pattern_id, "p_reason": reason}
        return self._object("disable_pattern_v1", arguments, caller)

    def start_rollback(self, application_id: str, reason: str | None, caller: Caller) -> Undo:
        """Take a run in hand that is to be undone, in the caller's name; answers its undoing."""
        arguments = {"p_application_id": application_id, "p_reason": reason}
        return cast("Undo", self._object("start_rollback_v1", arguments, caller))

    def recall_error(self, application_id: str, error: Json) -> bool:
        """Give a roll-back the error as the run saw it; False if none is under way."""
        arguments = {"p_application_id": application_id, "p_error": error}
        return self._call("recall_error_v1", arguments) is True

    def pause_fixes(self, reason: str, seconds: int, caller: Caller) -> Json:
        """Pause all fixes, in the caller's name; answers the pause."""
        return self._object("pause_fixes_v1", {"p_reason": reason, "p_seconds": seconds}, caller)

    def resume_fixes(self, reason: str | None, caller: Caller) -> Json:
        """End every pause, in the caller's name; answers the ids of those that it ended."""
        return self._object("resume_fixes_v1", {"p_reason": reason}, caller)

    def propose_fix(
        self, pattern_id: str, fix: ComposedFix, analysis: Json, seconds: float, caller: Caller
    ) -> Json:
        """Propose a fix, in the caller's name; answers the proposal."""
        arguments = {
            "p_pattern_id": pattern_id,
            "p_fix": fix,
            "p_analysis": analysis,
            "p_seconds": seconds,
        }
        return self._object("propose_fix_v1", arguments, caller)

    def open_proposal(self, proposal_id: str, caller: Caller) -> Json:
        """Read a proposal that is still open, in the caller's name."""
        return self._object("open_proposal_v1", {"p_proposal_id": proposal_id}, caller)

    def rehearse_proposal(self, proposal_id: str, errors: list[Json]) -> list[Rehearsal]:
        """Run a proposed SQL fix for real once for each error, and undo each run."""
        arguments = {"p_proposal_id": proposal_id, "p_errors": errors}
        return self._rows("rehearse_proposal_v1", arguments, expected=len(errors))

    def note_preview(self, proposal_id: str, dry_run: Json, replay: Json) -> Json:
        """Store dry-run and replay of a proposal; answers the proposal."""
        arguments = {"p_proposal_id": proposal_id, "p_dry_run": dry_run, "p_replay": replay}
        return self._object("note_preview_v1", arguments)

    def incidents_for_replay(self, pattern_id: str, limit: int) -> list[ReplayedRecord]:
        """Read the latest errors of a pattern that are still in the log, newest first."""
        arguments = {"p_pattern_id": pattern_id, "p_limit": limit}
        return self._rows("incidents_for_replay_v1", arguments)

    def decide_fix(self, decision: Decision, caller: Caller) -> Json:
        """Approve or reject a proposal, in the caller's name; answers proposal and pattern."""
        arguments = {f"p_{name}": value for name, value in decision.items()}
        return self._object("decide_fix_v1", arguments, caller)

    def fix_proposals(
        self, pattern_id: str | None, limit: int, caller: Caller, *, open_only: bool
    ) -> list[Json]:
        """Read proposals, newest first."""
        arguments = {"p_pattern_id": pattern_id, "p_open_only": open_only, "p_limit": limit}
        return self._rows("fix_proposals_v1", arguments, caller=caller)

    def suggested_fixes(self, pattern_id: str, limit: int, caller: Caller) -> list[Json]:
        """Read the fixes of patterns that resemble one, those that helped most first."""
        arguments = {"p_pattern_id": pattern_id, "p_limit": limit}
        return self._rows("suggested_fixes_v1", arguments, caller=caller)

    def merge_patterns(self, pattern_ids: list[str], reason: str | None, caller: Caller) -> Json:
        """Merge patterns, in the caller's name; answers the one that was kept, and the merges."""
        arguments = {"p_pattern_ids": pattern_ids, "p_reason": reason}
        return self._object("merge_patterns_v1", arguments, caller)

    def undo_merge(self, merge_id: str, caller: Caller) -> Json:
        """Undo a merge, in the caller's name; answers both patterns."""
        return self._object("undo_merge_v1", {"p_merge_id": merge_id}, caller)

    def pattern_signatures(self, pattern_id: str, caller: Caller) -> list[SignatureRecord]:
        """Read the signatures of a pattern, the first ones first; none where there is none."""
        return self._rows("pattern_signatures_v1", {"p_pattern_id": pattern_id}, caller=caller)

    def split_pattern(self, split: Split, caller: Caller) -> Json:
        """Split a pattern, in the caller's name; answers both patterns."""
        arguments = {f"p_{name}": value for name, value in split.items()}
        return self._object("split_pattern_v1", arguments, caller)

    def undo_split(self, split_id: str, caller: Caller) -> Json:
        """Undo a split, in the caller's name; answers both patterns."""
        return self._object("undo_split_v1", {"p_split_id": split_id}, caller)

    def confirm_signatures(self, pattern_id: str, signatures: list[str], caller: Caller) -> Json:
        """Confirm signatures for a pattern's fix, in the caller's name."""
        arguments = {"p_pattern_id": pattern_id, "p_signatures": signatures}
        return self._object("confirm_signatures_v1", arguments, caller)

    def resolve_pattern(
        self, pattern_id: str, release: str | None, reason: str | None, caller: Caller
    ) -> Json:
        """Mark a pattern as resolved, in the caller's name; answers it."""
        arguments = {"p_pattern_id": pattern_id, "p_release": release, "p_reason": reason}
        return self._object("resolve_pattern_v1", arguments, caller)

    def ignore_pattern(self, ignoring: Ignoring, caller: Caller) -> Json:
        """Ignore a pattern, in the caller's name; answers it."""
        arguments = {f"p_{name}": value for name, value in ignoring.items()}
        return self._object("ignore_pattern_v1", arguments, caller)

    def reopen_pattern(self, pattern_id: str, reason: str | None, caller: Caller) -> Json:
        """Open a pattern again, in the caller's name; answers it."""
        arguments = {"p_pattern_id": pattern_id, "p_reason": reason}
        return self._object("reopen_pattern_v1", arguments, caller)

    def similar_patterns(self, pattern_id: str, limit: int, caller: Caller) -> list[Json]:
        """Read which patterns resemble one, best first."""
        arguments = {"p_pattern_id": pattern_id, "p_limit": limit}
        return self._rows("similar_patterns_v1", arguments, caller=caller)

    def grouping_rules(
        self, caller: Caller | None = None, *, disabled_too: bool = False
    ) -> list[RuleRecord]:
        """Read the grouping rules, in the order in which they are tried."""
        return self._rows("grouping_rules_v1", {"p_disabled_too": disabled_too}, caller=caller)

    def stored_errors(self, most: int, caller: Caller) -> list[StoredErrorRecord]:
        """Read the latest errors that were counted, to try a rule on them."""
        return self._rows("stored_errors_v1", {"p_most": most}, caller=caller)

    def save_grouping_rule(self, rule: Json, caller: Caller) -> Json:
        """Make or change a grouping rule, in the caller's name; answers it as stored."""
        return self._object("save_grouping_rule_v1", {"p_rule": rule}, caller)

    def disable_grouping_rule(self, rule_id: str, reason: str | None, caller: Caller) -> Json:
        """Take a grouping rule out of use, in the caller's name; answers it."""
        arguments = {"p_rule_id": rule_id, "p_reason": reason}
        return self._object("disable_grouping_rule_v1", arguments, caller)

    def start_clustering(self, caller: Caller) -> Json:
        """Open a learning session and read the patterns that it clusters."""
        return self._object("start_clustering_v1", {}, caller)

    def replace_clusters(
        self, session_id: str, clusters: list[Json], result: Json, caller: Caller
    ) -> list[Json]:
        """Store the clusters of a session instead of the former ones, and complete the session."""
        arguments = {"p_session_id": session_id, "p_clusters": clusters, "p_result": result}
        return self._rows("replace_clusters_v1", arguments, caller=caller)

    def fail_session(self, session_id: str, error: str, result: Json, caller: Caller) -> None:
        """Record that a session failed."""
        arguments = {"p_session_id": session_id, "p_error": error, "p_result": result}
        self._call("fail_session_v1", arguments, caller)

    def statistics(self, caller: Caller) -> Json:
        """Read the key performance indicators."""
        return self._object("statistics_v1", {}, caller)

    def record_event(self, event: Event) -> None:
        """Write an entry of ops.roman_events."""
        self._call("record_event_v1", {f"p_{name}": value for name, value in event.items()})

    def record_violation(self, pattern_id: str, validation: Json) -> None:
        """Record that the Four Laws forbade an application."""
        self._call("record_violation_v1", {"p_pattern_id": pattern_id, "p_validation": validation})

    def ping(self) -> None:
        """Ask the database for a sign of life, as anyone may."""
        if transport.call(self._connected().anyone, "ping_v1", {}, as_person=True) != 1:
            raise DatabaseError

    def _rows(
        self,
        name: str,
        arguments: Json,
        *,
        expected: int | None = None,
        caller: Caller | None = None,
    ) -> list[Any]:
        """The answer of a function that gives a list, with as many rows as are `expected`."""
        rows = self._call(name, arguments, caller)
        if not isinstance(rows, list) or (expected is not None and len(rows) != expected):
            raise _unexpected(name, rows)
        return rows

    def _object(self, name: str, arguments: Json, caller: Caller | None = None) -> Json:
        """The answer of a function that gives an object."""
        answer = self._call(name, arguments, caller)
        if not isinstance(answer, dict):
            raise _unexpected(name, answer)
        return answer

    def _call(self, name: str, arguments: Json, caller: Caller | None = None) -> object:
        """Call a function as the engine, or as the person who calls us.

        Raises:
            PatternEngineError: the kind that fits the database's error code.
        """
        clients = self._connected()
        if caller is None or caller.token is None:
            return transport.call(clients.engine, name, arguments, as_person=False)
        return transport.call(clients.of_person(caller.token), name, arguments, as_person=True)

    def _connected(self) -> Clients:
        """The clients of this process, made at the first call: a server forks before that."""
        if self._clients is None:
            with self._lock:
                if self._clients is None:
                    self._clients = Clients(self._settings)
        return self._clients


def _unexpected(name: str, answer: object) -> DatabaseError:
    logs.error("database_answer_unexpected", rpc=name, kind=type(answer).__name__)
    return DatabaseError(f"The database's answer to {name} is not understood.")
