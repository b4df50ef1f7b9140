"""The code around every endpoint: request id, CORS, method, caller, body, answer, one log line.

So a function consists only of its handler::

    @serve(endpoints.LEARN)
    def main(call: Call[LearnRequest]) -> LearnResponse:
        return learning.learn(call.body, call.caller, call.database)

Every exception becomes `{"error": {"code", "message", "details"}, "request_id"}` here. Any that is
not a `PatternEngineError` is a bug in the engine: the caller gets only the request id, and the log
gets the traceback.
"""

from __future__ import annotations

import functools
import gc
import json
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar
from uuid import uuid4

from flask import Response as FlaskResponse

from pattern_engine import logs, settings
from pattern_engine.api.callers import Caller, Kind
from pattern_engine.database.database import Database
from pattern_engine.exceptions import (
    MethodNotAllowed,
    NotAuthenticated,
    PatternEngineError,
    Unavailable,
)
from pattern_engine.serving import bodies, cors
from pattern_engine.serving.auth import Authenticator

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flask import Request as FlaskRequest

    from pattern_engine.api.endpoint import Endpoint
    from pattern_engine.api.fields import Request, Response
    from pattern_engine.settings import Settings

REQUEST_ID_HEADER = "x-request-id"
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}

BodyT = TypeVar("BodyT", bound="Request")
AnswerT = TypeVar("AnswerT", bound="Response")
View = Callable[["FlaskRequest"], FlaskResponse]
Facts = dict[str, object]
"""The fields of a request's log line."""
Work = Callable[["FlaskRequest", Facts], FlaskResponse]


@dataclass(frozen=True, slots=True)
class Call(Generic[BodyT]):
    """One request, after its caller was authenticated and its body validated."""

    body: BodyT
    caller: Caller
    database: Database
    settings: Settings


@dataclass(frozen=True, slots=True)
class Runtime:
    """The objects that all requests of one process share."""

    settings: Settings
    authenticator: Authenticator
    database: Database


@functools.cache
def runtime() -> Runtime:
    """The runtime of this process.

    Raises:
        ConfigurationError: if a setting is missing or wrong, which stops the start of the process.
    """
    current = settings.current()
    # Otherwise pydantic reads the metadata of every installed package to find its plugins.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    return Runtime(current, Authenticator(current), Database(current))


ANYONE = Caller(Kind.PERSON)
"""The caller of an endpoint that needs no credentials."""


def serve(
    endpoint: Endpoint[BodyT, AnswerT],
) -> Callable[[Callable[[Call[BodyT]], AnswerT]], View]:
    """Make a view for functions-framework out of the handler of an endpoint."""

    def decorate(handler: Callable[[Call[BodyT]], AnswerT]) -> View:
        shared = runtime()

        def work(request: FlaskRequest, facts: Facts) -> FlaskResponse:
            caller = ANYONE
            if endpoint.admits:
                # Before the body, which only an admitted caller may make this process wait for.
                caller = shared.authenticator.authenticate(request.headers, endpoint.admits)
                facts.update(caller=caller.kind, user_id=caller.user_id)
            body = bodies.read(request, endpoint)
            return _success(handler(Call(body, caller, shared.database, shared.settings)))

        @functools.wraps(handler)
        def view(request: FlaskRequest) -> FlaskResponse:
            return answer(request, endpoint.name, endpoint.methods, work)

        # All objects loaded by now live as long as the process. Frozen, they are not scanned by the
        # garbage collector, and forked workers go on sharing their memory.
        gc.freeze()
        # By default the collector runs for every 700 new objects: dozens of times in a first call.
        gc.set_threshold(50_000, 20, 20)
        return view

    return decorate


def answer(
    request: FlaskRequest,
    name: str,
    methods: tuple[str, ...],
    work: Work,
    page_headers: Mapping[str, str] | None = None,
) -> FlaskResponse:
    """Answer a request, also after an exception, and log it in one line.

    The answers of pages have `page_headers` unless `work` says otherwise, and no page of another
    origin reads them.
    """
    started = time.perf_counter()
    request_id = _request_id(request)
    logs.request_id.set(request_id)
    facts: Facts = {"endpoint": name, "method": request.method}
    try:
        response = _dispatch(request, methods, work, facts)
    except Exception as problem:  # noqa: BLE001  every bug is logged, and answered as JSON
        response = _refusal(known(problem, facts), request_id)
    bodies.leave_unread(request, response)
    response.headers[REQUEST_ID_HEADER] = request_id
    for header, value in (page_headers or _SECURITY_HEADERS).items():
        response.headers.setdefault(header, value)
    if page_headers is None:
        cors.add_headers(request, response, methods, runtime().settings.allowed_origins)
    milliseconds = round((time.perf_counter() - started) * 1000, 1)
    logs.info("request", **facts, status=response.status_code, duration_ms=milliseconds)
    return response


def known(problem: Exception, facts: Facts) -> PatternEngineError:
    """Return the error that tells the caller what went wrong; a bug is logged, and told as one."""
    if not isinstance(problem, PatternEngineError):
        logs.error("unexpected_exception", problem, endpoint=facts["endpoint"])
        problem = PatternEngineError()
    facts["error"] = problem.code
    return problem


def _dispatch(
    request: FlaskRequest, methods: tuple[str, ...], work: Work, facts: Facts
) -> FlaskResponse:
    """Answer OPTIONS, refuse other methods than the endpoint's, and do the work."""
    if request.method not in methods:
        raise MethodNotAllowed(request.method, methods)
    if request.method == "OPTIONS":
        return FlaskResponse(status=204, headers={"Allow": ", ".join(methods)})
    return work(request, facts)


def _request_id(request: FlaskRequest) -> str:
    """The caller's id for this request if it has the allowed characters, else a new one."""
    given = request.headers.get(REQUEST_ID_HEADER, "")
    return given if _REQUEST_ID.fullmatch(given) else uuid4().hex


def _success(result: Response) -> FlaskResponse:
    """A result as JSON, without the None fields that the model lists in `omitted_when_none`."""
    empty = {name for name in result.omitted_when_none if getattr(result, name) is None}
    text = result.model_dump_json(by_alias=True, exclude=empty)
    return FlaskResponse(text, mimetype="application/json")


def _refusal(problem: PatternEngineError, request_id: str) -> FlaskResponse:
    """An error as JSON, with the headers of its status."""
    if isinstance(problem, Unavailable):
        logs.warning("unavailable", code=problem.code, cause=repr(problem.__cause__))
    text = json.dumps(
        {
            "error": {
                "code": problem.code,
                "message": problem.message,
                "details": problem.details,
            },
            "request_id": request_id,
        }
    )
    headers = {}
    if problem.retry_after_seconds is not None:
        headers["Retry-After"] = str(problem.retry_after_seconds)
    if isinstance(problem, MethodNotAllowed):
        headers["Allow"] = ", ".join(problem.allowed)
    if isinstance(problem, NotAuthenticated):
        headers["WWW-Authenticate"] = "Bearer"
    return FlaskResponse(text, problem.status, headers, mimetype="application/json")
