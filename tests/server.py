"""The functions as the image serves them: the command of the Dockerfile, on a port of its own."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).parents[1]


def command() -> list[str]:
    """The command of the image, with the gunicorn of this environment."""
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    (words,) = (json.loads(line[4:]) for line in lines if line.startswith("CMD "))
    assert words[0] == "gunicorn"
    return [sys.executable, "-m", *words]


@contextmanager
def image(addresses: dict[str, Any], settings: Mapping[str, str] | None = None) -> Iterator[str]:
    """Serve the functions with the image's command, before a stack; give their address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    kept = {name: value for name, value in os.environ.items() if name[:9] != "SUPABASE_"}
    environment = kept | {
        "PORT": str(port),
        "GUNICORN_CMD_ARGS": f"--bind=127.0.0.1:{port}",
        "SUPABASE_URL": addresses["api_url"],
        "SUPABASE_PUBLISHABLE_KEY": addresses["publishable_key"],
        "SUPABASE_SECRET_KEY": addresses["secret_key"],
        "SUPABASE_JWT_SECRET": addresses["jwt_secret"],
        "PATTERN_ENGINE_WEBHOOK_SECRET": addresses["webhook_secret"],
        **(settings or {}),
    }
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command(), cwd=ROOT, env=environment, stdout=log, stderr=log)
        try:
            address = f"http://127.0.0.1:{port}"
            eventually(lambda: process.poll() is not None or _answers(address), 30)
            log.seek(0)
            assert process.poll() is None, log.read().decode()
            yield address
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _answers(address: str) -> bool:
    try:
        return httpx.get(f"{address}/openapi.json", timeout=1).status_code == 200
    except httpx.HTTPError:
        return False
