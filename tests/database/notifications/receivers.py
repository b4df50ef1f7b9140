"""A mail server and a webhook receiver on loopback, which a test lets be down, refuse or fall out."""

from __future__ import annotations

import email
import email.policy
import json
import socket
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any, Protocol

from aiosmtpd.controller import Controller

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Received:
    """A message as it arrived."""

    reference: str
    """Its Message-ID, or Idempotency-Key."""
    title: str
    body: str
    raw: str


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


@dataclass
class Receiver:
    """A service at an address; nobody listens there until it is started."""

    port: int = field(default_factory=_free_port)
    received: list[Received] = field(default_factory=list)
    refuses: bool = False
    on_receipt: Callable[[], None] = lambda: None
    """Called when a message has arrived, before it is answered."""
    _server: Any = None

    @property
    def url(self) -> str:
        """The Apprise URL of the service."""
        raise NotImplementedError

    def start(self) -> None:
        """Begin to listen."""
        raise NotImplementedError

    def stop(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._stop(self._server)
            self._server = None

    def _stop(self, server: Any) -> None:
        raise NotImplementedError

    def keep(self, message: Received) -> bool:
        """Keep a message unless messages are refused; return whether it is kept."""
        if self.refuses:
            return False
        self.received.append(message)
        self.on_receipt()
        return True

    @property
    def text(self) -> str:
        """All titles and bodies."""
        return "\n".join(f"{one.title}\n{one.body}" for one in self.received)


class MailServer(Receiver):
    """An SMTP server."""

    @property
    def url(self) -> str:
        """As a person would store it in Vault."""
        return f"mailto://127.0.0.1:{self.port}?from=engine@example.com&to=on.call@example.com"

    def start(self) -> None:
        """Begin to listen."""
        self._server = Controller(_Smtp(self), hostname="127.0.0.1", port=self.port)
        self._server.start()

    def _stop(self, server: Any) -> None:
        server.stop()


class _Smtp:
    def __init__(self, owner: Receiver) -> None:
        self._owner = owner

    async def handle_DATA(self, _server: object, _session: object, envelope: Any) -> str:  # noqa: N802
        raw = envelope.content.decode()
        mail = email.message_from_string(raw, policy=email.policy.default)
        assert mail.get_all("Message-ID") is not None
        assert len(mail.get_all("Message-ID", [])) == 1
        assert mail.get_content_type() == "text/plain"
        body = mail.get_content().replace("\r\n", "\n")
        kept = self._owner.keep(Received(mail["Message-ID"], mail["Subject"], body, raw))
        return "250 accepted" if kept else "550 mailbox is closed"


class Hook(Receiver):
    """A receiver of webhooks."""

    @property
    def url(self) -> str:
        """As a person would store it in Vault."""
        return f"json://127.0.0.1:{self.port}/alerts"

    def start(self) -> None:
        """Begin to listen."""
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["Content-Length"])).decode()
                sent = json.loads(raw)
                message = Received(
                    self.headers["Idempotency-Key"], sent["title"], sent["message"], raw
                )
                self.send_response(200 if owner.keep(message) else 503)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        Thread(target=self._server.serve_forever, daemon=True).start()

    def _stop(self, server: Any) -> None:
        server.shutdown()
        server.server_close()


class NewReceiver(Protocol):
    """Makes a receiver that is stopped at the end of the test."""

    def __call__(self, kind: type[Receiver], *, started: bool = True) -> Receiver:
        """Make one of this kind."""
