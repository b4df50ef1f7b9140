"""All endpoints behind one path, and their description."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pattern_engine.serving import endpoints, openapi

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from tests.http.conftest import Load, Wire

ROOT = Path(__file__).resolve().parents[3]
NAMES = [endpoint.name for endpoint in endpoints.ALL]


@pytest.fixture
def analyzer(load: Load) -> FlaskClient:
    """The function that serves them all."""
    return load("pattern_analyzer")


@pytest.mark.parametrize("mount", ["", "/pattern-analyzer", "/functions/v1/pattern-analyzer"])
@pytest.mark.parametrize("name", NAMES)
def test_every_endpoint_is_served(analyzer: FlaskClient, mount: str, name: str) -> None:
    """Whether or not a gateway took the prefix off, and with a slash at the end or without."""
    endpoint = next(one for one in endpoints.ALL if one.name == name)
    for path in (f"{mount}/{name}", f"{mount}/{name}/"):
        allowed = analyzer.options(path).headers["Allow"]
        assert allowed == ", ".join(endpoint.methods)


def test_the_handlers_are_those_of_the_functions(
    analyzer: FlaskClient, wire: Wire, engine: dict[str, str], load: Load
) -> None:
    """The same request gets the same answer at both addresses."""
    wire.replies["statistics_v1"] = {"wrong": True}
    headers = {**engine, "x-request-id": "same"}
    below = analyzer.get("/pattern-analyzer/statistics", headers=headers)
    alone = load("statistics").get("/", headers=headers)
    assert (below.status_code, below.data) == (alone.status_code, alone.data)


@pytest.mark.parametrize("path", ["/", "/nothing", "/pattern-analyzer", "/learn/x", "/LEARN"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_other_paths_are_unknown(analyzer: FlaskClient, wire: Wire, path: str, method: str) -> None:
    """A 404 in the one shape of errors lists what there is."""
    answer = analyzer.open(path, method=method)
    assert answer.status_code == 404
    error = answer.get_json()["error"]
    assert error["code"] == "unknown_endpoint"
    assert error["details"]["endpoints"] == sorted([*NAMES, "openapi.json"])
    assert wire.names == []


def test_the_description_is_served(analyzer: FlaskClient) -> None:
    """The OpenAPI document is open to everyone, browsers of allowed origins included."""
    answer = analyzer.get("/pattern-analyzer/openapi.json", headers={"Origin": "https://app.test"})
    assert answer.status_code == 200
    assert answer.get_json() == openapi.document()
    assert answer.headers["Access-Control-Allow-Origin"] == "https://app.test"


def test_the_kept_description_is_current() -> None:
    """`python -m pattern_engine.serving.openapi > docs/reference/openapi.json` after a change."""
    kept = (ROOT / "docs" / "reference" / "openapi.json").read_text(encoding="utf-8")
    assert kept == openapi.rendered()


def references(value: Any) -> set[str]:
    """Every schema that a document refers to."""
    if isinstance(value, dict):
        own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return own.union(*map(references, value.values()))
    return set().union(*map(references, value)) if isinstance(value, list) else set()


def test_the_description_is_complete() -> None:
    """Every endpoint with its method, body, callers, refusals; every reference leads somewhere."""
    document = openapi.document()
    assert document["openapi"] == "3.1.0"
    assert list(document["paths"]) == [f"/{name}" for name in NAMES]
    for endpoint in endpoints.ALL:
        operation = document["paths"][f"/{endpoint.name}"][endpoint.method.lower()]
        assert ("requestBody" in operation) == endpoint.takes_body
        assert bool(operation["security"]) == bool(endpoint.admits)
        assert {"200", "405", "500", "503"} <= set(operation["responses"])
    schemas = document["components"]["schemas"]
    for reference in references(document):
        assert reference.removeprefix("#/components/schemas/") in schemas


def test_requests_are_described_as_strict() -> None:
    """No further fields, and the limits are in the document."""
    learn = openapi.document()["components"]["schemas"]["LearnRequest"]
    assert learn["additionalProperties"] is False
    assert learn["required"] == ["error_message"]
    assert json.dumps(learn["properties"]["severity"]["anyOf"][0]["enum"]) == json.dumps(
        ["debug", "info", "warning", "error", "critical"]
    )


def test_every_function_reads_like_a_sentence() -> None:
    """Parse, one call into the core, answer: a function's file stays under forty lines."""
    files = sorted((ROOT / "functions").glob("*/main.py"))
    assert {file.parent.name for file in files} == {*NAMES, "pattern_analyzer", "console"}
    for file in files:
        assert len(file.read_text(encoding="utf-8").splitlines()) < 40
