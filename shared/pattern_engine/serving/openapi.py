"""The OpenAPI document, generated from the list of endpoints and their models.

`python -m pattern_engine.serving.openapi` prints it; `docs/reference/openapi.json` is that output.
"""

from __future__ import annotations

import functools
import json
import sys
from typing import TYPE_CHECKING, Any, Literal

from pydantic.json_schema import models_json_schema

from pattern_engine import exceptions
from pattern_engine.api.callers import Kind
from pattern_engine.serving import endpoints
from pattern_engine.serving.answers import ErrorResponse
from pattern_engine.serving.auth import WEBHOOK_SECRET_HEADER

if TYPE_CHECKING:
    from pydantic import BaseModel

    from pattern_engine.api.endpoint import AnyEndpoint

VERSION = "1.0.0"
BASE_PATH = "/functions/v1/pattern-analyzer"
_SCHEMAS = "#/components/schemas/{model}"
_SHARED_STATUSES = (405, 500, 503)
_BODY_STATUSES = (400, 413, 415, 422)

Json = dict[str, Any]

_SECURITY_OF_KIND: dict[Kind, list[Json]] = {
    Kind.PERSON: [{"access_token": [], "publishable_key": []}],
    Kind.ENGINE: [{"secret_key": []}],
    Kind.CRON: [{"webhook_secret": []}],
}
_SECURITY_SCHEMES: Json = {
    "access_token": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "The access token of a signed-in person.",
    },
    "publishable_key": {
        "type": "apiKey",
        "in": "header",
        "name": "apikey",
        "description": "The project's publishable key; without an access token it gives no access.",
    },
    "secret_key": {
        "type": "apiKey",
        "in": "header",
        "name": "apikey",
        "description": "A secret key of the project, for servers only.",
    },
    "webhook_secret": {
        "type": "apiKey",
        "in": "header",
        "name": WEBHOOK_SECRET_HEADER,
        "description": "The secret that the database webhook and the scheduled jobs send.",
    },
}


@functools.cache
def document() -> Json:
    """The OpenAPI 3.1 document of all endpoints."""
    wanted: list[tuple[type[BaseModel], Literal["validation", "serialization"]]] = [
        (ErrorResponse, "serialization")
    ]
    for endpoint in endpoints.ALL:
        wanted.append((endpoint.response, "serialization"))
        if endpoint.takes_body:
            wanted.append((endpoint.request, "validation"))
    _, definitions = models_json_schema(wanted, ref_template=_SCHEMAS)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Pattern Learning Engine",
            "version": VERSION,
            "description": "Groups errors into patterns and runs approved fixes for them.",
        },
        "servers": [{"url": BASE_PATH}],
        "paths": {
            f"/{endpoint.name}": {endpoint.method.lower(): _operation(endpoint)}
            for endpoint in endpoints.ALL
        },
        "components": {"schemas": definitions["$defs"], "securitySchemes": _SECURITY_SCHEMES},
    }


def _operation(endpoint: AnyEndpoint) -> Json:
    """One endpoint: its request, its callers and every status that it answers."""
    operation: Json = {
        "operationId": endpoint.name,
        "summary": endpoint.summary,
        "security": [
            requirement
            for kind in sorted(endpoint.admits)
            for requirement in _SECURITY_OF_KIND[kind]
        ],
        "responses": {
            "200": _content("Success.", endpoint.response.__name__),
            **{str(status): _refusal(status) for status in _refusals(endpoint)},
        },
    }
    if endpoint.takes_query:
        operation["parameters"] = _parameters(endpoint.request)
    if endpoint.takes_body:
        content = _content("", endpoint.request.__name__)["content"]
        operation["requestBody"] = {"required": not endpoint.body_optional, "content": content}
    return operation


def _parameters(model: type[BaseModel]) -> list[Json]:
    """The parameters in the query string, from the fields of a model."""
    schema = model.model_json_schema()
    return [
        {
            "name": name,
            "in": "query",
            "required": name in schema.get("required", ()),
            "schema": {key: value for key, value in field.items() if key != "title"},
        }
        for name, field in schema["properties"].items()
    ]


def _refusals(endpoint: AnyEndpoint) -> list[int]:
    """The error statuses of an endpoint."""
    with_body = _BODY_STATUSES if endpoint.takes_body else (422,) if endpoint.takes_query else ()
    with_caller = (401, 403) if endpoint.admits else ()
    return sorted({*_SHARED_STATUSES, *with_body, *with_caller, *endpoint.refusals})


def _refusal(status: int) -> Json:
    """A status with every error code that has it."""
    codes = sorted({kind.code for kind in exceptions.kinds() if kind.status == status})
    return _content(f"One of: {', '.join(codes)}.", ErrorResponse.__name__)


def _content(description: str, model: str) -> Json:
    """JSON of one model."""
    schema = {"$ref": _SCHEMAS.format(model=model)}
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def rendered() -> str:
    """The document in the form that is stored in the repository."""
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(rendered())
