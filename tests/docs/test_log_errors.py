"""The snippets that show how to log errors log one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.docs.test_commands import README, blocks

from pattern_engine.handlers.sink import Options
from pattern_engine.local.node import find_node

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/how-to/log-errors.md"
IN_PYTHON = """
def place_order():
    raise RuntimeError("order 17 has no currency")
"""
#: A client that answers an error, and writes what it is given to log.
IN_JAVASCRIPT = """
const supabase = {
  from: () => ({ insert: async () => ({ error: { message: "order 17 has no currency", code: "P0001" } }) }),
  schema: (schema) => ({
    from: (table) => ({ insert: async (row) => (console.log(JSON.stringify({ schema, table, row })), { error: null }) }),
  }),
};
const addEventListener = (kind, listener) =>
  queueMicrotask(() => listener({ reason: new Error("order 17 has no currency") }));
"""


@pytest.fixture
def project() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The address of a project, and the rows that were written to it."""
    written: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            written.extend(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(201)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Stay quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=[0.02], daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}", written
        server.shutdown()


@pytest.mark.parametrize("place", range(len(blocks(PAGE, "python"))))
def test_a_snippet_in_python_logs_the_error(
    project: tuple[str, list[dict[str, Any]]], place: int
) -> None:
    """As it stands, with the project in the environment, and without a flush."""
    url, written = project
    environment = os.environ | {"SUPABASE_URL": url, "SUPABASE_SECRET_KEY": "k"}
    program = IN_PYTHON + blocks(PAGE, "python")[place]
    subprocess.run([sys.executable, "-c", program], env=environment, check=True, timeout=60)
    (row,) = written
    assert row["message"] == "RuntimeError: order 17 has no currency"
    assert row["metadata"]["log_message"].startswith("could not place")


@pytest.mark.parametrize("page", [PAGE, README], ids=lambda page: page.name)
def test_the_snippets_in_javascript_log_the_error(page: Path, tmp_path: Path) -> None:
    """The later ones use what the first one made."""
    module = (ROOT / "clients/pattern-engine-js/index.js").as_uri()
    snippets = blocks(page, "js")
    program = IN_JAVASCRIPT + "\n".join(snippets).replace('"pattern-engine-js"', f'"{module}"')
    (tmp_path / "main.mjs").write_text(program)
    command = [str(find_node()), str(tmp_path / "main.mjs")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    logged = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(logged) == sum(snippet.count("capture(e") for snippet in snippets)
    assert {(each["schema"], each["table"]) for each in logged} == {("ops", "system_logs")}
    assert {each["row"]["message"] for each in logged} == {"order 17 has no currency"}


def test_every_argument_is_described() -> None:
    """An argument of the handler stands in the table."""
    for name in (*Options.__annotations__, "level"):
        assert f"`{name}`" in PAGE.read_text(), name
