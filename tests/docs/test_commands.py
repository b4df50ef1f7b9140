"""The commands of the documentation do what it says: its code blocks are run."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import ServerName, StartStack

    from pattern_engine.local.stack import Stack

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
README = ROOT / "README.md"
TUTORIAL = ROOT / "docs" / "tutorial" / "first-fix.md"


def blocks(page: Path, language: str) -> list[str]:
    """Return the code blocks of a language, in order."""
    text = page.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Shell:
    """Runs commands as a reader does: in a directory with `.venv/bin`, against one stack."""

    directory: Path

    def run(self, script: str, **environment: str) -> str:
        """Run a script that stops at its first failure; return what it printed."""
        ran = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=self.directory,
            env=os.environ | {"XDG_CONFIG_HOME": str(self.directory / ".venv")} | environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout


@pytest.fixture(scope="module")
def own_stack(server: ServerName, start_stack: StartStack) -> Iterator[Stack]:
    """A fresh stack, as the reader has it: nobody has signed up, nothing was learned."""
    with start_stack(server) as stack:
        yield stack


@pytest.fixture(scope="module")
def shell(own_stack: Stack) -> Iterator[Shell]:
    """A directory whose `.venv/bin` has our programs; the command line means the fresh stack."""
    with tempfile.TemporaryDirectory() as directory:
        programs = Path(directory) / ".venv" / "bin"
        programs.mkdir(parents=True)
        place = shlex.quote(str(own_stack.data_dir))
        for name, command in {
            "python": f'exec {sys.executable} "$@"',
            "pattern-engine": f'exec {sys.executable} -m pattern_engine.cli "$@" --data-dir {place}',
        }.items():
            (programs / name).write_text(f"#!/bin/sh\n{command}\n")
            (programs / name).chmod(0o755)
        yield Shell(Path(directory))


def test_the_tutorial_ends_with_a_healed_table(shell: Shell) -> None:
    """Each of its blocks runs, one after the other, and prints what the page shows."""
    first, *others = blocks(TUTORIAL, "sh")
    assert first == "make up\n", "the stack of the test stands for the one that make up starts"
    # A machine under load takes longer than the page allows, and a reader is no script.
    script = "\nsleep 0.5\n".join(others).replace("\nsleep 2\n", "\nsleep 6\n")
    printed = shell.run(script)
    shown = [block for block in blocks(TUTORIAL, "json") if block.startswith("[{")]
    assert [block in printed for block in shown] == [True, True]
    for line in blocks(TUTORIAL, "text")[1:]:
        assert line in printed
    assert '"description": "Auto-fix applied successfully"' in printed
    assert '"rows_touched": 2' in printed
    assert sorted(path.name for path in shell.directory.iterdir()) == [".venv"]


#: What covers each block of shell commands in the README; the others are run below.
COVERED = {
    "make demo\n": "tests/scenarios/whole/test_demo.py",
    "make test\n": ".ci/run",
    "make up\n": "tests/local/conftest.py",
}


def test_every_block_of_the_readme_is_covered() -> None:
    """A block of shell commands that no test runs has no place there."""
    for block in blocks(README, "sh"):
        assert block in COVERED or "pattern-engine login\n" in block, block
    for place in COVERED.values():
        assert (ROOT / place).exists()


@pytest.mark.parametrize(
    ("target", "recipe", "place"),
    [
        ("demo", "pattern-engine demo", "tests/scenarios/whole/test_demo.py"),
        ("up", "pattern-engine up", "tests/local/conftest.py"),
        ("test", "pytest", None),
    ],
)
def test_what_covers_a_make_command_runs_its_recipe(
    target: str, recipe: str, place: str | None
) -> None:
    """`make demo` is `pattern-engine demo`, which its test runs; `make test` is what CI runs."""
    shown = subprocess.run(
        ["make", "--no-print-directory", "--dry-run", "--always-make", target],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert recipe in shown.stdout.splitlines()[-1]
    if place is None:
        assert f"make {target}" in (ROOT / ".ci" / "run").read_text().splitlines()
    else:
        words = (ROOT / place).read_text()
        assert f'"{target}"' in words
        assert "pattern_engine.cli" in words


def test_the_readmes_application_andoperator(shell: Shell, own_stack: Stack) -> None:
    """The Python block logs an error; the operator's commands show it and approve its fix."""
    status = own_stack.status()
    operator(shell, status)
    (snippet,) = blocks(README, "python")
    shell.run(
        f".venv/bin/python - <<'END'\n{GIVEN}{snippet}END\n",
        API=status["api_url"],
        SECRET=status["secret_key"],
    )
    pattern = _pattern(status, "the checkout lost an order")
    # The tutorial leaves such a table, if it ran before on this stack.
    with psycopg.connect(status["db_url"]) as connection:
        connection.execute("create table if not exists orders (id int primary key, currency text)")
    shell.run(".venv/bin/pattern-engine fixer grant public.orders --yes")
    (block,) = (block for block in blocks(README, "sh") if "pattern-engine login" in block)
    *others, approve = block.replace("PATTERN", pattern).splitlines()
    login = "login --email reader@example.com --password-stdin <<< 'only for this test'"
    printed = shell.run("\n".join(others).replace("login", login))
    assert printed.count("the checkout lost an order") >= 2
    proposal, digest = re.findall(r"^(?:proposal|digest) +(\S+)", printed, re.MULTILINE)
    # Nobody sits here to be asked.
    agreed = f" --digest {digest} --reason 'as the README says' --yes"
    assert "approved" in shell.run(approve.replace("PROPOSAL", proposal) + agreed)


def operator(
    shell: Shell, status: dict[str, Any], email: str = "reader@example.com"
) -> tuple[str, str]:
    """Sign an administrator up with the CLI and curl; return the token and the user's id."""
    body = json.dumps({"email": email, "password": "only for this test"})
    answer = shell.run(
        f'curl -s "{status["api_url"]}/auth/v1/signup" -H "apikey: {status["publishable_key"]}" '
        f"-H 'Content-Type: application/json' -d '{body}'"
    )
    shell.run(f".venv/bin/pattern-engine operators add {email} --role ops_admin")
    session = json.loads(answer)
    return session["access_token"], session["user"]["id"]


#: What the README's Python takes for granted: a client of a server's, and an error.
GIVEN = """
import os, supabase as library
supabase = library.create_client(os.environ["API"], os.environ["SECRET"])
def place_order():
    raise RuntimeError("the checkout lost an order")
"""


def _pattern(status: dict[str, Any], template: str) -> str:
    """Return the pattern of a template, once the webhook has brought it."""
    # The place that raised it has a line of its own.
    query = (
        "select pattern_id::text from ops.pattern_signatures"
        " where split_part(template, E'\\n', 1) = %s"
    )
    ends = time.monotonic() + 20
    with psycopg.connect(status["db_url"], autocommit=True) as connection:
        while time.monotonic() < ends:
            if found := connection.execute(query, (template,)).fetchone():
                return str(found[0])
            time.sleep(0.1)
    raise AssertionError(f"no pattern has the template {template!r}")
