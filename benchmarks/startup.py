"""Start-up time of each function, from the start of its process to its first answer.

- `ready` is the answer to a preflight, the first request of a browser.
- `first call` is a complete call with the secret key. A stand-in for PostgREST on this machine
  answers at once, so the time includes importing everything that such a call needs.

The peer is a bare function that answers "ok". The starts alternate, so that a busy machine slows
all of them alike. The engine is compiled to bytecode before, as pip did with the packages that the
bare function imports; Python does that by itself only where it may write.
`python -m benchmarks.startup [NAME …]` prints one line of JSON for each result.
"""

from __future__ import annotations

import compileall
import http.client
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.result import Result

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
TURNS = 11
BARE = 'def main(request):\n    return "ok"\n'
ID = "11111111-1111-4111-8111-111111111111"
LEARNED = {
    "pattern_id": ID,
    "pattern_signature": "pattern_1",
    "pattern_type": "api",
    "occurrence_count": 1,
    "confidence_score": 0.5,
    "auto_fix_enabled": False,
    "has_fix": False,
    "action": "created",
    "system_log_id": 1,
}
ROW = {
    "id": 1,
    "message": "could not connect to server",
    "source": "shop",
    "log_level": "error",
    "created_at": "2026-01-01T00:00:00+00:00",
    "written_by": "service_role",
    "error_data": None,
    "environment": None,
    "release": None,
    "learned": False,
}
ANSWERS: dict[str, object] = {
    "learn_errors_v1": [LEARNED],
    "read_logs_v1": [ROW],
    "read_grouping_v1": {"rules": [], "older_algorithms": []},
    "find_candidates_v1": [
        {
            "log": None,
            "pattern": None,
            "fix": None,
            "untrusted_signature": None,
            "outside_guard": None,
            "expressions": [],
            "hold": None,
            "before_approval": False,
        }
    ],
    "start_clustering_v1": {"session_id": ID, "patterns": []},
    "replace_clusters_v1": [],
    "statistics_v1": {
        "total_patterns": 0,
        "enabled_patterns": 0,
        "approved_patterns": 0,
        "avg_success_rate": 0,
        "total_applications": 0,
        "patterns_by_type": {},
        "top_patterns": [],
        "awaiting_approval": [],
        "as_of": "2026-01-01T00:00:00+00:00",
    },
    "ping_v1": 1,
}
WEBHOOK = {"type": "INSERT", "table": "system_logs", "schema": "ops", "ids": [1]}
# Name: method and body of a first call. Approving and disabling need a person, so they are missing.
CALLS: dict[str, tuple[str, object]] = {
    "learn": ("POST", {"error_message": ROW["message"]}),
    "webhook": ("POST", WEBHOOK),
    "apply": ("POST", {"error_message": ROW["message"]}),
    "cluster": ("POST", {}),
    "statistics": ("GET", None),
    "health": ("GET", None),
}
PEER = "a bare functions-framework function"
JUDGED = ("learn", "webhook")
WANTED = {"ready": "<= 1.5", "first call": "<= 2"}
FUNCTIONS = (*CALLS, "approve", "disable", "pattern_analyzer")


class PostgRest(BaseHTTPRequestHandler):
    """Answers the call of every database function at once."""

    protocol_version = "HTTP/1.1"
    # Send head and body in one packet; otherwise the second call waits 40 ms for an ACK.
    wbufsize = 65536

    def do_POST(self) -> None:
        """Answer from the table above."""
        self.rfile.read(int(self.headers.get("content-length", 0)))
        raw = json.dumps(ANSWERS[self.path.rpartition("/")[2]]).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


def run(names: tuple[str, ...] = FUNCTIONS, turns: int = TURNS) -> Iterator[Result]:
    """Start all functions in alternation and yield the medians."""
    for folder in ("shared", "functions"):
        compileall.compile_dir(ROOT / folder, quiet=1)
    server = ThreadingHTTPServer(("127.0.0.1", 0), PostgRest)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT / "shared"),
        "SUPABASE_URL": f"http://127.0.0.1:{server.server_port}",
        "SUPABASE_PUBLISHABLE_KEY": "sb_publishable_startup",
        "SUPABASE_SECRET_KEY": "sb_secret_startup",
        "SUPABASE_JWT_SECRET": "startup-startup-startup-startup-startup",
        "PATTERN_ENGINE_WEBHOOK_SECRET": "startup",
    }
    with tempfile.TemporaryDirectory() as folder:
        bare = Path(folder) / "main.py"
        bare.write_text(BARE)
        median = _medians(bare, environment, names, turns)
    server.shutdown()
    server.server_close()
    peer = median.pop(("bare", "ready"))
    for (name, kind), value in median.items():
        wanted = WANTED[kind] if name in JUDGED else ""
        yield Result(f"start-up of {name}, {kind}", value, "ms", PEER, peer, wanted)


def _medians(
    bare: Path, environment: dict[str, str], names: tuple[str, ...], turns: int
) -> dict[tuple[str, str], float]:
    """Return the median milliseconds by function and kind of answer."""
    times: dict[tuple[str, str], list[float]] = {}
    for turn in range(turns + 1):
        for name in ("bare", *names):
            source = bare if name == "bare" else ROOT / "functions" / name / "main.py"
            for kind in ("ready", "first call") if name in CALLS else ("ready",):
                taken = start(source, environment, name, kind)
                if turn > 0:  # the first turn fills the file system's cache
                    times.setdefault((name, kind), []).append(taken)
    return {key: statistics.median(values) for key, values in times.items()}


def start(source: Path, environment: dict[str, str], name: str, kind: str) -> float:
    """Return the milliseconds from the start of a function's process to its first answer."""
    port = free_port()
    command = [
        str(Path(sys.executable).parent / "functions-framework"),
        *("--source", str(source), "--target", "main", "--host", "127.0.0.1"),
        *("--port", str(port)),
    ]
    started = time.perf_counter()
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        status = first_answer(port, process, name, kind)
        taken = (time.perf_counter() - started) * 1000
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()
    if status not in {200, 204}:
        raise RuntimeError(f"{name} answered {status}")
    return taken


def first_answer(port: int, process: subprocess.Popen[bytes], name: str, kind: str) -> int:
    """Send the request until the process answers; return the status."""
    method, body = CALLS[name] if kind == "first call" else ("OPTIONS", None)
    headers = {
        "apikey": "sb_secret_startup",
        **({"x-webhook-secret": "startup"} if name == "webhook" else {}),
        **({"Content-Type": "application/json"} if body is not None else {}),
    }
    raw = None if body is None else json.dumps(body)
    while process.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            connection.request(method, "/", raw, headers)
            answer = connection.getresponse()
            answer.read()
        except OSError:
            time.sleep(0.001)
        else:
            return answer.status
        finally:
            connection.close()
    raise RuntimeError(f"{name} ended with {process.returncode} before it answered")


def free_port() -> int:
    """Return a port of this machine on which no program listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


if __name__ == "__main__":
    for result in run(tuple(sys.argv[1:]) or FUNCTIONS):
        print(json.dumps(result.as_dict()), flush=True)
