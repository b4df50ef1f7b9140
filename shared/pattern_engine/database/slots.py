"""How many calls of the database a process has open at once.

The engine shares PostgREST's pool of connections with the application. If the engine's calls wait
for a lock, each of them holds a connection, so without a bound they would take all of them.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pattern_engine.exceptions import DatabaseBusy

if TYPE_CHECKING:
    from collections.abc import Iterator

WAITING_FOR_EACH = 8
"""How many calls may wait for each slot; further ones are refused at once."""
WAIT_SECONDS = 2.0
"""How long a call waits for a slot, which a usual call holds for milliseconds."""


class Slots:
    """The slots of one process, which its threads share."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._free = threading.BoundedSemaphore(most)
        self._places = threading.BoundedSemaphore(most * WAITING_FOR_EACH)
        self._own = threading.BoundedSemaphore(1)

    @contextmanager
    def taken(self, *, never_refused: bool) -> Iterator[None]:
        """Hold a slot during a call.

        Calls that are never refused stop or record a run; they have one more slot of their own.

        Raises:
            DatabaseBusy: if no slot becomes free in time, or too many calls are waiting.
        """
        slot = self._own if never_refused else self._free
        if never_refused:
            slot.acquire()
        elif not slot.acquire(blocking=False):
            self._wait()
        try:
            yield
        finally:
            slot.release()

    def _wait(self) -> None:
        """Wait for a slot if few enough others do."""
        if not self._places.acquire(blocking=False):
            raise self._refusal()
        try:
            if not self._free.acquire(timeout=WAIT_SECONDS):
                raise self._refusal()
        finally:
            self._places.release()

    def _refusal(self) -> DatabaseBusy:
        return DatabaseBusy(details={"most_calls": self._most})
