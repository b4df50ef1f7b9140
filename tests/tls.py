"""A real HTTPS server on 127.0.0.1, with an authority of its own, that behaves as a test tells it."""

from __future__ import annotations

import socketserver
import ssl
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

__all__ = ["Certificates", "Exchange", "HttpsServer", "https_server", "make_certificates"]


@dataclass(frozen=True)
class Certificates:
    """An authority, and a server's certificate by it."""

    authority: Path
    """PEM file that a client trusts."""
    server: Path
    """PEM file of the server's key and certificate."""


def make_certificates(folder: Path, *names: str) -> Certificates:
    """Make an authority and a certificate for these names, and for 127.0.0.1."""
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority for tests")])
    key = ec.generate_private_key(ec.SECP256R1())
    alternatives: list[x509.GeneralName] = [x509.DNSName(name) for name in names]
    alternatives.append(x509.IPAddress(ip_address("127.0.0.1")))
    authority = (
        _builder(authority_name, authority_name, authority_key.public_key(), authority_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    certificate = (
        _builder(subject, authority_name, key.public_key(), authority_key)
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    made = Certificates(folder / "authority.pem", folder / "server.pem")
    made.authority.write_bytes(authority.public_bytes(pem))
    made.server.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(pem)
    )
    return made


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    issuer_key: ec.EllipticCurvePrivateKey,
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
            critical=False,
        )
    )


@dataclass
class Exchange:
    """One request that came in, and the way to answer it."""

    method: str
    path: str
    headers: dict[str, str]
    """By name in small letters."""
    body: bytes
    stopping: threading.Event = field(repr=False)
    """Set when the server is about to end."""
    _send: Callable[[bytes], object] = field(repr=False)

    def raw(self, data: bytes) -> bool:
        """Send bytes as they are; return whether the client is still there."""
        try:
            self._send(data)
        except OSError:
            return False
        return not self.stopping.is_set()

    def answer(
        self, status: int = 200, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> None:
        """Answer whole."""
        lines = [f"HTTP/1.1 {status} Said", f"Content-Length: {len(body)}", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        self.raw("\r\n".join([*lines, "", ""]).encode() + body)


class HttpsServer(socketserver.ThreadingTCPServer):
    """Answers by `behave`; notes each request, each name asked for, and each connection."""

    allow_reuse_address = True

    def __init__(self, certificates: Certificates) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificates.server)
        self.context.sni_callback = lambda _, name, __: self.names.append(name)
        self.behave: Callable[[Exchange], None] = lambda exchange: exchange.answer()
        self.seen: list[Exchange] = []
        self.names: list[str | None] = []
        self.connections = 0
        self.connections_to_drop = 0
        """So many connections are closed before TLS begins."""
        self.stopping = threading.Event()

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self.server_address[1])

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients that leave early are what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    server: HttpsServer

    def handle(self) -> None:
        self.server.connections += 1
        if self.server.connections <= self.server.connections_to_drop:
            return
        self.connection.settimeout(20)
        with (
            suppress(OSError),
            self.server.context.wrap_socket(self.connection, server_side=True) as secured,
            secured.makefile("rb") as self.rfile,
        ):
            self.raw_requestline = self.rfile.readline(65_537)
            if self.raw_requestline and self.parse_request():
                length = int(self.headers.get("content-length", 0))
                exchange = Exchange(
                    self.command,
                    self.path,
                    {name.lower(): value for name, value in self.headers.items()},
                    self.rfile.read(length),
                    self.server.stopping,
                    secured.sendall,
                )
                self.server.seen.append(exchange)
                self.server.behave(exchange)


@contextmanager
def https_server(certificates: Certificates) -> Iterator[HttpsServer]:
    """Run a server for as long as the block takes."""
    with HttpsServer(certificates) as server:
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        serving.start()
        try:
            yield server
        finally:
            server.stopping.set()
            server.shutdown()
            serving.join()
