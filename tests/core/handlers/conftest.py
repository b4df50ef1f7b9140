"""A server on loopback that answers as a test tells it to."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Rows = list[dict[str, Any]]
Answer = tuple[int, dict[str, str], str]
CREATED: Answer = (201, {}, "")


@dataclass
class Server:
    """Stands where PostgREST would stand."""

    answer: Callable[[Rows], Answer] = lambda _: CREATED
    """What a request for these rows is answered."""
    requests: list[tuple[dict[str, str], Rows]] = field(default_factory=list)
    written: Rows = field(default_factory=list)
    open: threading.Event = field(default_factory=threading.Event)
    """While it is not set, no request is answered."""
    url: str = ""

    @property
    def messages(self) -> list[str]:
        """The messages that were written."""
        return [row["message"] for row in self.written]


@pytest.fixture
def server() -> Iterator[Server]:
    """A server that writes everything."""
    told = Server()
    told.open.set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            rows: Rows = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            told.requests.append(({**dict(self.headers), "path": self.path}, rows))
            told.open.wait(30)
            status, headers, text = told.answer(rows)
            if status == CREATED[0]:
                told.written.extend(rows)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(text))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            """Stay quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        told.url = f"http://127.0.0.1:{http.server_address[1]}"
        thread = threading.Thread(target=http.serve_forever, args=[0.02])
        thread.start()
        yield told
        told.open.set()
        http.shutdown()
        thread.join()
