"""All endpoints behind one function, below the specification's base path `pattern-analyzer`.

Each handler is loaded from the `main.py` of its own function, so both ways of deployment run the
same code.
"""

from __future__ import annotations

import importlib.util
import json
from typing import TYPE_CHECKING, cast

from flask import Response as FlaskResponse

from pattern_engine.exceptions import UnknownEndpoint
from pattern_engine.serving import endpoints, serve

if TYPE_CHECKING:
    from pathlib import Path

    from flask import Request as FlaskRequest

DOCUMENT = "openapi.json"


def router(folder: Path) -> serve.View:
    """Return a view that serves the functions in a folder, and the OpenAPI document.

    It routes by the last segment of the path, because some gateways remove the base path
    `/functions/v1/pattern-analyzer` and others keep it.
    """
    views = {endpoint.name: _load(folder, endpoint.name) for endpoint in endpoints.ALL}
    views[DOCUMENT] = _document

    def route(request: FlaskRequest) -> FlaskResponse:
        name = request.path.rstrip("/").rpartition("/")[2]
        view = views.get(name)
        return view(request) if view else _unknown(request, sorted(views))

    return route


def _load(folder: Path, name: str) -> serve.View:
    """The `main` of the function of this name."""
    path = folder / name / "main.py"
    spec = importlib.util.spec_from_file_location(f"functions_{name}", path)
    if spec is None or spec.loader is None:
        raise FileNotFoundError(path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return cast("serve.View", module.main)


def _document(request: FlaskRequest) -> FlaskResponse:
    """Answer the OpenAPI document."""

    def work(_request: FlaskRequest, _facts: serve.Facts) -> FlaskResponse:
        from pattern_engine.serving import openapi  # noqa: PLC0415  slow to build, rarely needed

        return FlaskResponse(json.dumps(openapi.document()), mimetype="application/json")

    return serve.answer(request, DOCUMENT, ("GET", "HEAD", "OPTIONS"), work)


def _unknown(request: FlaskRequest, known: list[str]) -> FlaskResponse:
    """Answer that there is no such endpoint, with the list of endpoints."""

    def work(request: FlaskRequest, _facts: serve.Facts) -> FlaskResponse:
        raise UnknownEndpoint(
            f"There is no endpoint at {request.path}; the endpoints are: {', '.join(known)}.",
            details={"endpoints": known},
        )

    return serve.answer(request, "(unknown)", (request.method,), work)
