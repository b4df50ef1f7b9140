"""The socket by which a TypeScript fix reaches hosts: plain HTTP on loopback, for one run.

Deno may connect to this port and to nothing else. A request is a POST whose body is one line of
JSON, with the URL, the method and the headers, and then the body to send; the answer has the same
form (`fetching.mjs`). A word that only this run knows keeps others on the machine out. Whoever has
the word can do no more than the script: `sending` checks each request.
"""

from __future__ import annotations

import hmac
import json
import secrets
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from socketserver import TCPServer, ThreadingMixIn
from typing import TYPE_CHECKING, Any, Final

from pattern_engine.fixes.connection import MAX_BODY_BYTES
from pattern_engine.fixes.typescript.sending import (
    MAX_HEAD_BYTES,
    RefusedRequestError,
    Reply,
    Request,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pattern_engine.fixes.typescript.sending import Sender

_READ_SECONDS: Final = 10.0
"""How long a request may take to arrive from Deno, which has all of it when it begins."""


class Proxy(ThreadingMixIn, TCPServer):
    """Takes the requests of one run."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, sender: Sender) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.sender = sender
        self.word = secrets.token_hex(16)

    @property
    def endpoint(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401
        """Say nothing: a script that ends hangs up on what it still waits for."""


class _Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    server: Proxy
    timeout = _READ_SECONDS
    protocol_version = "HTTP/1.1"
    server_version = "pattern-engine"
    sys_version = ""

    def do_POST(self) -> None:
        self.close_connection = True
        if not hmac.compare_digest(self.headers.get("authorization", "").encode(), self._word()):
            return self._say(403, b"this socket belongs to another fix")
        size = self.headers.get("content-length", "")
        if not (size.isascii() and size.isdigit()) or "transfer-encoding" in self.headers:
            return self._say(411, b"the length of the request is missing")
        if int(size) > MAX_HEAD_BYTES + MAX_BODY_BYTES:
            return self._say(413, f"the request has more than {MAX_BODY_BYTES} bytes".encode())
        try:
            reply = self.server.sender.send(_request(self.rfile.read(int(size))))
        except RefusedRequestError as refusal:
            return self._say(502, str(refusal).encode())
        except (ValueError, KeyError, TypeError):
            return self._say(400, b"the request cannot be read")
        return self._say(200, _written(reply))

    def _word(self) -> bytes:
        return self.server.word.encode()

    def _say(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing: requests are the script's own business."""


def _request(data: bytes) -> Request:
    head, _, content = data.partition(b"\n")
    if len(head) > MAX_HEAD_BYTES:
        raise RefusedRequestError(f"URL and headers have more than {MAX_HEAD_BYTES} bytes")
    said = json.loads(head)
    return Request(
        url=str(said["url"]),
        method=str(said["method"]),
        headers=tuple((str(name), str(value)) for name, value in said["headers"]),
        content=content,
        redirect=str(said["redirect"]),
    )


def _written(reply: Reply) -> bytes:
    head = {
        "status": reply.status,
        "url": reply.url,
        "redirected": reply.redirected,
        "headers": reply.headers,
    }
    return json.dumps(head).encode() + b"\n" + reply.content


@contextmanager
def serving(sender: Sender) -> Iterator[Proxy]:
    """Run the proxy of a run for as long as the block takes."""
    with Proxy(sender) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield proxy
        finally:
            proxy.shutdown()
            thread.join()
