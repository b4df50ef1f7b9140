"""A worker of gunicorn in which a slow client holds a connection, but never a thread.

gunicorn's own threaded worker gives a connection to a thread at its first byte, and the thread then
waits for the rest. As many clients as there are threads, each sending half a request, stop it. In
this worker the main loop collects what arrives, and a thread parses only that. Where the parser
needs more, `Unfinished` ends the attempt and the connection goes back to the main loop. A request
comes to a thread

- when it is whole: in most cases at once, since its headers and its body arrive together;
- once before that, when only its headers are there. The function authenticates the caller before
  it reads the body, so a caller without a key is refused now, and nothing of the body is kept.

The lengths that are computed here decide only when to try; gunicorn's parser alone decides what the
request is. A connection is closed when its request is not whole in time, and the one that has
waited longest when there are too many.
"""

from __future__ import annotations

import errno
import re
import selectors
import socket
import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from gunicorn.http.parser import RequestParser
from gunicorn.workers.gthread import STOP_KEEPALIVE_LINGER, TConn, ThreadWorker

from pattern_engine.serving.bodies import MAX_BODY_BYTES

if TYPE_CHECKING:
    from concurrent.futures import Future

    from gunicorn.http.message import Request

REQUEST_SECONDS = 20.0
"""Time for a whole request to arrive."""
SEND_SECONDS = 20.0
"""Time for a whole answer to be taken."""
LINGER_SECONDS = 2.0
"""Time to take what a client still sends after its answer (RFC 9112, section 9.6)."""
ADMISSION_SECONDS = 0.05
"""Time that the body may come after the headers before its caller is authenticated without it."""
MOST_HEADER_BYTES = 64 * 1024
MOST_BYTES = MAX_BODY_BYTES * 2
"""Bytes of one request that are kept; chunked, a body is longer than its content."""
MOST_BYTES_IN_ALL = 64 * MAX_BODY_BYTES
_MOST_ATTEMPTS = 4
_RECEIVED_AT_ONCE = 64 * 1024
_SWEEP_SECONDS = 1.0
_END_OF_HEADERS = b"\r\n\r\n"
_LAST_CHUNK = b"0\r\n\r\n"
_CONTENT_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,18})[ \t]*\r\n", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:", re.IGNORECASE)
_UNFINISHED = object()


class Unfinished(BaseException):
    """The request needs bytes that have not arrived. No `except Exception` may answer it."""


@dataclass(slots=True)
class Arrival:
    """What has arrived of the request that a connection sends now.

    Attributes:
        deadline: When the connection is closed unless the request is whole.
        received: The bytes so far.
        headers_end: Length of the headers; 0 until they are complete.
        length: Length of the whole request; None as long as it is unknown, as for chunked bodies.
        ended: Whether the client sends nothing more.
        attempts: How often it came to a thread.
        running: Whether a thread has it now.
        leaving: Whether it was answered and the connection only waits for its end.
    """

    deadline: float
    received: bytearray = field(default_factory=bytearray)
    headers_end: int = 0
    length: int | None = None
    ended: bool = False
    attempts: int = 0
    running: bool = False
    leaving: bool = False

    def add(self, data: bytes) -> None:
        """Add what has arrived."""
        searched = max(0, len(self.received) - len(_END_OF_HEADERS))
        self.received += data
        if self.headers_end:
            return
        found = self.received.find(_END_OF_HEADERS, searched)
        if found < 0:
            return
        self.headers_end = found + len(_END_OF_HEADERS)
        headers = bytes(self.received[: self.headers_end])
        if not _CHUNKED.search(headers):
            announced = _CONTENT_LENGTH.search(headers)
            self.length = self.headers_end + (int(announced[1]) if announced else 0)

    @property
    def is_full(self) -> bool:
        """Whether no more is taken of it, so that it has to be answered as it is."""
        most = MOST_BYTES if self.headers_end else MOST_HEADER_BYTES
        return len(self.received) >= most

    @property
    def is_whole(self) -> bool:
        """Whether a thread should find all that it needs."""
        if self.ended or self.is_full:
            return True
        if self.length is not None:
            return len(self.received) >= self.length
        return bool(self.headers_end) and self.received.endswith(_LAST_CHUNK)


class _Arrived:
    """The socket as the parser sees it: it holds nothing but what the parser was given before."""

    def __init__(self, *, ended: bool) -> None:
        self._ended = ended

    def recv(self, _size: int) -> bytes:
        if self._ended:
            return b""
        raise Unfinished


class BufferingWorker(ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn's threaded worker, with the waiting for clients taken out of its threads."""

    def __init__(self, *arguments: object, **options: object) -> None:
        super().__init__(*arguments, **options)
        self._arrivals: dict[TConn, Arrival] = {}
        self._admissions: dict[TConn, float] = {}
        self._swept = 0.0

    # -- In the main loop ---------------------------------------------------------------------

    def accept(self, listener: socket.socket) -> None:
        """Accept a connection, and wait for its request."""
        try:
            client, address = listener.accept()
        except OSError as problem:
            if problem.errno in (errno.EAGAIN, errno.ECONNABORTED):
                return
            raise
        self.nr_conns += 1
        connection = TConn(self.cfg, client, address, listener.getsockname())
        self._wait(connection, Arrival(time.monotonic() + REQUEST_SECONDS))
        if self.nr_conns >= self.worker_connections:
            self._close_oldest()

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """Wait for events, and do what is due by now."""
        super().wait_for_and_dispatch_events(ADMISSION_SECONDS if self._admissions else timeout)
        now = time.monotonic()
        for connection in [each for each, due in self._admissions.items() if due <= now]:
            self._attempt(connection, self._arrivals[connection])
        if now - self._swept > _SWEEP_SECONDS:
            self._swept = now
            self._sweep(now)

    def finish_request(self, conn: TConn, fs: Future[object]) -> None:
        """Go on with a connection after a thread has had it."""
        arrival = self._arrivals[conn]
        arrival.running = False
        result = False if fs.cancelled() or fs.exception() else fs.result()
        if result is _UNFINISHED:
            self._wait_for_more(conn, arrival)
        elif result:
            following = Arrival(time.monotonic() + self.cfg.keepalive)
            following.add(conn.parser.unreader.take_buffered())
            self._wait(conn, following)
        else:
            self._leave(conn)

    def _wait(self, connection: TConn, arrival: Arrival) -> None:
        """Collect what arrives for a connection."""
        self._arrivals[connection] = arrival
        connection.sock.setblocking(False)
        self.poller.register(
            connection.sock, selectors.EVENT_READ, partial(self._receive, connection)
        )
        if arrival.received:
            self._consider(connection, arrival)

    def _wait_for_more(self, connection: TConn, arrival: Arrival) -> None:
        """Wait on after an attempt that needs more than has arrived."""
        if arrival.is_full:
            self._refuse(connection, "413 Content Too Large")
        elif arrival.attempts >= _MOST_ATTEMPTS:
            self._refuse(connection, "400 Bad Request")
        else:
            self._wait(connection, arrival)

    def _receive(self, connection: TConn, _: object) -> None:
        """Take what has arrived, and try the request if it is whole."""
        arrival = self._arrivals[connection]
        try:
            data = connection.sock.recv(_RECEIVED_AT_ONCE)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self._close(connection)
            return
        if not data and (arrival.leaving or not arrival.headers_end):
            self._close(connection)
        elif not arrival.leaving:
            self._add(connection, arrival, data)

    def _add(self, connection: TConn, arrival: Arrival, data: bytes) -> None:
        """Add what has arrived; nothing if the client sends nothing more."""
        if not arrival.received:  # the first byte on a connection that was kept
            arrival.deadline = time.monotonic() + REQUEST_SECONDS
        arrival.ended = not data
        arrival.add(data)
        self._consider(connection, arrival)

    def _consider(self, connection: TConn, arrival: Arrival) -> None:
        """Try the request now, or soon, or wait on."""
        if arrival.is_whole:
            self._attempt(connection, arrival)
        elif arrival.headers_end and not arrival.attempts:
            self._admissions.setdefault(connection, time.monotonic() + ADMISSION_SECONDS)
        if len(arrival.received) > _RECEIVED_AT_ONCE:
            self._limit_memory()

    def _attempt(self, connection: TConn, arrival: Arrival) -> None:
        """Give a connection to a thread, with what has arrived."""
        self._unwatch(connection)
        arrival.running = True
        arrival.attempts += 1
        connection.parser = RequestParser(
            self.cfg, _Arrived(ended=arrival.ended), connection.client
        )
        connection.parser.unreader.unread(bytes(arrival.received))
        connection.data_ready = True
        self.enqueue_req(connection)

    def _sweep(self, now: float) -> None:
        """Close connections whose time is over; while stopping, also those that wait idly."""
        for connection, arrival in list(self._arrivals.items()):
            if not self.alive and not arrival.received:
                arrival.deadline = min(arrival.deadline, now + STOP_KEEPALIVE_LINGER)
            if arrival.running or arrival.deadline > now:
                continue
            if arrival.received and not arrival.leaving:
                self._refuse(connection, "408 Request Timeout")
            else:
                self._close(connection)

    def _close_oldest(self) -> None:
        """Make room for one more connection: those of refused or unknown callers go first."""
        waiting = [each for each, arrival in self._arrivals.items() if not arrival.running]
        if waiting:
            self._close(min(waiting, key=self._worth))

    def _worth(self, connection: TConn) -> tuple[bool, bool, float]:
        arrival = self._arrivals[connection]
        return (not arrival.leaving, arrival.attempts > 0, arrival.deadline)

    def _limit_memory(self) -> None:
        """Refuse the longest unfinished request if all together take too much memory."""
        lengths = {each: len(arrival.received) for each, arrival in self._arrivals.items()}
        if sum(lengths.values()) > MOST_BYTES_IN_ALL:
            waiting = [each for each in lengths if not self._arrivals[each].running]
            if waiting:
                self._refuse(max(waiting, key=lengths.__getitem__), "503 Service Unavailable")

    def _refuse(self, connection: TConn, status: str) -> None:
        """Answer a request that no function can answer."""
        head = f"HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
        connection.sock.setblocking(False)
        try:
            connection.sock.send(head.encode())
        except OSError:
            self._close(connection)
        else:
            self._leave(connection)

    def _leave(self, connection: TConn) -> None:
        """Say that nothing more is sent; close when the client does so, too, or after a time."""
        self._unwatch(connection)
        try:
            connection.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self._close(connection)
        else:
            self._wait(connection, Arrival(time.monotonic() + LINGER_SECONDS, leaving=True))

    def _close(self, connection: TConn) -> None:
        self._unwatch(connection)
        del self._arrivals[connection]
        self.nr_conns -= 1
        connection.close()

    def _unwatch(self, connection: TConn) -> None:
        """Take a connection out of the main loop, if it is in it."""
        self._admissions.pop(connection, None)
        if connection.sock.fileno() in self.poller.get_map():
            self.poller.unregister(connection.sock)

    # -- In a thread --------------------------------------------------------------------------

    def handle(self, conn: TConn) -> object:
        """Handle the request of a connection as far as it has arrived."""
        try:
            return super().handle(conn)
        except Unfinished:
            return _UNFINISHED

    def handle_request(self, req: Request, conn: TConn) -> object:
        """Let the function answer; a client that does not take its answer loses it."""
        if not self._arrivals[conn].is_whole:
            req.force_close()
        conn.sock.settimeout(SEND_SECONDS)
        return super().handle_request(req, conn)

    def _keepalive_after(self, conn: TConn, keepalive: bool) -> bool:
        """Keep the connection only if the whole request was there."""
        try:
            return bool(super()._keepalive_after(conn, keepalive))
        except Unfinished:
            return False
