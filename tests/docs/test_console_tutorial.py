"""The tutorial of the console leads a new user from an empty stack to a healed error."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from docs.take_pictures import SCRIPT, Tutorial
from tests.console.conftest import PATIENCE_MS

from pattern_engine.local import sign_in_links

if TYPE_CHECKING:
    from playwright.sync_api import Browser
    from tests.conftest import ServerName, StartStack

PAGE = Path(__file__).parents[2] / "docs" / "tutorial" / "console.md"


@pytest.fixture(scope="session", params=["wheel"])
def server(request: pytest.FixtureRequest) -> ServerName:
    """One server is enough for the steps of a reader."""
    name: ServerName = request.param
    return name


def test_every_step_works_as_it_is_told(
    server: ServerName, start_stack: StartStack, browser: Browser
) -> None:
    """Commands and clicks of the page, and nothing else, heal the error; no call of the API."""
    text = PAGE.read_text(encoding="utf-8")
    done: list[str] = []

    with start_stack(server) as stack:

        def command(*words: str) -> int:
            line = f".venv/bin/pattern-engine {' '.join(words)}"
            assert line in text
            done.append(line)
            program = [sys.executable, "-m", "pattern_engine.cli", *words]
            program += ["--data-dir", str(stack.data_dir)]
            return subprocess.run(program, check=False, timeout=120).returncode

        def photograph(name: str) -> None:
            assert f"../pictures/{name}.png" in text
            done.append(name)

        context = browser.new_context()
        context.set_default_timeout(3 * PATIENCE_MS)
        operator = sign_in_links.DEMO_OPERATOR
        link = sign_in_links.new(stack.status(), operator, "ops_admin")
        Tutorial(context.new_page(), link, command, photograph).follow()
        context.close()
    assert SCRIPT in text
    assert [name for name in done if " " not in name] == [
        *("inbox", "pattern", "review", "application")
    ]
    assert "curl" not in text
