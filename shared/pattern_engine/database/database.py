"""One method for each function of the schema `ops` that the engine calls through PostgREST.

A person's action carries that person's token, so that the database checks the role; the engine's
own work uses the secret key. This module never repeats a call that was sent: callers get a 503 and
may send a request such as `learn` again. Only opening a connection is tried twice, by the
transport.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, cast

from pattern_engine import logs
from pattern_engine.database import transport
from pattern_engine.database.slots import Slots
from pattern_engine.database.transport import Clients
from pattern_engine.exceptions import DatabaseError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pattern_engine.api.callers import Caller
    from pattern_engine.database.records import (
        Approval,
        Candidate,
        CandidateQuery,
        Claim,
        ClaimRequest,
        ComposedFix,
        Confirming,
        Decision,
        Disabling,
        DueMessage,
        Enabling,
        ErrorRecord,
        ErrorSeen,
        Event,
        GroupingRecord,
        Ignoring,
        JobRecord,
        Json,
        LearnedRecord,
        LogRecord,
        Look,
        NewLogs,
        Outcome,
        RefusalNote,
        Rehearsal,
        ReplayedRecord,
        RuleRecord,
        RunOfLogRow,
        SignatureRecord,
        Split,
        StoredErrorRecord,
        Undo,
        UnknownRecord,
    )
    from pattern_engine.settings import Settings


ENDS_RUNS = frozenset({"cancel_application_v1", "finish_application_v1"})
"""Functions that stop or record a run, which no other call may delay."""


class Database:
    """Calls the database's functions. A process makes one, and its threads share it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._slots = Slots(settings.database_calls)
        self._lock = threading.Lock()
        self._clients: Clients | None = None

    def close(self) -> None:
        """Close the connections; the next call opens new ones."""
        with self._lock:
            if self._clients is not None:
                self._clients.close()
                self._clients = None

    def learn_errors(self, errors: list[ErrorRecord]) -> list[LearnedRecord | UnknownRecord]:
        """Count errors and return the result of each, in order."""
        return self._rows("learn_errors_v1", {"p_errors": errors}, expected=len(errors))

    def join_errors(self, errors: list[ErrorRecord]) -> list[LearnedRecord | UnknownRecord]:
        """Count errors that show that two patterns are the same, and merge those patterns."""
        return self._rows("join_errors_v1", {"p_errors": errors}, expected=len(errors))

    def read_logs(self, ids: list[int]) -> list[LogRecord]:
        """Read those of some log rows that are errors or critical and not the engine's own."""
        return self._rows("read_logs_v1", {"p_ids": ids})

    def read_new_logs(self, first: int, last: int, look: Look) -> NewLogs:
        """Read the errors from the announced ones on that nobody has learned, up to 500."""
        arguments = {"p_first": first, "p_last": last, "p_look": look}
        return cast("NewLogs", self._object("read_new_logs_v1", arguments))

    def take_unlearned(self) -> list[int]:
        """Take the ids of the next errors that were never learned; none if all are learned."""
        return self._rows("take_unlearned_v1", {})

    def note_failures(self, failures: Mapping[int, str]) -> None:
        """Record why errors that were taken could not be learned."""
        notes = [{"system_log_id": id_, "error": error} for id_, error in failures.items()]
        self._call("note_failures_v1", {"p_failures": notes})

    def count_unlearnable(self) -> int:
        """Count the errors that the sweep gave up."""
        return cast("int", self._call("count_unlearnable_v1", {}))

    def call_webhook(self, call: Json) -> None:
        """Have the database call the webhook function, which goes on with this work."""
        self._call("call_webhook_v1", {"p_call": call})

    def find_candidates(self, queries: list[CandidateQuery]) -> list[Candidate]:
        """Find log row, pattern and fix of errors, in order."""
        return self._rows("find_candidates_v1", {"p_errors": queries}, expected=len(queries))

    def claim_application(self, request: ClaimRequest) -> Claim:
        """Claim an error for its fix; a fix version runs once for a log row."""
        return cast("Claim", self._object("claim_application_v1", _as_arguments(request)))

    def application_job(self, application_id: str) -> JobRecord:
        """Read the script, limits and secrets of a claimed fix that runs outside the database."""
        arguments = {"p_application_id": application_id}
        return cast("JobRecord", self._object("application_job_v1", arguments))

    def run_application(self, application_id: str) -> Outcome:
        """Run the SQL of a claimed application and record its outcome, in one transaction."""
        arguments = {"p_application_id": application_id}
        return cast("Outcome", self._object("run_application_v1", arguments))

    def cancel_application(self, application_id: str) -> int | None:
        """Cancel the script of an application if its time is over; return the milliseconds left.

        It is 0 for one that was cancelled, and None while no script of the application is running.
        """
        left = self._call("cancel_application_v1", {"p_application_id": application_id})
        return left if isinstance(left, int) else None

    def finish_application(self, application_id: str, outcome: Json) -> Outcome:
        """Record the outcome of an application; an outcome that was recorded before stands."""
        arguments = {"p_application_id": application_id, "p_outcome": outcome}
        return cast("Outcome", self._object("finish_application_v1", arguments))

    def run_of_log_row(self, log_id: int) -> RunOfLogRow | None:
        """Read the latest run of a fix for a log row; None if no fix ran."""
        found = self._call("run_of_log_row_v1", {"p_system_log_id": log_id})
        return cast("RunOfLogRow", found) if isinstance(found, dict) else None

    def note_rows(self, application_id: str, before: list[Json], after: list[Json] | None) -> None:
        """Store a sample of the rows before and after a run, scrubbed."""
        arguments = {"p_application_id": application_id, "p_before": before, "p_after": after}
        self._call("note_rows_v1", arguments)

    def note_failure(self, application_id: str, reason: str) -> None:
        """Store why a run failed whose script raised an exception, scrubbed."""
        arguments = {"p_application_id": application_id, "p_reason": reason}
        self._call("note_failure_v1", arguments)

    def record_refusals(self, refusals: list[RefusalNote]) -> None:
        """Note why fixes were not run for errors."""
        self._call("record_refusals_v1", {"p_refusals": refusals})

    def refuse_signature(self, signature: str, system_log_id: int | None) -> None:
        """Record, at most once an hour, that a fix was refused for an unconfirmed signature."""
        arguments = {"p_signature": signature, "p_system_log_id": system_log_id}
        self._call("refuse_signature_v1", arguments)

    def approve_pattern(self, approval: Approval, caller: Caller) -> Json:
        """Approve a fix for a pattern, in the caller's name; answers the pattern."""
        return self._object("approve_pattern_v1", _as_arguments(approval), caller)

    def enable_fix(self, enabling: Enabling, caller: Caller) -> Json:
        """Make a fix that is not disabled live, in the caller's name; answers the pattern."""
        return self._object("enable_fix_v1", _as_arguments(enabling), caller)

    def disable_pattern(self, disabling: Disabling, caller: Caller) -> Json:
        """Disable a fix of a pattern, in the caller's name; answers the pattern."""
        return self._object("disable_pattern_v1", _as_arguments(disabling), caller)

    def start_rollback(self, application_id: str, reason: str | None, caller: Caller) -> Undo:
        """Begin to undo a run, in the caller's name; answers the undo script and its limits."""
        arguments = {"p_application_id": application_id, "p_reason": reason}
        return cast("Undo", self._object("start_rollback_v1", arguments, caller))

    def recall_error(self, application_id: str, error: ErrorSeen) -> None:
        """Store the error for a rollback's undo script, if a rollback is under way."""
        arguments = {"p_application_id": application_id, "p_error": error}
        self._call("recall_error_v1", arguments)

    def pause_fixes(self, reason: str, seconds: int, caller: Caller) -> Json:
        """Pause all fixes, in the caller's name; answers the pause."""
        return self._object("pause_fixes_v1", {"p_reason": reason, "p_seconds": seconds}, caller)

    def resume_fixes(self, reason: str | None, caller: Caller) -> Json:
        """End every pause, in the caller's name; answers the ids of the pauses."""
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

    def rehearse_proposal(self, proposal_id: str, errors: list[ErrorSeen]) -> list[Rehearsal]:
        """Run a proposed SQL fix once for each error, and undo each run."""
        arguments = {"p_proposal_id": proposal_id, "p_errors": errors}
        return self._rows("rehearse_proposal_v1", arguments, expected=len(errors))

    def note_preview(self, proposal_id: str, dry_run: Json, replay: Json) -> Json:
        """Store dry-run and replay of a proposal; answers the proposal."""
        arguments = {"p_proposal_id": proposal_id, "p_dry_run": dry_run, "p_replay": replay}
        return self._object("note_preview_v1", arguments)

    def incidents_for_replay(
        self,
        pattern_id: str,
        guard: list[dict[str, str]] | None,
        limit: int,
        policy: Mapping[str, float],
    ) -> list[ReplayedRecord]:
        """Read a pattern's latest errors that are still in the log, newest first."""
        arguments = {
            "p_pattern_id": pattern_id,
            "p_guard": guard,
            "p_limit": limit,
            "p_policy": policy,
        }
        return self._rows("incidents_for_replay_v1", arguments)

    def decide_fix(self, decision: Decision, caller: Caller) -> Json:
        """Approve or reject a proposal, in the caller's name; answers proposal and pattern."""
        return self._object("decide_fix_v1", _as_arguments(decision), caller)

    def fix_proposals(
        self, pattern_id: str | None, limit: int, caller: Caller, *, open_only: bool
    ) -> list[Json]:
        """Read proposals, newest first."""
        arguments = {"p_pattern_id": pattern_id, "p_open_only": open_only, "p_limit": limit}
        return self._rows("fix_proposals_v1", arguments, caller=caller)

    def suggested_fixes(self, pattern_id: str, limit: int, caller: Caller) -> list[Json]:
        """Read the fixes of similar patterns, the most successful first."""
        arguments = {"p_pattern_id": pattern_id, "p_limit": limit}
        return self._rows("suggested_fixes_v1", arguments, caller=caller)

    def take_notification(self) -> DueMessage | None:
        """Take the next message that is due; None if there is none."""
        taken = self._call("take_notification_v1", {})
        return cast("DueMessage", taken) if isinstance(taken, dict) else None

    def finish_notification(
        self, message_id: str, attempt: int, error: str | None, included: list[int]
    ) -> str:
        """Record that a target accepted a message, or why not; answers the message's state."""
        arguments = {
            "p_message_id": message_id,
            "p_try": attempt,
            "p_error": error,
            "p_included": included,
        }
        return str(self._call("finish_notification_v1", arguments))

    def merge_patterns(self, pattern_ids: list[str], reason: str | None, caller: Caller) -> Json:
        """Merge patterns, in the caller's name; answers the kept pattern and the merges."""
        arguments = {"p_pattern_ids": pattern_ids, "p_reason": reason}
        return self._object("merge_patterns_v1", arguments, caller)

    def undo_merge(self, merge_id: str, caller: Caller) -> Json:
        """Undo a merge, in the caller's name; answers both patterns."""
        return self._object("undo_merge_v1", {"p_merge_id": merge_id}, caller)

    def pattern_signatures(self, pattern_id: str, caller: Caller) -> list[SignatureRecord]:
        """Read the signatures of a pattern, oldest first; none if there is no such pattern."""
        return self._rows("pattern_signatures_v1", {"p_pattern_id": pattern_id}, caller=caller)

    def split_pattern(self, split: Split, caller: Caller) -> Json:
        """Split a pattern, in the caller's name; answers both patterns."""
        return self._object("split_pattern_v1", _as_arguments(split), caller)

    def undo_split(self, split_id: str, caller: Caller) -> Json:
        """Undo a split, in the caller's name; answers both patterns."""
        return self._object("undo_split_v1", {"p_split_id": split_id}, caller)

    def confirm_signatures(self, pattern_id: str, signatures: list[str], caller: Caller) -> Json:
        """Confirm signatures for a pattern's fix, in the caller's name."""
        arguments = {"p_pattern_id": pattern_id, "p_signatures": signatures}
        return self._object("confirm_signatures_v1", arguments, caller)

    def confirm_identifiers(self, confirming: Confirming, caller: Caller) -> Json:
        """Confirm identifiers for a fix, in the caller's name."""
        return self._object("confirm_identifiers_v1", _as_arguments(confirming), caller)

    def resolve_pattern(
        self, pattern_id: str, release: str | None, reason: str | None, caller: Caller
    ) -> Json:
        """Mark a pattern as resolved, in the caller's name; answers it."""
        arguments = {"p_pattern_id": pattern_id, "p_release": release, "p_reason": reason}
        return self._object("resolve_pattern_v1", arguments, caller)

    def ignore_pattern(self, ignoring: Ignoring, caller: Caller) -> Json:
        """Ignore a pattern, in the caller's name; answers it."""
        return self._object("ignore_pattern_v1", _as_arguments(ignoring), caller)

    def reopen_pattern(self, pattern_id: str, reason: str | None, caller: Caller) -> Json:
        """Open a pattern again, in the caller's name; answers it."""
        arguments = {"p_pattern_id": pattern_id, "p_reason": reason}
        return self._object("reopen_pattern_v1", arguments, caller)

    def similar_patterns(self, pattern_id: str, limit: int, caller: Caller) -> list[Json]:
        """Read the patterns that are similar to one, the most similar first."""
        arguments = {"p_pattern_id": pattern_id, "p_limit": limit}
        return self._rows("similar_patterns_v1", arguments, caller=caller)

    def pattern_facets(self, pattern_ids: list[str], values: int, caller: Caller) -> list[Json]:
        """Read what the errors of patterns named, and which patterns each was logged with."""
        arguments = {"p_pattern_ids": pattern_ids, "p_values": values}
        return self._rows("pattern_facets_v1", arguments, expected=len(pattern_ids), caller=caller)

    def grouping_rules(
        self, caller: Caller | None = None, *, disabled_too: bool = False
    ) -> list[RuleRecord]:
        """Read the grouping rules, in the order in which they are tried."""
        return self._rows("grouping_rules_v1", {"p_disabled_too": disabled_too}, caller=caller)

    def grouping(self) -> GroupingRecord:
        """Read the enabled rules, and the older algorithms of which there are signatures."""
        return cast("GroupingRecord", self._object("read_grouping_v1", {}))

    def stored_errors(self, most: int, caller: Caller) -> list[StoredErrorRecord]:
        """Read the latest counted errors, for the preview of a grouping rule."""
        return self._rows("stored_errors_v1", {"p_most": most}, caller=caller)

    def save_grouping_rule(self, rule: Json, caller: Caller) -> Json:
        """Create or change a grouping rule, in the caller's name; answers the stored rule."""
        return self._object("save_grouping_rule_v1", {"p_rule": rule}, caller)

    def disable_grouping_rule(self, rule_id: str, reason: str | None, caller: Caller) -> Json:
        """Disable a grouping rule, in the caller's name; answers it."""
        arguments = {"p_rule_id": rule_id, "p_reason": reason}
        return self._object("disable_grouping_rule_v1", arguments, caller)

    def start_clustering(self, caller: Caller) -> Json:
        """Start a learning session and read the patterns to cluster."""
        return self._object("start_clustering_v1", {}, caller)

    def replace_clusters(
        self, session_id: str, clusters: list[Json], result: Json, caller: Caller
    ) -> list[Json]:
        """Replace all clusters by those of a session, and complete the session."""
        arguments = {"p_session_id": session_id, "p_clusters": clusters, "p_result": result}
        return self._rows("replace_clusters_v1", arguments, caller=caller)

    def fail_session(self, session_id: str, error: str, result: Json, caller: Caller) -> None:
        """Record that a session failed."""
        arguments = {"p_session_id": session_id, "p_error": error, "p_result": result}
        self._call("fail_session_v1", arguments, caller)

    def statistics(self, caller: Caller) -> Json:
        """Read the key performance indicators."""
        return self._object("statistics_v1", {}, caller)

    def is_operator(self, caller: Caller) -> bool:
        """Whether a person is an operator of any role, by the person's own token."""
        return isinstance(self._call("caller_role_v1", {}, caller), str)

    def ask(self, function: str, arguments: Json, caller: Caller) -> Any:  # noqa: ANN401
        """Call a function that answers a page of the console, in the caller's name."""
        return self._call(function, arguments, caller)

    def record_event(self, event: Event) -> None:
        """Write an entry of ops.roman_events."""
        self._call("record_event_v1", _as_arguments(event))

    def ping(self) -> None:
        """Check that the database answers; this needs no credentials."""
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
        """Call a function that answers a list; refuse another number of rows than `expected`."""
        rows = self._call(name, arguments, caller)
        if not isinstance(rows, list) or (expected is not None and len(rows) != expected):
            raise _unexpected(name, rows)
        return rows

    def _object(self, name: str, arguments: Json, caller: Caller | None = None) -> Json:
        """Call a function that answers an object."""
        answer = self._call(name, arguments, caller)
        if not isinstance(answer, dict):
            raise _unexpected(name, answer)
        return answer

    def _call(self, name: str, arguments: Json, caller: Caller | None = None) -> object:
        """Call a function with the secret key, or with the caller's token if there is one.

        Raises:
            PatternEngineError: the subclass of the database's error code.
        """
        clients = self._connected()
        token = caller.token if caller else None
        client = clients.engine if token is None else clients.of_person(token)
        with self._slots.taken(never_refused=name in ENDS_RUNS):
            return transport.call(client, name, arguments, as_person=token is not None)

    def _connected(self) -> Clients:
        """The clients of this process; made at the first call, because a server forks before it."""
        if self._clients is None:
            with self._lock:
                if self._clients is None:
                    self._clients = Clients(self._settings)
        return self._clients


def _as_arguments(record: Mapping[str, object]) -> Json:
    return {f"p_{name}": value for name, value in record.items()}


def _unexpected(name: str, answer: object) -> DatabaseError:
    logs.error("database_answer_unexpected", rpc=name, kind=type(answer).__name__)
    return DatabaseError(
        f"The database's answer to {name} has an unexpected form; check that the engine and the "
        "migrations are of the same version."
    )
