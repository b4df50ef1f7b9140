"""A processor of structlog that writes to `ops.system_logs`."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any, Final

from pattern_engine.handlers.rows import exception_in, row_of
from pattern_engine.handlers.sink import Sink

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping
    from typing import Unpack

    from pattern_engine.handlers.rows import Application, Row
    from pattern_engine.handlers.sink import Options

__all__ = ["PatternEngineProcessor"]

#: What other processors add and the row has by itself.
_OWN: Final = frozenset({"event", "level", "exc_info", "timestamp", "logger", "exception", "stack"})
#: Of the methods of structlog's loggers.
_LEVELS: Final = {
    **{name.lower(): number for name, number in logging.getLevelNamesMapping().items()},
    "exception": logging.ERROR,
    "err": logging.ERROR,
    "msg": logging.INFO,
}


class PatternEngineProcessor:
    """Sends events to the Pattern Learning Engine and hands them on unchanged.

    Put it before the processor that formats `exc_info` (`format_exc_info`, `dict_tracebacks`) and
    before the renderer. An exception is found in `exc_info`, as the event, or as any value, as in
    `log.error("could not invoice", error=error)`. `Options` has the arguments.

    Raises:
        ValueError: if it is told neither a client nor the address and key of a project.
        TypeError: if the client is asynchronous.
    """

    def __init__(self, *, level: int = logging.WARNING, **options: Unpack[Options]) -> None:
        self._level = level
        self._sink = Sink(options)

    @property
    def dropped(self) -> int:
        """How many rows were lost, because the queue was full or the server refused them."""
        return self._sink.queue.dropped

    @property
    def sent(self) -> int:
        """How many rows were sent."""
        return self._sink.queue.sent

    def __call__(
        self,
        logger: Any,  # noqa: ANN401  whatever structlog wraps
        method: str,
        event_dict: MutableMapping[str, Any],
    ) -> MutableMapping[str, Any]:
        """Queue an event, and return it."""
        level = _LEVELS.get(method, logging.ERROR)
        if level >= self._level:
            self._sink.take(lambda application: _row(application, logger, level, event_dict))
        return event_dict

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until all events so far were sent or refused; answer whether they were in time."""
        return self._sink.queue.flush(timeout)


def _row(application: Application, logger: object, level: int, event: Mapping[str, Any]) -> Row:
    name = event.get("logger") or getattr(logger, "name", None) or "structlog"
    return row_of(
        application,
        level=level,
        text=str(event.get("event", "")),
        logger=str(name),
        error=exception_in(event.get("exc_info"), *event.values()),
        seconds=time.time(),
        beside={key: value for key, value in event.items() if key not in _OWN},
    )
