"""What the database answers about a proposed fix, for tests of proposing and deciding."""

from __future__ import annotations

from typing import Any

from tests.http.healing.candidates import MESSAGE, PATTERN_ID, PREPARED, SCRIPT, USER_ID, candidate

from pattern_engine.fixes.sql.analysis import analyse

PROPOSAL_ID = "55555555-5555-4555-8555-555555555555"
DIGEST = "a" * 64
_SAMPLE = analyse(SCRIPT).sample
assert _SAMPLE is not None
PARAMETERS = {"max_rows": 10, "colour": {"a": [1]}}
FIX: dict[str, Any] = {
    "type": "sql",
    "script": SCRIPT,
    "prepared_script": PREPARED,
    "undo_script": None,
    "prepared_undo_script": None,
    "sample_table": _SAMPLE.table,
    "sample_script": _SAMPLE.before,
    "parameters": PARAMETERS,
    "tables": ["public.users"],
    "hosts": [],
    "secrets": {},
}
ANALYSIS = {
    "operations": ["update public.users"],
    "destructive": [],
    "tables": ["public.users"],
    "written_tables": ["public.users"],
    "hosts": [],
    "secrets": {},
}


def proposal(**changes: object) -> dict[str, Any]:
    """An open proposal as the database answers it."""
    return {
        "proposal_id": PROPOSAL_ID,
        "pattern_id": PATTERN_ID,
        "fix": FIX,
        "guard": None,
        "sha256": DIGEST,
        "based_on_version": None,
        "analysis": ANALYSIS,
        "dry_run": None,
        "replay": None,
        "previewed_at": None,
        "proposed_by": USER_ID,
        "proposed_at": "2026-01-01T00:00:00+00:00",
        "expires_at": "2026-01-08T00:00:00+00:00",
        "decision": None,
        "decided_by": None,
        "decided_at": None,
        "decision_reason": None,
        "closed_because": None,
        **changes,
    }


def noted(arguments: dict[str, Any]) -> dict[str, Any]:
    """The proposal with the preview that was stored for it."""
    return proposal(
        dry_run=arguments["p_dry_run"],
        replay=arguments["p_replay"],
        previewed_at="2026-01-01T00:00:01+00:00",
    )


def load_part(**changes: object) -> dict[str, Any]:
    """What Law 2 says of the errors around a stored one: three of them, and all is well."""
    numbers = {
        "recent_errors": 3,
        "errors_at_maximum": 100,
        "system_entropy": 0.03,
        "recent_errors_of_pattern": 1,
        "share_of_errors": 1 / 3,
        "storm_share": 0.5,
    }
    return {"law": 2, "part": "load", "holds": True, "numbers": numbers, **changes}


def incident(number: int, message: str = MESSAGE, **changes: object) -> dict[str, Any]:
    """A stored error of the pattern."""
    return {
        "id": number,
        "message": message,
        "source": "shop",
        "log_level": "error",
        "created_at": f"2025-12-31T00:00:{number % 60:02}+00:00",
        "written_by": "service_role",
        "error_data": None,
        "environment": None,
        "release": None,
        "learned": True,
        "identifiers": {},
        "is_inside_guard": True,
        "load": load_part(),
        **changes,
    }


def all_match(arguments: dict[str, Any]) -> list[dict[str, Any]]:
    """As many errors of the pattern as were asked about."""
    return [candidate(fix=None) for _ in arguments["p_errors"]]


def rehearsal(rows: int = 2, **changes: object) -> dict[str, Any]:
    """What a rehearsal did."""
    return {
        "success": True,
        "error": None,
        "rows_touched": rows,
        "tables": {"public.users": rows},
        "whole_tables": ["public.users"],
        "rows_before": [{"id": 7, "status": None, "email": "ann@example.com"}],
        "rows_after": [{"id": 7, "status": "active", "email": "ann@example.com"}],
        **changes,
    }


def pattern_row(**changes: object) -> dict[str, Any]:
    """The row of the pattern after a decision."""
    return {
        "id": 1,
        "pattern_id": PATTERN_ID,
        "pattern_signature": "pattern_3k5j8m",
        "auto_fix_enabled": True,
        "human_approved": True,
        "approved_by": USER_ID,
        "approved_at": "2026-01-02T00:00:00+00:00",
        "constitutional_compliant": True,
        **changes,
    }
