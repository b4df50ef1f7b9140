"""Rows that wait to be sent, and the thread that sends them.

- Putting a row never waits: beyond `queue_size` rows, further ones are dropped and counted.
- A server that does not answer is asked again, later each time, and nothing is dropped meanwhile.
- A row that the server refuses is dropped and counted; the others of its batch are sent.
- A child process after a fork has an empty queue and a thread of its own; the parent sends its.
- At the end of the process the thread gets `exit_seconds` to send what waits.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import random
import threading
import time
import weakref
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Final

from pattern_engine.handlers.posting import BusyError, RefusedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pattern_engine.handlers.posting import Post
    from pattern_engine.handlers.rows import Row

__all__ = ["RowQueue", "is_sending"]

FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 60.0
_logger: Final = logging.getLogger(__name__)
_all: Final[weakref.WeakSet[RowQueue]] = weakref.WeakSet()
#: Whether the present thread sends rows: what the client logs meanwhile is not sent itself.
_sending: Final = threading.local()


def is_sending() -> bool:
    """Return whether the caller is the thread of a queue."""
    return getattr(_sending, "now", False)


class RowQueue:
    """A bounded queue of rows with a thread that sends them in batches.

    Attributes:
        dropped: Rows that were not sent: the queue was full, or the server refused them.
        sent: Rows that were sent.
    """

    def __init__(
        self,
        post: Post,
        *,
        queue_size: int = 1_000,
        batch_size: int = 100,
        batch_seconds: float = 0.5,
        exit_seconds: float = 5.0,
    ) -> None:
        self.dropped = 0
        self.sent = 0
        self.exit_seconds = exit_seconds
        self._post = post
        self._queue_size = queue_size
        self._batch_size = batch_size
        self._batch_seconds = batch_seconds
        self._begin()
        _all.add(self)
        atexit.register(_flush_at_exit, weakref.ref(self))

    def _begin(self) -> None:
        """Start with nothing in the queue and without a thread."""
        # A log call may come while this very thread puts a row, from a destructor or a signal.
        self._lock = threading.RLock()
        self._queue: SimpleQueue[Row | threading.Event] = SimpleQueue()
        self._waiting = 0
        self._thread: threading.Thread | None = None
        self._hurry = threading.Event()

    def put(self, row: Row) -> None:
        """Queue a row, or drop it if the queue is full."""
        with self._lock:
            if self._waiting >= self._queue_size:
                self.dropped += 1
                return
            self._waiting += 1
            self._queue.put(row)
            self._ensure_thread()

    def drop(self) -> None:
        """Count a row that could not be made."""
        with self._lock:
            self.dropped += 1

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until all rows so far were sent or refused; answer whether they were in time."""
        if is_sending():
            return False
        with self._lock:
            if self._waiting == 0:
                return True
            if not self._ensure_thread():
                return False
            done = threading.Event()
            self._queue.put(done)
            self._hurry.set()
        return done.wait(self.exit_seconds if timeout is None else timeout)

    def _ensure_thread(self) -> bool:
        """Start the thread if it does not run; the interpreter starts none while it ends."""
        if self._thread is None or not self._thread.is_alive():
            thread = threading.Thread(target=self._work, name="pattern-engine-log", daemon=True)
            with contextlib.suppress(RuntimeError):
                thread.start()
                self._thread = thread
        return self._thread is not None and self._thread.is_alive()

    def _work(self) -> None:
        _sending.now = True
        while True:
            batch, flushes = self._next_batch()
            if batch:
                self._deliver(batch)
            for done in flushes:
                done.set()

    def _next_batch(self) -> tuple[list[Row], list[threading.Event]]:
        """Wait for a row, and shortly for more; whoever flushes ends the wait."""
        batch: list[Row] = []
        item: Row | threading.Event = self._queue.get()
        ends = time.monotonic() + self._batch_seconds
        while not isinstance(item, threading.Event):
            batch.append(item)
            if len(batch) >= self._batch_size:
                return batch, []
            try:
                item = self._queue.get(timeout=max(ends - time.monotonic(), 0))
            except Empty:
                return batch, []
        return batch, [item]

    def _deliver(self, batch: Sequence[Row]) -> None:
        """Send rows until the server took or refused them."""
        pause = FIRST_PAUSE
        while True:
            self._hurry.clear()
            try:
                self._post(batch)
            except RefusedError as problem:
                self._refused(batch, problem)
                return
            except Exception as problem:  # noqa: BLE001  whatever a client raises may pass
                _logger.info("log rows could not be sent, and will be: %s", problem)
                asked = problem.seconds if isinstance(problem, BusyError) else 0.0
                # Many processes that lost one server do not ask it again at the same moment.
                self._hurry.wait(max(asked, pause * random.uniform(0.5, 1)))  # noqa: S311
                pause = min(pause * 2, LONGEST_PAUSE)
            else:
                self._finished(batch, sent=len(batch))
                return

    def _refused(self, batch: Sequence[Row], problem: RefusedError) -> None:
        """Find the rows that are refused by halves, and drop them."""
        if len(batch) > 1 and not problem.is_for_all:
            middle = len(batch) // 2
            self._deliver(batch[:middle])
            self._deliver(batch[middle:])
            return
        _logger.warning("%s log rows were refused and are lost: %s", len(batch), problem)
        self._finished(batch, sent=0)

    def _finished(self, batch: Sequence[Row], *, sent: int) -> None:
        with self._lock:
            self._waiting -= len(batch)
            self.sent += sent
            self.dropped += len(batch) - sent

    def restart(self) -> None:
        """Begin anew, in a child process."""
        self._begin()


def _flush_at_exit(reference: weakref.ref[RowQueue]) -> None:
    queue = reference()
    if queue is not None:
        queue.flush()


def _restart_all() -> None:
    for queue in list(_all):
        queue.restart()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_restart_all)
