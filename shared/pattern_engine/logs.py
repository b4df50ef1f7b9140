"""Logs: one JSON object a line on standard output, as Google Cloud and most collectors read them.

Each line has `severity`, `event` (a fixed name), `request_id` and the time in UTC. The calling code
chooses each field that it logs. In addition, every field is scrubbed as stored texts are, and the
engine's own keys are replaced by `[secret]`, before the line is written.
"""

from __future__ import annotations

import json
import sys
import traceback
from contextvars import ContextVar
from datetime import UTC, datetime

from pattern_engine import settings
from pattern_engine.text import scrubbing

_SEVERITIES = {"DEBUG": 10, "INFO": 20, "WARNING": 30, "ERROR": 40}

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
"""The id of the request that this thread answers."""


def debug(event: str, **fields: object) -> None:
    """Log a step that helps in debugging."""
    _write("DEBUG", event, fields)


def info(event: str, **fields: object) -> None:
    """Log a normal event."""
    _write("INFO", event, fields)


def warning(event: str, **fields: object) -> None:
    """Log an event that an operator may want to look at."""
    _write("WARNING", event, fields)


def error(event: str, exception: BaseException | None = None, /, **fields: object) -> None:
    """Log a failure, with the traceback of its exception."""
    if exception is not None:
        fields["exception"] = "".join(traceback.format_exception(exception))
    _write("ERROR", event, fields)


def _write(severity: str, event: str, fields: dict[str, object]) -> None:
    """Write one line by a single call, so that the lines of two threads do not mix."""
    configured = settings.current()
    if _SEVERITIES[severity] < _SEVERITIES[configured.log_level]:
        return
    line = {
        "severity": severity,
        "event": event,
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "request_id": request_id.get(),
        **scrubbing.scrub_json(json.loads(json.dumps(fields, default=str))),
    }
    text = json.dumps(line, ensure_ascii=True)
    for secret in configured.secrets():
        text = text.replace(secret, "[secret]")
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
