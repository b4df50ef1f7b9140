"""What JavaScript says of an expression, which has to be that of Python."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence

_PROGRAM = """
const cases = JSON.parse(require("fs").readFileSync(0, "utf8"));
const found = flags => cases.map(([text, other]) => new RegExp(text, flags).test(other));
console.log(JSON.stringify([found(""), found("u")]));
"""


def check_alike(cases: Sequence[tuple[str, str]]) -> list[bool]:
    """Check that each expression finds the same in its message, without flags and with the flag u.

    Returns:
        whether each was found.
    """
    node = shutil.which("node")
    if node is None:
        pytest.skip("no Node.js on the path; make test puts one there")
    answered = subprocess.run(
        [node, "-e", _PROGRAM], input=json.dumps(cases), capture_output=True, text=True, check=True
    )
    wanted = [re.search(text, other) is not None for text, other in cases]
    assert json.loads(answered.stdout) == [wanted, wanted]
    return wanted
