"""The limits of fixes stand in `pattern_engine.limits`; every place that keeps them keeps these."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest
from psycopg.errors import CheckViolation
from psycopg.types.json import Jsonb
from pydantic import ValidationError
from tests.conftest import RefusedError

from pattern_engine.approval.models import FixRequest
from pattern_engine.limits import FIX_TYPES, MAX_RETRIES, MAX_ROWS, MAX_TIMEOUT_MS, FixType
from pattern_engine.thresholds import Thresholds

if TYPE_CHECKING:
    from tests.conftest import Sql
    from tests.database.conftest import Patterns


def _bounds(fix_type: FixType) -> dict[str, tuple[int, int]]:
    """The least and the most of each limit."""
    return {
        "timeout_ms": (1, MAX_TIMEOUT_MS[fix_type]),
        "max_retries": (0, MAX_RETRIES),
        "max_rows": (1, MAX_ROWS),
    }


CASES = [(fix_type, limit) for fix_type in FIX_TYPES for limit in _bounds(fix_type)]


def test_the_database_has_the_engines_limits(database: Sql) -> None:
    """For each type of fix, and none for what is no type."""
    limits = "select * from ops_internal.fix_limits(%s)"
    for fix_type in FIX_TYPES:
        assert database.row(limits, fix_type) == {
            "max_timeout_ms": MAX_TIMEOUT_MS[fix_type],
            "max_retries": MAX_RETRIES,
            "max_rows": MAX_ROWS,
        }
    for unknown in ("SQL", "python", "", None):
        assert set(database.row(limits, unknown).values()) == {None}


@pytest.mark.parametrize(("fix_type", "limit"), CASES)
def test_an_approval_keeps_the_limits(patterns: Patterns, fix_type: FixType, limit: str) -> None:
    """PL013 for one less than the least and one more than the most."""
    pattern_id = patterns.new()
    least, most = _bounds(fix_type)[limit]
    for value in (least - 1, most + 1):
        with pytest.raises(RefusedError) as refused:
            patterns.approve(pattern_id, type=fix_type, parameters={limit: value})
        assert refused.value.code == "PL013"
    for value in (least, most):
        patterns.approve(pattern_id, type=fix_type, parameters={limit: value})
        assert patterns.fix(pattern_id)[limit] == value
        patterns.disable(pattern_id)


@pytest.mark.parametrize(("fix_type", "limit"), CASES)
def test_the_table_keeps_the_limits(
    admin: Sql, patterns: Patterns, fix_type: FixType, limit: str
) -> None:
    """Whoever writes the row."""
    pattern_id = patterns.new()
    patterns.approve(pattern_id, type=fix_type)
    with admin.undone():
        admin.run(
            "set local session_replication_role = replica"
        )  # an approved fix is kept as it is

        def write(value: int) -> int:
            return admin.run(
                """update ops.pattern_fixes
                   set (timeout_ms, max_retries, max_rows) = (
                     select timeout_ms, max_retries, max_rows
                     from jsonb_populate_record(pattern_fixes, %s)
                   )
                   where pattern_id = %s""",
                Jsonb({limit: value}),
                pattern_id,
            )

        least, most = _bounds(fix_type)[limit]
        assert [write(value) for value in (least, most)] == [1, 1]
        for value in (least - 1, most + 1):
            with pytest.raises(CheckViolation), admin.connection.transaction():
                write(value)


@pytest.mark.parametrize(("fix_type", "limit"), CASES)
def test_a_request_keeps_the_limits(fix_type: FixType, limit: str) -> None:
    """The API refuses what the database would refuse, and nothing else."""

    def request(value: int) -> Any:
        return FixRequest.model_validate(
            {
                "pattern_id": str(uuid.uuid4()),
                "auto_fix_script": "select 1",
                "auto_fix_type": fix_type,
                "auto_fix_parameters": {limit: value},
            }
        )

    least, most = _bounds(fix_type)[limit]
    for value in (least, most):
        assert getattr(request(value).auto_fix_parameters, limit) == value
    for value in (least - 1, most + 1):
        with pytest.raises(ValidationError):
            request(value)


def test_there_is_no_other_type_of_fix(admin: Sql, patterns: Patterns) -> None:
    """Neither by approval nor in the tables nor in a request."""
    pattern_id = patterns.new()
    with pytest.raises(RefusedError) as refused:
        patterns.approve(pattern_id, type="python")
    assert refused.value.code == "PL013"
    patterns.approve(pattern_id)
    with admin.undone():
        admin.run("set local session_replication_role = replica")
        for statement in (
            "update ops.pattern_fixes set fix_type = 'python' where pattern_id = %s",
            "update ops.error_patterns set auto_fix_type = 'python' where pattern_id = %s",
        ):
            with pytest.raises(CheckViolation), admin.connection.transaction():
                admin.run(statement, pattern_id)
    body = {"pattern_id": pattern_id, "auto_fix_script": "x", "auto_fix_type": "python"}
    with pytest.raises(ValidationError):
        FixRequest.model_validate(body)


def test_a_deployment_allows_as_many_rows_as_a_fix_may_have() -> None:
    """Unless its operator says otherwise."""
    assert Thresholds().max_rows == MAX_ROWS
