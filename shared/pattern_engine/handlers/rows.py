"""A row of `ops.system_logs` out of a log record or an event of structlog."""

from __future__ import annotations

import logging
import os
import sys
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from pattern_engine.handlers import raised
from pattern_engine.handlers.sizes import MAX_MESSAGE, metadata_of, text_of

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Application", "Row", "exception_in", "level_of", "row_of"]

Row = dict[str, Any]
MAX_NAME: Final = 200
"""Characters of the names of source, release and environment."""
_RELEASES: Final = (
    *("RELEASE", "SENTRY_RELEASE", "APP_VERSION", "GIT_COMMIT", "VERCEL_GIT_COMMIT_SHA"),
    *("RENDER_GIT_COMMIT", "RAILWAY_GIT_COMMIT_SHA", "HEROKU_SLUG_COMMIT", "K_REVISION"),
    *("FLY_IMAGE_REF", "GITHUB_SHA", "CI_COMMIT_SHA"),
)
_ENVIRONMENTS: Final = (
    *("ENVIRONMENT", "SENTRY_ENVIRONMENT", "APP_ENV", "DEPLOYMENT_ENVIRONMENT", "VERCEL_ENV"),
    *("RAILWAY_ENVIRONMENT_NAME", "DJANGO_ENV", "FLASK_ENV"),
)
_SOURCES: Final = ("OTEL_SERVICE_NAME", "K_SERVICE", "FLY_APP_NAME", "RENDER_SERVICE_NAME")


@dataclass(frozen=True)
class Application:
    """What every row of an application says of it."""

    source: str | None
    """None: each row has the name of its logger."""
    release: str | None
    environment: str | None

    @classmethod
    def described(
        cls, source: str | None, release: str | None, environment: str | None
    ) -> Application:
        """Return what was given, and from the variables of hosts and trackers what was not."""
        return cls(
            source or _first(_SOURCES),
            release or _first(_RELEASES),
            environment or _first(_ENVIRONMENTS),
        )


def _first(names: tuple[str, ...]) -> str | None:
    return next((os.environ[name] for name in names if os.environ.get(name)), None)


def exception_in(exc_info: object, *values: object) -> BaseException | None:
    """Return the exception of a log call: the one that `exc_info` tells, or the first value."""
    if isinstance(exc_info, tuple):
        exc_info = exc_info[1] if len(exc_info) > 1 else None
    elif exc_info is True:
        exc_info = sys.exc_info()[1]
    return next((each for each in (exc_info, *values) if isinstance(each, BaseException)), None)


def level_of(number: int) -> str:
    """Return the level of the log for a number of `logging`."""
    if number >= logging.CRITICAL:
        return "critical"
    if number >= logging.ERROR:
        return "error"
    if number >= logging.WARNING:
        return "warning"
    return "info" if number >= logging.INFO else "debug"


def row_of(  # noqa: PLR0913  a row has this many parts
    application: Application,
    *,
    level: int,
    text: str,
    logger: str,
    error: BaseException | None,
    seconds: float,
    beside: Mapping[str, object],
) -> Row:
    """Return the row of one log call.

    The message is the exception's, since what a program says around it differs from place to place;
    without an exception it is the text. `beside` becomes metadata, except `fingerprint`.
    """
    values: dict[str, object] = {"logger": logger, **beside}
    fingerprint = values.pop("fingerprint", None)
    data: dict[str, object] = {}
    message = text
    if error is not None:
        message = raised.message_of(error)
        data = raised.error_data(error)
        outer = raised.outer_messages(error)
        values = {"log_message": text, **({"raised_as": outer} if outer else {}), **values}
    if fingerprint is not None:
        data["fingerprint"] = fingerprint if isinstance(fingerprint, list) else str(fingerprint)
    return {
        "created_at": datetime.fromtimestamp(seconds, UTC).isoformat(),
        "log_level": level_of(level),
        "message": text_of(message, MAX_MESSAGE),
        "source": text_of(application.source or logger, MAX_NAME),
        "release": application.release and text_of(application.release, MAX_NAME),
        "environment": application.environment and text_of(application.environment, MAX_NAME),
        "error_data": data or None,
        "metadata": metadata_of(values),
        "event_id": uuid.uuid4().hex,
    }
