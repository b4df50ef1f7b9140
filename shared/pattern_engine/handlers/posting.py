"""Writing rows to `ops.system_logs`: by an existing client, or by HTTP to PostgREST.

A row may be sent twice, if the answer to the first request was lost. Its `event_id` makes the
database refuse the second one, which counts as sent.
"""

from __future__ import annotations

# Looking up a host imports it. If the process forked while the thread does so, the child would wait
# for that import for ever.
import encodings.idna  # noqa: F401
import inspect
import json
import os
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from pattern_engine.handlers.rows import Row

__all__ = ["BusyError", "Client", "Post", "RefusedError", "by_client", "by_http"]

_DUPLICATE: Final = "23505"
#: Codes of errors that pass: connection, resources, cancellation, conflicts, PostgREST without its
#: database, and the limit of rows of a user.
_PASSING: Final = re.compile(r"08|53|57|40|55|PGRST00|PL040|5[0-9][0-9]\Z|429\Z|408\Z").match
#: The key or the role is wrong, or the migrations were not applied.
_FOR_ALL: Final = frozenset(
    {"401", "403", "404", "42501", "42P01", "PGRST106", "PGRST205", "PGRST301", "PGRST302"}
)
_CONFLICT: Final = 409
_SERVER_ERROR: Final = 500
_MAX_ANSWER: Final = 65_536


class RefusedError(Exception):
    """The server refused rows, and would refuse them again.

    Attributes:
        is_for_all: Whether it would refuse any row, because of the key or a missing table.
    """

    def __init__(self, reason: str, *, is_for_all: bool) -> None:
        super().__init__(reason)
        self.is_for_all = is_for_all


class BusyError(Exception):
    """The server wants to be asked later.

    Attributes:
        seconds: How much later; 0 if it did not say.
    """

    def __init__(self, reason: str, seconds: float) -> None:
        super().__init__(reason)
        self.seconds = seconds


class Client(Protocol):
    """A synchronous client of supabase or postgrest."""

    def schema(self, schema: str) -> Any:  # noqa: ANN401  the types of another package
        """Return the client for a schema."""


Post = Callable[[Sequence[Row]], None]
"""Writes rows. Raises RefusedError if that is final, and anything else if it may be tried again."""


def by_client(client: Client) -> Post:
    """Return what writes rows by an existing client.

    Raises:
        TypeError: if it is an asynchronous client, which a thread cannot use.
    """
    of_client = client.schema("ops").from_("system_logs")
    if inspect.iscoroutinefunction(of_client.insert([]).execute):
        raise TypeError("The client is asynchronous; give a synchronous one, or url and key")

    def post(rows: Sequence[Row]) -> None:
        try:
            table = client.schema("ops").from_("system_logs")
            table.insert(list(rows), returning="minimal").execute()
        except Exception as problem:
            code = getattr(problem, "code", None)
            if code == _DUPLICATE:
                return
            if isinstance(code, str | int) and not _PASSING(str(code)):
                raise RefusedError(str(problem), is_for_all=str(code) in _FOR_ALL) from problem
            raise

    return post


def by_http(url: str | None, key: str | None, timeout: float) -> Post:
    """Return what writes rows by HTTP, with a key or a user's access token.

    Raises:
        ValueError: if there is no key, or no address of http or https.
    """
    url = (url or os.environ.get("SUPABASE_URL") or "").rstrip("/")
    key = key or _first("SUPABASE_SECRET_KEY", "SUPABASE_SERVICE_ROLE_KEY")
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        raise ValueError(
            f"The address of the Supabase project is {url!r}; give url=, such as "
            "https://REF.supabase.co, or set SUPABASE_URL"
        )
    if not key:
        raise ValueError("Give key=, or set SUPABASE_SECRET_KEY or SUPABASE_SERVICE_ROLE_KEY")
    headers = {
        "apikey": key,
        "Content-Type": "application/json",
        "Content-Profile": "ops",
        "Prefer": "return=minimal",
        # A new key is no token, and only a token belongs here.
        **({"Authorization": f"Bearer {key}"} if key.startswith("eyJ") else {}),
    }

    def post(rows: Sequence[Row]) -> None:
        body = json.dumps(rows, separators=(",", ":")).encode()
        request = urllib.request.Request(  # noqa: S310  the scheme was checked
            f"{url}/rest/v1/system_logs", data=body, headers=headers, method="POST"
        )
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:  # noqa: S310  as above
                answer.read(_MAX_ANSWER)
        except urllib.error.HTTPError as problem:
            with problem:
                _judge(problem, problem.read(_MAX_ANSWER).decode("utf-8", "replace"))

    return post


def _judge(answer: urllib.error.HTTPError, text: str) -> None:
    """Return if the rows were written before, or raise what became of them."""
    status = answer.code
    if status == _CONFLICT and f'"{_DUPLICATE}"' in text:
        return
    reason = f"{status} {text[:500]}"
    if status in {408, 425, 429} or status >= _SERVER_ERROR:
        after = answer.headers.get("Retry-After", "")
        raise BusyError(reason, float(after) if after.isdecimal() else 0.0)
    raise RefusedError(reason, is_for_all=str(status) in _FOR_ALL)


def _first(*names: str) -> str | None:
    return next((os.environ[name] for name in names if os.environ.get(name)), None)
