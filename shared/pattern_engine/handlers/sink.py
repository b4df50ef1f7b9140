"""What the handler and the processor share: their arguments, and where their rows go."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, TypedDict

from pattern_engine.handlers.posting import by_client, by_http
from pattern_engine.handlers.row_queue import RowQueue, is_sending
from pattern_engine.handlers.rows import Application

if TYPE_CHECKING:
    from collections.abc import Callable

    from pattern_engine.handlers.posting import Client
    from pattern_engine.handlers.rows import Row

__all__ = ["Options", "Sink"]


class Options(TypedDict, total=False):
    """Arguments of the handler and the processor; all may be left out."""

    client: Client
    """A synchronous client of supabase or postgrest, instead of `url` and `key`."""
    url: str
    """The address of the project; SUPABASE_URL by default."""
    key: str
    """A secret key; SUPABASE_SECRET_KEY or SUPABASE_SERVICE_ROLE_KEY by default."""
    source: str
    """The component that logs, by which the engine sees whether it goes on; OTEL_SERVICE_NAME,
    K_SERVICE, FLY_APP_NAME or RENDER_SERVICE_NAME by default, or else the logger's name."""
    release: str
    """The application's version; from variables such as RELEASE and SENTRY_RELEASE by default."""
    environment: str
    """production, staging, …; from variables such as ENVIRONMENT and VERCEL_ENV by default."""
    before_send: Callable[[Row], Row | None]
    """Sees each row before it is queued and returns what is sent; None sends nothing."""
    queue_size: int
    """Rows that wait at most; 1,000 by default."""
    batch_size: int
    """Rows of one request; 100 by default."""
    batch_seconds: float
    """How long a row waits for others; 0.5 by default."""
    timeout: float
    """Seconds of one request by `url` and `key`; 10 by default."""
    exit_seconds: float
    """How long the end of the process waits for rows to be sent; 5 by default."""


class Sink:
    """Makes a row of each log call and queues it, without ever blocking or raising."""

    def __init__(self, options: Options) -> None:
        self._application = Application.described(
            options.get("source"), options.get("release"), options.get("environment")
        )
        self._before_send = options.get("before_send")
        client = options.get("client")
        post = (
            by_client(client)
            if client is not None
            else by_http(options.get("url"), options.get("key"), options.get("timeout", 10.0))
        )
        self.queue = RowQueue(
            post,
            queue_size=options.get("queue_size", 1_000),
            batch_size=options.get("batch_size", 100),
            batch_seconds=options.get("batch_seconds", 0.5),
            exit_seconds=options.get("exit_seconds", 5.0),
        )

    def take(self, row_of: Callable[[Application], Row]) -> None:
        """Queue the row that a function makes; one that cannot be made counts as dropped."""
        if is_sending():
            return
        try:
            row: Row | None = row_of(self._application)
            if self._before_send is not None and row is not None:
                row = self._before_send(row)
                json.dumps(row, allow_nan=False)
        except Exception:  # noqa: BLE001  a log call never raises
            self.queue.drop()
            return
        if row is not None:
            self.queue.put(row)
