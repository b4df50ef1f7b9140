"""Sending one request to a checked address, with limits of time and bytes.

httpcore speaks HTTP/1.1 here. It uses no proxy of the environment, follows no redirects, keeps no
cookies and decodes nothing, so the request stays the one that was approved. The connection goes to
the address that was checked, and the certificate must be valid for the host's name. Every wait ends
with the time limit of the run, so that a server that answers slowly cannot extend it.
"""

from __future__ import annotations

import contextlib
import functools
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpcore

from pattern_engine.fixes.addresses import all_reachable

if TYPE_CHECKING:
    from pattern_engine.fixes.addresses import Network
    from pattern_engine.fixes.execution import Stop
    from pattern_engine.fixes.urls import Place

Resolve = Callable[[str, int], list[str]]
"""Returns the addresses of a name at a port; OSError or an empty list if it has none."""
MAX_BODY_BYTES = 1024 * 1024
"""The largest body of a request."""
_MAX_HEAD_BYTES = 64 * 1024
_FRAMING = 8
"""How many bytes may be read for each byte of a body: a chunk of one byte has six more."""
_PIECE = 16 * 1024
"""The bytes of one TLS record; the remaining time is checked before each record is written."""


class NotSentError(Exception):
    """The request certainly did not reach the server."""

    def __init__(self, message: str, *, is_final: bool = False) -> None:
        super().__init__(message)
        self.is_final = is_final
        """Whether another attempt would fail in the same way."""


class LostError(Exception):
    """The request was sent, and no complete answer was received."""


class StoppedError(Exception):
    """A limit was reached."""

    def __init__(self, limit: Stop) -> None:
        super().__init__(limit)
        self.limit: Stop = limit


class Bounds:
    """The time limit and the output limit of one run."""

    def __init__(self, timeout_ms: int, max_bytes: int) -> None:
        self._started = time.monotonic()
        self._deadline = self._started + timeout_ms / 1000
        self.max_bytes = max_bytes

    def left(self) -> float:
        """Return the remaining seconds.

        Raises:
            StoppedError: if no time remains.
        """
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise StoppedError("time")
        return left

    def stop(self) -> None:
        """Have no time remain."""
        self._deadline = self._started

    def pause(self, seconds: float) -> bool:
        """Sleep, unless no time would remain afterwards; return whether it slept."""
        if self._deadline - time.monotonic() <= seconds:
            return False
        time.sleep(seconds)
        return True

    def spent_ms(self) -> int:
        """Return the milliseconds since the start."""
        return round((time.monotonic() - self._started) * 1000)


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer of a server."""

    status: int
    headers: Mapping[str, str]
    """By name in lower case; if a header is repeated, its last value."""
    fields: tuple[tuple[str, str], ...]
    """All headers, in order."""
    body: bytes
    """As received, not decoded."""


def system_addresses(host: str, port: int) -> list[str]:
    """Return the addresses of a name, as the system finds them."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


class Wire:
    """The connections of one run. The addresses of a host are looked up and checked once.

    Several threads may send at once.
    """

    def __init__(
        self, bounds: Bounds, resolve: Resolve, networks: Iterable[Network], trusted: ssl.SSLContext
    ) -> None:
        self._bounds = bounds
        self._resolve = resolve
        self._networks = tuple(networks)
        self._trusted = trusted
        self._pinned: dict[str, list[str]] = {}
        self._looking_up = threading.Lock()
        self._open: set[socket.socket] = set()
        self.has_sent = False
        """Whether any part of a request was sent."""

    def send(
        self,
        place: Place,
        method: str,
        headers: Mapping[str, str | bytes],
        content: bytes | None,
    ) -> Answer:
        """Send one request and read its answer.

        Raises:
            NotSentError, LostError, StoppedError: if there is no complete answer.
        """
        backend = _Backend(self._bounds, self._addresses(place), self._note_sent, self._open)
        url = httpcore.URL(
            scheme=b"https", host=place.host.encode(), port=place.port, target=place.target.encode()
        )
        connection = httpcore.HTTPConnection(
            url.origin, ssl_context=self._trusted, network_backend=backend
        )
        framing: dict[bytes | str, bytes | str] = {
            "Host": place.authority,
            "Connection": "close",
            "Accept-Encoding": "identity",
        }
        framing.update(headers)
        try:
            with connection.stream(method, url, headers=framing, content=content) as response:
                backend.allow(_FRAMING * self._bounds.max_bytes)
                return self._read(response)
        except httpcore.TimeoutException:
            raise StoppedError("time") from None
        except (httpcore.NetworkError, httpcore.ProtocolError):
            raise LostError(f"{place.authority} ended its answer too early") from None
        finally:
            connection.close()
            self._open.difference_update(backend.sockets)

    def close(self) -> None:
        """End what is being sent, and send nothing any more."""
        self._bounds.stop()
        for one in tuple(self._open):
            with contextlib.suppress(OSError):
                # Not the method of a TLS socket, which would first say farewell.
                socket.socket.shutdown(one, socket.SHUT_RDWR)

    def _note_sent(self) -> None:
        self.has_sent = True

    def _read(self, response: httpcore.Response) -> Answer:
        body = bytearray()
        for chunk in response.iter_stream():
            body += chunk
            if len(body) > self._bounds.max_bytes:
                raise StoppedError("output")
        fields = tuple(
            (name.decode("latin-1"), v.decode("latin-1")) for name, v in response.headers
        )
        headers = {name.lower(): value for name, value in fields}
        return Answer(response.status, headers, fields, bytes(body))

    def _addresses(self, place: Place) -> list[str]:
        """Return the addresses of a host, all of them checked."""
        with self._looking_up:
            if place.host not in self._pinned:
                self._pinned[place.host] = self._looked_up(place)
        found = self._pinned[place.host]
        if not all_reachable(found, self._networks):
            raise NotSentError(f"{place.host} has an address that is not public", is_final=True)
        return found

    def _looked_up(self, place: Place) -> list[str]:
        """Look up the addresses of a name in a thread, because getaddrinfo has no time limit."""
        found: list[str] = []

        def look_up() -> None:
            try:
                found.extend(self._resolve(place.host, place.port))
            except (OSError, UnicodeError):
                found.clear()

        asking = threading.Thread(target=look_up, daemon=True)
        asking.start()
        asking.join(self._bounds.left())
        if asking.is_alive():
            raise StoppedError("time")
        if not found:
            raise NotSentError(f"the host {place.host} has no address")
        return list(dict.fromkeys(found))


class _Backend(httpcore.NetworkBackend):
    """Connects to the checked addresses, whatever name httpcore passes."""

    def __init__(
        self,
        bounds: Bounds,
        addresses: list[str],
        sent: Callable[[], None],
        open_sockets: set[socket.socket],
    ) -> None:
        self._bounds = bounds
        self._addresses = addresses
        self._sent = sent
        self._open = open_sockets
        self.sockets: set[socket.socket] = set()
        self._left_to_read = _MAX_HEAD_BYTES

    def allow(self, more: int) -> None:
        """Increase the number of bytes that may be read."""
        self._left_to_read += more

    def _note(self, stream: httpcore.NetworkStream) -> httpcore.NetworkStream:
        """Note the socket of a connection, so that it can be ended from outside."""
        one = stream.get_extra_info("socket")
        self.sockets.add(one)
        self._open.add(one)
        self._bounds.left()
        return stream

    def read(self, stream: httpcore.NetworkStream, most: int) -> bytes:
        if self._left_to_read <= 0:
            raise StoppedError("output")
        data = stream.read(most, self._bounds.left())
        self._left_to_read -= len(data)
        return data

    def write(self, stream: httpcore.NetworkStream, data: bytes) -> None:
        self._sent()
        for start in range(0, len(data), _PIECE):
            stream.write(data[start : start + _PIECE], self._bounds.left())

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002  the run's own limit applies
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        for tried, address in enumerate(self._addresses):
            # Each address gets a share of the time, so that time remains for the next one.
            share = self._bounds.left() / (len(self._addresses) - tried)
            try:
                stream = httpcore.SyncBackend().connect_tcp(
                    address, port, share, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
            return _Stream(self._note(stream), self)
        self._bounds.left()
        raise NotSentError(f"{host} does not accept connections on port {port}")

    def start_tls(
        self, stream: httpcore.NetworkStream, trusted: ssl.SSLContext, name: str | None
    ) -> httpcore.NetworkStream:
        try:
            return self._note(stream.start_tls(trusted, name, self._bounds.left()))
        except httpcore.ConnectTimeout:
            raise StoppedError("time") from None
        except httpcore.ConnectError as problem:
            is_final = isinstance(problem.__cause__, ssl.SSLCertVerificationError)
            reason = "its certificate is not trusted" if is_final else "TLS failed"
            raise NotSentError(f"nothing was sent to {name}: {reason}", is_final=is_final) from None


class _Stream(httpcore.NetworkStream):
    """A connection that keeps to the limits of time and bytes."""

    def __init__(self, inner: httpcore.NetworkStream, backend: _Backend) -> None:
        self._inner = inner
        self._backend = backend

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002
        return self._backend.read(self._inner, max_bytes)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002
        self._backend.write(self._inner, buffer)

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002
    ) -> httpcore.NetworkStream:
        return _Stream(
            self._backend.start_tls(self._inner, ssl_context, server_hostname), self._backend
        )

    def get_extra_info(self, info: str) -> object:
        return self._inner.get_extra_info(info)


@functools.cache
def trusted(ca_file: str | None) -> ssl.SSLContext:
    """Return the SSL context that trusts the system's authorities and those of a file."""
    # Not ssl.create_default_context, which writes session keys to the file SSLKEYLOGFILE.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_default_certs()
    if ca_file:
        context.load_verify_locations(ca_file)
    return context
