"""The past of a pattern, for tests of what the Four Laws say of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.database.healing.past import Past

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Sql
    from tests.database.conftest import Patterns


@pytest.fixture
def past(admin: Sql, patterns: Patterns) -> Iterator[Past]:
    """A new pattern with a fix that was enabled an hour ago, and no error anywhere."""
    pattern_id = patterns.new()
    patterns.approve(pattern_id)
    with admin.undone():
        # What happened is written as it is: no trigger stamps it, and rows stand alone.
        admin.run("set local session_replication_role = replica")
        admin.run("update ops.system_logs set created_at = created_at - interval '1 day'")
        admin.run("delete from ops.pattern_incidents where pattern_id = %s", pattern_id)
        admin.run(
            "update ops.pattern_fixes set mode_changed_at = now() - interval '1 hour' "
            "where pattern_id = %s",
            pattern_id,
        )
        yield Past(admin, pattern_id)
