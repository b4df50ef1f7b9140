"""A bash fix heals files: the dry-run shows what it would do, a roll-back restores what was."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest
from tests.box import needs_box
from tests.scenarios.healing.test_fix_types import UNLESS_FIRST
from tests.scenarios.healing.test_fixes import Life, life
from tests.scenarios.learning.test_loop import log_error, pattern_of

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["life"]

HEALS = """
set -euo pipefail
find /granted/spool -name '*.lock' -mmin +30 -delete
for log in /granted/logs/*.log; do
  if [ "$(stat -c %s "$log")" -gt 10000 ]; then
    tail -n 20 "$log" > /tmp/kept
    cat /tmp/kept > "$log"
  fi
done
if ! jq empty /granted/config/app.json 2> /dev/null; then
  jq '.defaults' params.json > /granted/config/app.json
fi
echo '{"healed": true}'
"""
PARAMETERS = {
    "directories": {"spool": "write", "logs": "write", "config": "write"},
    "max_files": 5,
    "defaults": {"workers": 4},
}


@pytest.fixture
def broken(granted: Path) -> dict[Path, str]:
    """A stale lock file, an oversized log and a broken configuration: path → content."""
    files = {
        granted / "spool" / "worker.lock": "4711\n",
        granted / "logs" / "app.log": "".join(f"line {number}\n" for number in range(5_000)),
        granted / "config" / "app.json": '{"workers": ',
    }
    for path, content in files.items():
        path.write_text(content)
        os.utime(path, (1_000_000_000, 1_000_000_000))
    return files


@needs_box
def test_files_are_healed_and_restored(life: Life, broken: dict[Path, str]) -> None:
    """Proposed, tried on copies, approved, run, recorded, and taken back by a person."""
    lock, log, config = broken
    life.pattern_id = pattern_of(life.engine, log_error(life.engine, life.fault))["pattern_id"]
    proposal = life.post(
        "propose",
        pattern_id=life.pattern_id,
        auto_fix_script=HEALS,
        auto_fix_type="bash",
        auto_fix_parameters=PARAMETERS,
    )["proposal"]
    dry_run = proposal["dry_run"]
    assert dry_run["success"] is True, dry_run
    shown = dry_run["plan"]["rehearsal"]["output"]["files"]
    assert (shown["deleted"], sorted(shown["changed"])) == (
        ["spool/worker.lock"],
        ["config/app.json", "logs/app.log"],
    )
    assert {path: path.read_text() for path in broken} == broken

    life.post(
        "decide", proposal_id=proposal["proposal_id"], sha256=proposal["sha256"], decision="approve"
    )
    application = life.occur()
    assert application["success"] is True, application["error_after"]
    assert not lock.exists()
    assert log.read_text().count("\n") == 20
    assert json.loads(config.read_text()) == {"workers": 4}
    state = application["system_state_after"]
    assert (state["rows_touched"], state["output"]["printed"]) == (3, {"healed": True})
    assert state["tables"] == {"spool": 1, "logs": 1, "config": 1}
    assert state["output"]["files"] == shown

    config.write_text("{}")
    refused = life.post("rollback", application_id=application["application_id"])
    assert refused["success"] is False
    assert "config/app.json changed since the run" in refused["reason"]
    assert not lock.exists()

    config.write_text('{\n  "workers": 4\n}\n')
    restored = life.post("rollback", application_id=application["application_id"])
    assert (restored["success"], restored["rows_touched"]) == (True, 3), restored
    assert {path: path.read_text() for path in broken} == broken


@needs_box
def test_a_run_beyond_its_caps_is_a_failure_and_leaves_nothing(
    life: Life, broken: dict[Path, str]
) -> None:
    """The record tells how much it would have been."""
    life.approve_as("bash", UNLESS_FIRST + HEALS, PARAMETERS | {"max_files": 2})
    application = life.occur()
    assert application["success"] is False
    assert "3 files" in application["error_after"]
    assert "max_files is 2" in application["error_after"]
    assert application["metadata"]["stopped"] == "rows"
    assert {path: path.read_text() for path in broken} == broken


def test_a_directory_that_is_not_granted_is_refused_at_the_approval(life: Life) -> None:
    """With the setting that would grant it."""
    life.pattern_id = pattern_of(life.engine, log_error(life.engine, life.fault))["pattern_id"]
    fix = {
        "pattern_id": life.pattern_id,
        "auto_fix_script": "rm -f /granted/secrets/x",
        "auto_fix_type": "bash",
        "auto_fix_parameters": {"directories": {"secrets": "write"}},
        "approved_by": life.administrator.id,
    }
    answer = life.functions.call("approve", fix, token=life.administrator.token)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "fix_refused")
    assert "PATTERN_ENGINE_BASH_DIRECTORIES" in answer.json()["error"]["message"]
