"""The request that is sent: a prepared script with the values of the error and of Vault."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode

from pattern_engine.fixes.connection import MAX_BODY_BYTES
from pattern_engine.fixes.headers import header_text, is_form, secret_header
from pattern_engine.fixes.references import UnsendableError, is_secret, with_error
from pattern_engine.fixes.reflections import MASK
from pattern_engine.fixes.urls import Place, read_url

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from pattern_engine.fixes.addresses import Network
    from pattern_engine.fixes.execution import Job

MAX_QUERY_CHARACTERS: Final = 1024
"""The most characters of one value in the query."""
_JSON: Final = "application/json"


@dataclass(frozen=True, slots=True)
class Call:
    """One request, ready to send. Its secrets stay out of its repr."""

    method: str
    place: Place
    headers: Mapping[str, str]
    secret_headers: Mapping[str, str] = field(repr=False)
    """The headers with secrets, which are sent only to the host of the approved URL."""
    body: Any
    content: bytes | None
    expected: frozenset[int]
    """The statuses that mean success; if empty, 200 to 299."""

    def expects(self, status: int) -> bool:
        """Tell whether a status means success."""
        return status in self.expected if self.expected else 200 <= status <= 299


def built(script: str, job: Job, networks: Collection[Network] = ()) -> Call:
    """Build the request of a prepared script.

    Raises:
        UnsendableError: if the error or Vault lacks a value, or the body is too large.
    """
    return _built(
        script,
        job,
        networks,
        lambda given, place: secret_header(given, job.secrets, place, networks),
    )


def plan(script: str, job: Job, networks: Collection[Network] = ()) -> dict[str, Any]:
    """Return the request of a dry-run, without reading any secret.

    Raises:
        UnsendableError: if the error lacks a value, or the body is too large.
    """
    call = _built(script, job, networks, lambda given, _: given.get("prefix", "") + MASK)
    return {
        "method": call.method,
        "url": call.place.url,
        "headers": {**call.headers, **call.secret_headers},
        "body": call.body,
    }


def _built(
    script: str,
    job: Job,
    networks: Collection[Network],
    secret: Callable[[Mapping[str, str], Place], str],
) -> Call:
    request = json.loads(script)
    place = _place(request, job, networks)
    method, given = request["method"], request.get("headers", {})
    body = with_error(request.get("body"), job.error)
    content, content_type = _encoded(body, given)
    if content and len(content) > MAX_BODY_BYTES:
        raise UnsendableError(
            f"the body has {len(content)} bytes with this error; the limit is {MAX_BODY_BYTES}"
        )
    headers = {"Accept": "*/*", "User-Agent": "pattern-engine"}
    if content_type:
        headers["Content-Type"] = content_type
    if method != "GET":
        headers["Idempotency-Key"] = job.application_id
    own = {
        name: text
        for name, value in given.items()
        if not is_secret(value) and (text := header_text(with_error(value, job.error)))
    }
    replaced = {name.lower() for name, value in given.items() if name in own or is_secret(value)}
    return Call(
        method=method,
        place=place,
        headers={name: text for name, text in headers.items() if name.lower() not in replaced}
        | own,
        secret_headers={
            name: secret(value, place) for name, value in given.items() if is_secret(value)
        },
        body=body,
        content=content,
        expected=frozenset(request.get("expect_status", ())),
    )


def _place(request: Mapping[str, Any], job: Job, networks: Collection[Network]) -> Place:
    place = read_url(request["url"], networks)
    given = with_error(request.get("query", {}), job.error)
    if not given:
        return place
    fields = {name: _field(value)[:MAX_QUERY_CHARACTERS] for name, value in given.items()}
    pairs = urlencode(fields, quote_via=quote, errors="replace")
    joint = "&" if "?" in place.target else "?"
    return Place(place.host, place.port, f"{place.target}{joint}{pairs}")


def _encoded(body: object, headers: Mapping[str, object]) -> tuple[bytes | None, str | None]:
    """Return a body as bytes, and its media type unless the headers contain it.

    A string is sent as it is, an object as a form if the headers say so, anything else as JSON.
    """
    if body is None:
        return None, None
    if isinstance(body, str):
        return body.encode(errors="replace"), "text/plain; charset=utf-8"
    if is_form(headers) and isinstance(body, dict):
        fields = {name: _field(value) for name, value in body.items()}
        return urlencode(fields, errors="replace").encode(), None
    return json.dumps(body, separators=(",", ":")).encode(), _JSON


def _field(value: object) -> str:
    """Return a value as the text of a form's field."""
    return value if isinstance(value, str) else json.dumps(value)
