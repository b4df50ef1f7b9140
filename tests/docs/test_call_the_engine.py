"""The commands of `docs/how-to/call-the-engine.md` are run, and all pages call things as it does."""

from __future__ import annotations

import json
import re
import shutil
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from tests.docs.test_commands import ROOT, Shell, blocks, own_stack, shell

from pattern_engine.identifiers import IDENTIFIERS

if TYPE_CHECKING:
    from pattern_engine.local.stack import Stack

__all__ = ["own_stack", "shell"]

PAGE = ROOT / "docs" / "how-to" / "call-the-engine.md"
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])


@pytest.mark.skipif(not shutil.which("jq"), reason="jq is not installed")
def test_the_page_gets_tokens_and_reads_the_tables(shell: Shell, own_stack: Stack) -> None:
    """Its blocks run one after the other; each way to a token works, and each query is allowed."""
    email = f"{uuid.uuid4().hex}@example.com"
    text = [block.replace("you@example.com", email) for block in blocks(PAGE, "sh")]
    printed = shell.run("\necho; echo ----\n".join(text))
    parts = [part.strip() for part in printed.split("----")]
    assert len(parts) == len(text)
    answers = [json.loads(part) for part in parts if part.startswith(("[", "{"))]
    assert len(answers) == 7
    assert "total_patterns" in answers[0]["statistics"]
    assert all(isinstance(answer, list) for answer in answers[1:])
    # The line that every page relies on.
    status: dict[str, Any] = own_stack.status()
    named = shell.run(f'{text[0]}\necho "$API $FUNCTIONS $KEY $SECRET $DB"').split()
    keys = ("api_url", "functions_url", "publishable_key", "secret_key", "db_url")
    assert named == [status[key] for key in keys]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_call_addresses_and_keys_alike(page: Any) -> None:
    """No page has names of its own for the project, the functions, the keys or the token."""
    code = "".join(blocks(page, "sh") + blocks(page, "python") + blocks(page, "js"))
    for name in re.findall(r"\$\{?([A-Z][A-Z_]+)", code):
        assert not re.search(r"URL|BASE|ENGINE|_KEY|_TOKEN|^HOST$", name), name
    assert '-H "apikey: sb_' not in code
    for header in re.findall(r"apikey: \$(\w+)", code):
        assert header in {"KEY", "SECRET"}
    for header in re.findall(r"Bearer \$(\w+)", code):
        assert header == "TOKEN"


def test_the_names_of_captured_values_are_listed() -> None:
    """Each kind of object that an error can name is in the table of names."""
    text = (ROOT / "docs" / "how-to" / "approve-a-fix.md").read_text()
    section = text.split("## Names of captured values")[1].split("\n## ")[0]
    assert {name for name in IDENTIFIERS if f"`{name}`" not in section} == set()
