"""Send the requests that `net.http_post` has queued, as pg_net's background worker does."""

import asyncio
import logging
import time
from dataclasses import asdict, dataclass

import httpx
import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

logger = logging.getLogger(__name__)

CHANNEL = "net_http_request_queue"
_MAX_CONCURRENT = 32
_POLL_SECONDS = 1.0
_PRUNE_EVERY_SECONDS = 60.0

# At most once, as with pg_net: the row is deleted before its request is sent.
TAKE = """
with taken as materialized (  -- evaluated once, so that the limit holds whatever the plan is
  select id from net.http_request_queue order by id limit %s for update skip locked
)
delete from net.http_request_queue
where id in (select taken.id from taken)
returning id, method, url, headers, body, timeout_milliseconds
"""
_RECORD = """
insert into net._http_response
  (id, status_code, content_type, headers, content, timed_out, error_msg)
values (
  %(id)s, %(status_code)s, %(content_type)s, %(headers)s, %(content)s, %(timed_out)s, %(error)s
)
"""
_PRUNE = "delete from net._http_response where created < now() - interval '6 hours'"

AsyncConnection = psycopg.AsyncConnection[tuple[object, ...]]


@dataclass(frozen=True)
class Request:
    """One row of the queue."""

    id: int
    method: str
    url: str
    headers: dict[str, str] | None
    body: bytes | None
    timeout_milliseconds: int


@dataclass(frozen=True)
class Outcome:
    """The outcome of a request: an answer, a time-out or an error."""

    status_code: int | None = None
    content_type: str | None = None
    headers: dict[str, str] | None = None
    content: str | None = None
    timed_out: bool = False
    error: str | None = None


class RequestSender:
    """Takes requests from the queue and sends them, a limited number at a time."""

    def __init__(self, listening: AsyncConnection, working: AsyncConnection) -> None:
        self._listening = listening
        self._working = working
        self._statement = asyncio.Lock()
        self._sending: set[asyncio.Task[None]] = set()
        self._client = httpx.AsyncClient(limits=httpx.Limits(max_connections=_MAX_CONCURRENT))
        self._pruned = 0.0

    async def run(self) -> None:
        """Send requests until cancelled.

        The loop continues on a notification, on a finished request, and once a second.
        """
        await self._listening.execute(f"listen {CHANNEL}")
        wake = asyncio.Event()
        listener = asyncio.create_task(self._listen(wake))
        try:
            while True:
                await self._take_all(wake)
                await self._prune()
                await self._wait(wake, listener)
        finally:
            listener.cancel()
            await self._client.aclose()

    async def _listen(self, wake: asyncio.Event) -> None:
        async for _ in self._listening.notifies():
            wake.set()

    @staticmethod
    async def _wait(wake: asyncio.Event, listener: "asyncio.Task[None]") -> None:
        waiter = asyncio.create_task(wake.wait())
        await asyncio.wait(
            {waiter, listener}, timeout=_POLL_SECONDS, return_when=asyncio.FIRST_COMPLETED
        )
        waiter.cancel()
        wake.clear()
        if listener.done():
            listener.result()  # raises the error that ended the connection

    async def _take_all(self, wake: asyncio.Event) -> None:
        while (room := _MAX_CONCURRENT - len(self._sending)) > 0:
            requests = await self._take(room)
            for request in requests:
                task = asyncio.create_task(self._deliver(request))
                self._sending.add(task)
                task.add_done_callback(lambda done: self._finished(done, wake))
            if len(requests) < room:
                return

    def _finished(self, task: "asyncio.Task[None]", wake: asyncio.Event) -> None:
        was_full = len(self._sending) == _MAX_CONCURRENT
        self._sending.discard(task)
        if not task.cancelled() and (error := task.exception()):
            logger.error("the outcome of a request was not recorded: %s", error)
        if was_full:
            wake.set()

    async def _take(self, room: int) -> list[Request]:
        async with self._statement, self._working.cursor(row_factory=class_row(Request)) as cursor:
            await cursor.execute(TAKE, (room,))
            return sorted(await cursor.fetchall(), key=lambda request: request.id)

    async def _deliver(self, request: Request) -> None:
        try:
            outcome = await self._send(request)
        except Exception as error:  # noqa: BLE001  whatever a request is, its outcome is recorded
            outcome = Outcome(error=f"{type(error).__name__}: {error}")
        if outcome.error:
            logger.warning("request %d failed: %s", request.id, outcome.error)
        try:
            await self._record(request, outcome)
        except (psycopg.DataError, UnicodeError) as error:
            await self._record(request, Outcome(error=f"the answer cannot be stored: {error}"))

    async def _record(self, request: Request, outcome: Outcome) -> None:
        headers = None if outcome.headers is None else Jsonb(outcome.headers)
        row = asdict(outcome) | {"id": request.id, "headers": headers}
        async with self._statement:
            await self._working.execute(_RECORD, row)

    async def _send(self, request: Request) -> Outcome:
        try:
            async with asyncio.timeout(request.timeout_milliseconds / 1000):
                answer = await self._client.request(
                    request.method,
                    request.url,
                    headers=request.headers,
                    content=request.body,
                    timeout=None,
                )
        except TimeoutError:
            reason = f"Timeout of {request.timeout_milliseconds} ms reached"
            return Outcome(timed_out=True, error=reason)
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            return Outcome(error=str(error) or type(error).__name__)
        return Outcome(
            status_code=answer.status_code,
            content_type=answer.headers.get("content-type"),
            headers=dict(answer.headers),
            content=answer.text.replace("\0", "\N{REPLACEMENT CHARACTER}"),
        )

    async def _prune(self) -> None:
        if time.monotonic() - self._pruned < _PRUNE_EVERY_SECONDS:
            return
        self._pruned = time.monotonic()
        async with self._statement:
            await self._working.execute(_PRUNE)
