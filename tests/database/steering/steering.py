"""What tests of merging and splitting look at: everything that a pattern consists of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.conftest import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Rest, Sql
    from tests.database.conftest import Patterns


def state(database: Sql, *pattern_ids: str) -> dict[str, Any]:
    """Everything about some patterns that an undo has to bring back."""
    ids = list(pattern_ids)
    return {
        "patterns": database.rows(
            "select to_jsonb(p) - 'updated_at' as row from ops.error_patterns as p "
            "where pattern_id = any(%s::uuid[]) order by pattern_id",
            ids,
        ),
        "signatures": database.rows(
            "select * from ops.pattern_signatures where pattern_id = any(%s::uuid[]) "
            "order by signature",
            ids,
        ),
        "incidents": database.rows(
            "select * from ops.pattern_incidents where pattern_id = any(%s::uuid[]) order by id",
            ids,
        ),
    }


def pattern(engine: Rest, pattern_id: str) -> dict[str, Any]:
    """A pattern as it is stored."""
    (row,) = engine.select("error_patterns", pattern_id=f"eq.{pattern_id}")
    return row


def events(engine: Rest, kind: str, **metadata: str) -> list[dict[str, Any]]:
    """The events of a kind whose metadata says this, in order."""
    filters = {f"metadata->>{key}": f"eq.{value}" for key, value in metadata.items()}
    return engine.select("roman_events", order="id", event_type=f"eq.{kind}", **filters)


def refused(code: str, attempt: Callable[[], object]) -> RefusedError:
    """Make sure that an attempt is refused with a code."""
    with pytest.raises(RefusedError) as caught:
        attempt()
    assert caught.value.code == code, caught.value.words
    return caught.value


def family(patterns: Patterns, count: int = 2, each: int = 2) -> tuple[str, list[dict[str, Any]]]:
    """A pattern with several signatures, each learned with log rows; its id and its errors."""
    errors = [patterns.error() for _ in range(count)]
    for error in errors[1:]:
        # An error whose older signature is known takes its new one along to that pattern.
        error["older"] = [errors[0]["signature"]]
    patterns.learn(errors[0] | {"system_log_id": patterns.log_row()})
    for error in errors[1:]:
        patterns.learn(error)
        error["older"] = []
    for error in errors:
        for log_id in patterns.log_rows(each):
            (learned,) = patterns.learn(error | {"system_log_id": log_id})
    return str(learned["pattern_id"]), errors
