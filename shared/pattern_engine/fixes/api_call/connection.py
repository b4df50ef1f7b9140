"""One request over one connection: to a checked address, within a time and a number of bytes.

httpcore speaks HTTP/1.1 here. It knows no proxies of the environment, follows no redirects, keeps
no cookies and decodes nothing, all of which would widen what was approved. The connection goes to
the address that was checked, while the certificate must be the name's; every wait is for what is
left of the time, so that a server which sends a byte now and then gains nothing by it.
"""

from __future__ import annotations

import functools
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

__all__ = [
    "Answer",
    "Bounds",
    "LostError",
    "NotSentError",
    "Resolve",
    "StoppedError",
    "Wire",
    "trusted",
]

Resolve = Callable[[str, int], list[str]]
"""Answers the addresses of a name at a port; OSError or nothing if it has none."""
_MOST_HEAD_BYTES = 64 * 1024
_FRAMING = 8
"""Bytes read for each byte of a body: sent in pieces of one byte, each has six around it."""
_PIECE = 16 * 1024
"""Bytes of one TLS record: written one by one, so that each waits for what time is left."""


class NotSentError(Exception):
    """It is certain that nothing reached the server."""

    def __init__(self, message: str, *, is_final: bool = False) -> None:
        super().__init__(message)
        self.is_final = is_final
        """Whether another try could not end otherwise."""


class LostError(Exception):
    """The request went out, and no whole answer came back."""


class StoppedError(Exception):
    """A limit was met."""

    def __init__(self, limit: Stop) -> None:
        super().__init__(limit)
        self.limit: Stop = limit


class Bounds:
    """What is left of the time, and how much may be read."""

    def __init__(self, timeout_ms: int, most_bytes: int) -> None:
        self._started = time.monotonic()
        self._deadline = self._started + timeout_ms / 1000
        self.most_bytes = most_bytes

    def left(self) -> float:
        """Return the seconds left.

        Raises:
            StoppedError: if there are none.
        """
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise StoppedError("time")
        return left

    def pause(self, seconds: float) -> bool:
        """Wait, if the time left allows for it and something after it; return whether it did."""
        if self._deadline - time.monotonic() <= seconds:
            return False
        time.sleep(seconds)
        return True

    def spent_ms(self) -> int:
        """Return the milliseconds since the start."""
        return round((time.monotonic() - self._started) * 1000)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered."""

    status: int
    headers: Mapping[str, str]
    """By name in small letters; of those given twice, the last."""
    body: bytes
    """As it came over the wire, not decoded."""


class Wire:
    """The connections of one run. The addresses of a host are looked up and checked once."""

    def __init__(
        self,
        bounds: Bounds,
        resolve: Resolve,
        networks: Iterable[Network],
        trusted: ssl.SSLContext,
    ) -> None:
        self._bounds = bounds
        self._resolve = resolve
        self._networks = tuple(networks)
        self._trusted = trusted
        self._pinned: dict[str, list[str]] = {}
        self.has_sent = False
        """Whether anything of any request left for a server."""

    def send(
        self, place: Place, method: str, headers: Mapping[str, str], content: bytes | None
    ) -> Answer:
        """Send one request and read its answer.

        Raises:
            NotSentError, LostError, StoppedError: if there is no whole answer.
        """
        backend = _Backend(self._bounds, self._addresses(place), self._note_sent)
        url = httpcore.URL(
            scheme=b"https",
            host=place.host.encode(),
            port=place.port,
            target=place.target.encode(),
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
                backend.allow(_FRAMING * self._bounds.most_bytes)
                return self._read(response)
        except httpcore.TimeoutException:
            raise StoppedError("time") from None
        except (httpcore.NetworkError, httpcore.ProtocolError):
            raise LostError(f"{place.authority} broke off its answer") from None
        finally:
            connection.close()

    def _note_sent(self) -> None:
        self.has_sent = True

    def _read(self, response: httpcore.Response) -> Answer:
        body = bytearray()
        for chunk in response.iter_stream():
            body += chunk
            if len(body) > self._bounds.most_bytes:
                raise StoppedError("output")
        return Answer(
            response.status,
            {name.decode("latin-1").lower(): v.decode("latin-1") for name, v in response.headers},
            bytes(body),
        )

    def _addresses(self, place: Place) -> list[str]:
        """Return the addresses of a host, all of them checked."""
        if place.host not in self._pinned:
            found = self._looked_up(place)
            if not all_reachable(found, self._networks):
                raise NotSentError(
                    f"{place.host} has an address that is not of the public Internet",
                    is_final=True,
                )
            self._pinned[place.host] = found
        return self._pinned[place.host]

    def _looked_up(self, place: Place) -> list[str]:
        """Ask for the addresses of a name; the system's own way to ask knows no time limit."""
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
            raise NotSentError(f"the name {place.host} has no address")
        return list(dict.fromkeys(found))


class _Backend(httpcore.NetworkBackend):
    """Connects to checked addresses, whatever name it is asked for."""

    def __init__(self, bounds: Bounds, addresses: list[str], sent: Callable[[], None]) -> None:
        self._bounds = bounds
        self._addresses = addresses
        self._sent = sent
        self._left_to_read = _MOST_HEAD_BYTES

    def allow(self, more: int) -> None:
        """Let so many more bytes be read."""
        self._left_to_read += more

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
        timeout: float | None = None,  # noqa: ARG002  what is left of ours counts
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        for tried, address in enumerate(self._addresses):
            # Each address gets its share: one that never answers leaves time for the next.
            share = self._bounds.left() / (len(self._addresses) - tried)
            try:
                stream = httpcore.SyncBackend().connect_tcp(
                    address, port, share, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
            return _Stream(stream, self)
        self._bounds.left()
        raise NotSentError(f"{host} did not accept a connection on port {port}")

    def start_tls(
        self, stream: httpcore.NetworkStream, trusted: ssl.SSLContext, name: str | None
    ) -> httpcore.NetworkStream:
        try:
            return stream.start_tls(trusted, name, self._bounds.left())
        except httpcore.ConnectTimeout:
            raise StoppedError("time") from None
        except httpcore.ConnectError as problem:
            is_final = isinstance(problem.__cause__, ssl.SSLCertVerificationError)
            reason = "its certificate is not trusted" if is_final else "TLS failed"
            raise NotSentError(f"{name} was not asked: {reason}", is_final=is_final) from None


class _Stream(httpcore.NetworkStream):
    """A connection whose every wait and every byte is counted."""

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
    """Return what certificates are checked against: the system's authorities and a file's."""
    # Not ssl.create_default_context: that writes session keys where SSLKEYLOGFILE says.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_default_certs()
    if ca_file:
        context.load_verify_locations(ca_file)
    return context
