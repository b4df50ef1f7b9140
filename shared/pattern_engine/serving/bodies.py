"""Reading requests: size, content type, strict JSON or the query string, and the model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import ValidationError
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge

from pattern_engine.exceptions import (
    BodyTooLarge,
    InvalidField,
    InvalidJson,
    InvalidRequest,
    MessageTooLarge,
    UnknownField,
    UnsupportedMediaType,
)
from pattern_engine.text import strict_json
from pattern_engine.text.strict_json import shown

if TYPE_CHECKING:
    from flask import Request as FlaskRequest
    from flask import Response as FlaskResponse
    from pydantic_core import ErrorDetails

    from pattern_engine.api.endpoint import Endpoint
    from pattern_engine.api.fields import Request

MAX_BODY_BYTES = 1024 * 1024
_LOADED = "pattern_engine.body_loaded"

RequestT = TypeVar("RequestT", bound="Request")


def load(request: FlaskRequest) -> bytes:
    """Return the whole body up to the limit, with or without a Content-Length.

    Raises:
        BodyTooLarge: if it is larger; the rest is not read.
    """
    # One byte more, because werkzeug silently cuts a body without Content-Length at its limit.
    request.max_content_length = MAX_BODY_BYTES + 1
    try:
        raw = request.get_data()
    except RequestEntityTooLarge as problem:
        raise BodyTooLarge(details={"most_bytes": MAX_BODY_BYTES}) from problem
    except ClientDisconnected as problem:
        raise InvalidJson(
            "The connection ended before the whole body arrived; send the request again."
        ) from problem
    if len(raw) > MAX_BODY_BYTES:
        raise BodyTooLarge(details={"most_bytes": MAX_BODY_BYTES})
    request.environ[_LOADED] = True
    return raw


def leave_unread(request: FlaskRequest, response: FlaskResponse) -> None:
    """Answer a request without its body if nothing has read that.

    functions-framework reads the rest of a body, of any size and however slow it comes, before it
    sends an answer that is not streamed.
    """
    if _LOADED not in request.environ:
        response.response = iter([response.get_data()])


def read(request: FlaskRequest, endpoint: Endpoint[RequestT, Any]) -> RequestT:
    """Return the request as the endpoint's model, from the body or the query string of a GET.

    Raises:
        InvalidRequest: or a subclass, which names the field and the problem.
    """
    if endpoint.takes_query:
        return validate(_query(request), endpoint.request)
    raw = load(request) if endpoint.takes_body else b""
    if not raw:
        if endpoint.takes_body and not endpoint.body_optional:
            raise InvalidJson("The body is empty; send one JSON object.")
        return validate({}, endpoint.request)
    if request.mimetype != "application/json" or request.headers.get("content-encoding"):
        raise UnsupportedMediaType(
            details={
                "content_type": request.headers.get("content-type"),
                "content_encoding": request.headers.get("content-encoding"),
            }
        )
    return validate(parse(raw), endpoint.request)


def _query(request: FlaskRequest) -> dict[str, object]:
    """The parameters of the query string; none may be repeated."""
    for name, values in request.args.lists():
        if len(values) > 1:
            raise InvalidField(
                f"The parameter {name} is in the query string {len(values)} times; send it once.",
                details={"problems": [{"field": name, "problem": "It is sent more than once"}]},
            )
    return dict(request.args)


def parse(raw: bytes) -> dict[str, object]:
    """Return the JSON object in a body.

    Raises:
        InvalidJson: if the body is anything else.
    """
    try:
        value = strict_json.parse(raw.decode())
    except UnicodeDecodeError as problem:
        raise InvalidJson(
            f"The body is not UTF-8: {problem.reason} at byte {problem.start}."
        ) from None
    except strict_json.TooDeepError:
        raise InvalidJson(
            f"The body is nested more than {strict_json.MAX_DEPTH} levels deep."
        ) from None
    except strict_json.StrictJsonError as problem:
        raise InvalidJson(f"The body is not valid JSON: {problem}.") from None
    if not isinstance(value, dict):
        raise InvalidJson("The body is JSON but not an object; send one JSON object.")
    return value


def validate(body: dict[str, object], model: type[RequestT]) -> RequestT:
    """Return the body as a model.

    Raises:
        InvalidRequest: the subclass for the first problem, with all problems in the details.
    """
    try:
        return model.model_validate(body)
    except ValidationError as problem:
        raise _refusal(problem.errors(include_url=False)) from None


def _refusal(problems: list[ErrorDetails]) -> InvalidRequest:
    """The exception for the problems that pydantic found."""
    found = [
        {
            "field": ".".join(map(str, problem["loc"])) or "(body)",
            "problem": problem["msg"],
            **({} if problem["type"] == "missing" else {"value": shown(problem["input"])}),
        }
        for problem in problems
    ]
    first, kind = found[0], problems[0]["type"]
    details: dict[str, object] = {"problems": found}
    if kind == "message_too_large":
        return MessageTooLarge(details=details)
    if kind == "extra_forbidden":
        return UnknownField(
            f"This endpoint has no field {first['field']}; leave it out.", details=details
        )
    if not problems[0]["loc"]:
        return InvalidField(f"{first['problem']}.", details=details)
    value = f", it is {first['value']}" if "value" in first else ""
    return InvalidField(f"{first['field']}: {first['problem']}{value}.", details=details)
