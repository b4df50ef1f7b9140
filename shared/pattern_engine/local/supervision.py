"""Start a part again after it has ended, after a pause that grows while it keeps ending."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from pattern_engine.local.errors import StackError
from pattern_engine.local.processes import Part
from pattern_engine.local.state import Ended

logger = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS = 0.5
MOST_PAUSE_SECONDS = 30.0
STEADY_SECONDS = 60.0
"""A part that has run for so long is started again after the first pause."""


@dataclass
class Watched:
    """A part that is started again whenever it has ended.

    Attributes:
        part: The process that runs now, or that has ended.
        start_again: Starts the part as it was started before, and returns it.
        ended: Its last end; None if it never ended.
    """

    part: Part
    start_again: Callable[[], Part]
    ended: Ended | None = None
    _pause: float = FIRST_PAUSE_SECONDS
    _started: float = field(default_factory=time.monotonic)
    _due: float | None = None

    @property
    def is_down(self) -> bool:
        """Whether the part has ended and was not started again yet."""
        return self._due is not None

    def tend(self) -> bool:
        """Note that the part has ended, or start it after its pause; return if either happened."""
        if self._due is None:
            if not self.part.has_ended:
                return False
            self.part.kill_rest()
            self._wait(self.part.how_it_ended())
            logger.error(self.part.report(self.part.how_it_ended()))
            return True
        if time.monotonic() < self._due:
            return False
        self._try_to_start()
        return True

    def _try_to_start(self) -> None:
        now = time.monotonic()
        try:
            self.part = self.start_again()
        except (StackError, OSError) as problem:
            self._wait(f"could not be started: {problem}")
            logger.error("%s could not be started: %s", self.part.name, problem)  # noqa: TRY400
        else:
            self._due = None
            logger.warning("%s was started again", self.part.name)
        self._started = now

    def _wait(self, reason: str) -> None:
        now = time.monotonic()
        if now - self._started > STEADY_SECONDS:
            self._pause = FIRST_PAUSE_SECONDS
        self._due = now + self._pause
        self._pause = min(2 * self._pause, MOST_PAUSE_SECONDS)
        times = self.ended.times if self.ended else 0
        self.ended = Ended(times + 1, reason, datetime.now(UTC).isoformat(timespec="seconds"))
