"""What the database knows about an error and its fix, for tests that heal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pattern_engine.fixes.sql.analysis import analyse

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from werkzeug.test import TestResponse

USER_ID = "11111111-1111-4111-8111-111111111111"
PATTERN_ID = "22222222-2222-4222-8222-222222222222"
APPLICATION_ID = "44444444-4444-4444-8444-444444444444"
MESSAGE = "null value in column status of order 7"
SCRIPT = "update users set status = 'active' where status is null"
ANALYSIS = analyse(SCRIPT)
PREPARED = ANALYSIS.prepared_script
SAMPLE = ANALYSIS.sample.before if ANALYSIS.sample else None


def log(**changes: object) -> dict[str, Any]:
    """The log row behind the error, a moment old, written by the service role for the person."""
    return {
        "id": 12,
        "message": MESSAGE,
        "source": "shop",
        "user_id": USER_ID,
        "written_by": "service_role",
        "created_at": "2026-01-01T00:00:00+00:00",
        "age_seconds": 1.5,
        **changes,
    }


def pattern(**changes: object) -> dict[str, Any]:
    """A pattern with an approved fix."""
    return {
        "pattern_id": PATTERN_ID,
        "pattern_signature": "pattern_3k5j8m",
        "pattern_type": "database",
        "error_message_pattern": "^null value in column status of user [0-9]+$",
        "severity": "error",
        "success_rate": 80.0,
        "confidence_score": 0.85,
        "confidence_lower_bound": 0.4,
        "confidence_outcomes": 6,
        "consecutive_failures": 0,
        "occurrence_count": 12,
        "auto_fix_enabled": True,
        "auto_fix_script": SCRIPT,
        "auto_fix_type": "sql",
        "auto_fix_parameters": {},
        **changes,
    }


def fix(**changes: object) -> dict[str, Any]:
    """The approved version of its fix."""
    return {
        "version": 3,
        "fix_type": "sql",
        "script": SCRIPT,
        "prepared_script": PREPARED,
        "undo_script": None,
        "prepared_undo_script": None,
        "sample_table": None,
        "sample_script": SAMPLE,
        "parameters": {},
        "timeout_ms": 5000,
        "max_retries": 0,
        "max_rows": 1000,
        "sha256": "abc",
        "guard": None,
        "trusted_writers": ["service_role"],
        "target": [],
        "mode": "live",
        "mode_reason": None,
        "mode_changed_by": USER_ID,
        "dry_run_rows": 2,
        "proposed_by": USER_ID,
        "approved_by": USER_ID,
        "tables": ["public.users"],
        "hosts": [],
        "secrets": {},
        "analysis": None,
        "stored_matches": True,
        **changes,
    }


def candidate(**changes: object) -> dict[str, Any]:
    """What the database knows about the error."""
    return {
        "log": log(),
        "pattern": pattern(),
        "fix": fix(),
        "untrusted_signature": None,
        "outside_guard": None,
        "expressions": [],
        "hold": None,
        "before_approval": False,
        **changes,
    }


def claim(**changes: object) -> dict[str, Any]:
    """The error is ours to heal."""
    return {
        "application_id": APPLICATION_ID,
        "refusal": None,
        "validation": verdict(),
        "job": None,
        **changes,
    }


def refused(code: str, **changes: object) -> dict[str, Any]:
    """The database lets the fix not run."""
    refusal = {"code": code, **changes}
    validation = verdict(storm=False) if code == "laws" else None
    return claim(application_id=None, refusal=refusal, validation=validation)


def verdict(*, storm: bool = True) -> dict[str, Any]:
    """What the database says of the Four Laws; only Law 4, and only of storms."""
    outcome = "pass" if storm else "fail"
    numbers = {
        "firing_patterns": 1 if storm else 10,
        "storm_patterns": 10,
        "storm_seconds": 60,
        "seconds_since_last_run": None,
    }
    law = {
        "law": 4,
        "name": "Harmonic Resonance",
        "outcome": outcome,
        "parts": {"storm": storm, "cooldown": None},
        "numbers": numbers,
    }
    return {"risk_to_life": 0.1, "compliant": storm, "laws": [law]}


def outcome(**changes: object) -> dict[str, Any]:
    """How the run ended."""
    return {
        "success": True,
        "error": None,
        "rows_touched": 2,
        "tables": {"public.users": 2},
        "execution_time_ms": 150,
        "pattern": {"success_rate": 85.5, "confidence_score": 0.95},
        **changes,
    }


def post(
    function: FlaskClient, headers: dict[str, str], message: str = MESSAGE, **changes: object
) -> TestResponse:
    """Report the error."""
    body = {"error_message": message, "error_source": "shop", "system_log_id": 12, **changes}
    kept = {name: value for name, value in body.items() if value is not None}
    return function.post("/", json=kept, headers=headers)
