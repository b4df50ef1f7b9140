"""What an endpoint takes, answers and whom it admits.

`functions/<name>/main.py` serves an endpoint, `serving.openapi` describes it; both read its entry
in the `endpoints` module of its package. `serving.endpoints` has them all.
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
    """Its path segment, and the name of its folder."""
    method: str
    summary: str
    request: type[RequestT]
    response: type[ResponseT_co]
    admits: frozenset[Kind]
    """Kinds of callers; empty for everyone."""
    refusals: tuple[int, ...] = ()
    """Further statuses that it answers, beside those that all share."""
    body_optional: bool = False

    @property
    def takes_query(self) -> bool:
        """Whether what is asked stands in the address: a GET has no body."""
        return self.method == "GET" and self.request is not NoBody

    @property
    def takes_body(self) -> bool:
        """Whether a body is read at all."""
        return self.request is not NoBody and not self.takes_query

    @property
    def methods(self) -> tuple[str, ...]:
        """Every method that it answers: a GET may be asked as HEAD, any may be asked about."""
        return (self.method, *(("HEAD",) if self.method == "GET" else ()), "OPTIONS")


AnyEndpoint = Endpoint[Any, Any]
