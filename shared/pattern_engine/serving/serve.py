"""The harness of every function: request id, CORS, method, body, caller, answer, one log line.

A function stays a sentence::

    @serve(endpoints.LEARN)
    def main(call: Call[LearnRequest]) -> LearnResponse:
        return learning.learn(call.body, call.caller, call.database)

Whatever its work raises becomes `{"error": {"code", "message", "details"}, "request_id"}` here and
nowhere else. What is not a `PatternEngineError` is a fault of ours: the caller gets the request id,
the log gets the traceback.
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
from werkzeug.exceptions import HTTPException

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
"""What the log line of a request will say."""
Work = Callable[["FlaskRequest", Facts], FlaskResponse]


@dataclass(frozen=True, slots=True)
class Call(Generic[BodyT]):
    """One request whose body and caller were accepted."""

    body: BodyT
    caller: Caller
    database: Database
    settings: Settings


@dataclass(frozen=True, slots=True)
class Runtime:
    """What the requests of one process share."""

    settings: Settings
    authenticator: Authenticator
    database: Database


@functools.cache
def runtime() -> Runtime:
    """The runtime of this process.

    Raises:
        ConfigurationError: if the environment is not complete, which stops start-up.
    """
    current = settings.current()
    # Pydantic would read the metadata of every installed package in search of plugins of its own.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    return Runtime(current, Authenticator(current), Database(current))


ANYONE = Caller(Kind.PERSON)
"""Who calls an endpoint that admits everyone."""


def serve(
    endpoint: Endpoint[BodyT, AnswerT],
) -> Callable[[Callable[[Call[BodyT]], AnswerT]], View]:
    """Make a function of functions-framework out of the one sentence that an endpoint is."""

    def decorate(handler: Callable[[Call[BodyT]], AnswerT]) -> View:
        shared = runtime()

        def work(request: FlaskRequest, facts: Facts) -> FlaskResponse:
            caller = ANYONE
            if endpoint.admits:
                caller = shared.authenticator.authenticate(request.headers, endpoint.admits)
                facts.update(caller=caller.kind, user_id=caller.user_id)
            body = bodies.read(request, endpoint)
            return _success(handler(Call(body, caller, shared.database, shared.settings)))

        @functools.wraps(handler)
        def view(request: FlaskRequest) -> FlaskResponse:
            return answer(request, endpoint.name, endpoint.methods, work)

        # What is loaded by now stays: no collection of garbage needs to look through it again, and
        # the workers of a server that forks go on sharing its memory.
        gc.freeze()
        return view

    return decorate


def answer(
    request: FlaskRequest,
    name: str,
    methods: tuple[str, ...],
    work: Work,
) -> FlaskResponse:
    """Answer a request whatever happens, and log it in one line."""
    started = time.perf_counter()
    request_id = _request_id(request)
    logs.request_id.set(request_id)
    facts: Facts = {"endpoint": name, "method": request.method}
    try:
        # First, and whatever is answered: functions-framework would read a body of any size.
        bodies.load(request)
        response = _dispatch(request, methods, work, facts)
    except PatternEngineError as problem:
        response = _refusal(problem, request_id, facts)
    except Exception as problem:  # noqa: BLE001  the last line of defence: answer, and log it all
        logs.error("unexpected_exception", problem, endpoint=name)
        response = _refusal(PatternEngineError(), request_id, facts)
    response.headers.extend({REQUEST_ID_HEADER: request_id, **_SECURITY_HEADERS})
    cors.add_headers(request, response, methods, runtime().settings.allowed_origins)
    milliseconds = round((time.perf_counter() - started) * 1000, 1)
    logs.info("request", **facts, status=response.status_code, duration_ms=milliseconds)
    return response


def _dispatch(
    request: FlaskRequest, methods: tuple[str, ...], work: Work, facts: Facts
) -> FlaskResponse:
    """Do the work of an endpoint, if it answers this method."""
    if request.method not in methods:
        raise MethodNotAllowed(request.method, methods)
    if request.method == "OPTIONS":
        return FlaskResponse(status=204, headers={"Allow": ", ".join(methods)})
    return work(request, facts)


def _request_id(request: FlaskRequest) -> str:
    """The caller's own id for this request if it is a harmless one, else a new one."""
    given = request.headers.get(REQUEST_ID_HEADER, "")
    return given if _REQUEST_ID.fullmatch(given) else uuid4().hex


def _success(result: Response) -> FlaskResponse:
    """A result as JSON; fields that have nothing to say are left out where the model says so."""
    empty = {name for name in result.omitted_when_none if getattr(result, name) is None}
    text = result.model_dump_json(by_alias=True, exclude=empty)
    return FlaskResponse(text, mimetype="application/json")


def _refusal(problem: PatternEngineError, request_id: str, facts: Facts) -> FlaskResponse:
    """An error as JSON, with the headers that its status calls for."""
    facts["error"] = problem.code
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
    # functions-framework reads what is left of the body before it sends an answer, except a
    # streamed one. Where reading was given up, that would fail again: so the answer is streamed.
    body = iter([text]) if isinstance(problem.__cause__, HTTPException) else text
    return FlaskResponse(body, problem.status, headers, mimetype="application/json")
