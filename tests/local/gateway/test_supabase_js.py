"""supabase-js, as a web application uses it, works with the local stack."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from pattern_engine.local.node import find_node

SCRIPT = Path(__file__).parent / "supabase_js.mjs"


def test_a_web_application_works(status: dict[str, Any]) -> None:
    """It signs up, writes its own rows, is refused others', counts, and calls a function."""
    environment = os.environ | {"URL": status["api_url"], "KEY": status["publishable_key"]}
    ran = subprocess.run(
        [find_node(), SCRIPT],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    seen = json.loads(ran.stdout)
    assert seen["refused"] == "42501"
    assert seen["inserted"] == {"body": "mine", "owner": seen["user"]}
    assert seen["count"] == 1
    assert seen["sent"] == {"a": 1}
    assert seen["token"] is True
    assert seen["failed"] == {
        "code": "PL002",
        "message": "there is no such pattern",
        "details": "looked for 7",
        "hint": "list them first",
    }
