"""The description of an endpoint: its request, its response and the callers that it admits.

Each package describes its endpoints in its module `endpoints`. `functions/<name>/main.py` serves an
endpoint by this description and `serving.openapi` documents it. `serving.endpoints` lists them all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pattern_engine.api.fields import Request, Response

if TYPE_CHECKING:
    from pattern_engine.api.callers import Kind

RequestT = TypeVar("RequestT", bound=Request)
ResponseT_co = TypeVar("ResponseT_co", bound=Response, covariant=True)


class NoBody(Request):
    """No body."""


@dataclass(frozen=True, slots=True)
class Endpoint(Generic[RequestT, ResponseT_co]):
    """One endpoint."""

    name: str
    """The last segment of its path, and the name of its folder below `functions`."""
    method: str
    summary: str
    request: type[RequestT]
    response: type[ResponseT_co]
    admits: frozenset[Kind]
    """The kinds of callers that may call it; empty if it needs no credentials."""
    refusals: tuple[int, ...] = ()
    """Error statuses that it can answer in addition to those of every endpoint."""
    body_optional: bool = False

    @property
    def takes_query(self) -> bool:
        """Whether the request is read from the query string, because a GET has no body."""
        return self.method == "GET" and self.request is not NoBody

    @property
    def takes_body(self) -> bool:
        """Whether the request is read from a body."""
        return self.request is not NoBody and not self.takes_query

    @property
    def methods(self) -> tuple[str, ...]:
        """Every method that it answers: its own, HEAD beside GET, and OPTIONS."""
        return (self.method, *(("HEAD",) if self.method == "GET" else ()), "OPTIONS")


AnyEndpoint = Endpoint[Any, Any]
