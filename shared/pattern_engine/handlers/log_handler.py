"""A handler of `logging` that writes to `ops.system_logs`."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from pattern_engine.handlers.rows import exception_in, row_of
from pattern_engine.handlers.sink import Sink

if TYPE_CHECKING:
    from typing import Unpack

    from pattern_engine.handlers.rows import Application, Row
    from pattern_engine.handlers.sink import Options

__all__ = ["PatternEngineHandler"]

#: What every record has; other attributes came with `extra`.
_OF_RECORDS: Final = frozenset(
    {*logging.makeLogRecord({}).__dict__, "message", "asctime", "taskName", "_logger", "_name"}
)


class PatternEngineHandler(logging.Handler):
    """Sends log records to the Pattern Learning Engine, without ever blocking or raising.

    An exception is found in `exc_info`, as the message, or among its arguments, as in
    `log.error("could not invoice: %s", error)`. Values of `extra` become metadata; `fingerprint` in
    it groups errors by itself. `Options` has the arguments.

    Raises:
        ValueError: if it is told neither a client nor the address and key of a project.
        TypeError: if the client is asynchronous.
    """

    def __init__(self, *, level: int | str = logging.WARNING, **options: Unpack[Options]) -> None:
        super().__init__(level)
        self._sink = Sink(options)

    @property
    def dropped(self) -> int:
        """How many rows were lost, because the queue was full or the server refused them."""
        return self._sink.queue.dropped

    @property
    def sent(self) -> int:
        """How many rows were sent."""
        return self._sink.queue.sent

    def emit(self, record: logging.LogRecord) -> None:
        """Queue a record."""
        self._sink.take(lambda application: _row(application, record))

    def flush(self, timeout: float | None = None) -> bool:  # type: ignore[override]  # answers more
        """Wait until all records so far were sent or refused; answer whether they were in time."""
        return self._sink.queue.flush(timeout)

    def close(self) -> None:
        """Send what waits, within `exit_seconds`."""
        self.flush()
        super().close()


def _row(application: Application, record: logging.LogRecord) -> Row:
    beside = {name: value for name, value in record.__dict__.items() if name not in _OF_RECORDS}
    beside["location"] = f"{record.pathname}:{record.lineno} {record.funcName}"
    if isinstance(record.msg, dict):  # an event of structlog, before its ProcessorFormatter
        event = dict(record.msg)
        text, exc_info = str(event.pop("event", "")), event.pop("exc_info", record.exc_info)
        values: tuple[object, ...] = tuple(event.values())
        beside = {**event, **beside}
    else:
        text, exc_info = record.getMessage(), record.exc_info
        values = (record.msg, *(record.args if isinstance(record.args, tuple) else ()))
    return row_of(
        application,
        level=record.levelno,
        text=text,
        logger=record.name,
        error=exception_in(exc_info, *values),
        seconds=record.created,
        beside=beside,
    )
