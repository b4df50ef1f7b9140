"""The request that is sent: a prepared script, with what the error and the Vault say put in."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode

from pattern_engine.fixes.api_call.headers import header_text, is_form
from pattern_engine.fixes.api_call.references import UnsendableError, is_secret, with_error
from pattern_engine.fixes.urls import Place, read_url

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from pattern_engine.fixes.addresses import Network
    from pattern_engine.fixes.execution import Job

__all__ = ["MASK", "Call", "UnsendableError", "built", "plan"]

MASK: Final = "[secret]"
MAX_QUERY_CHARACTERS: Final = 1024
"""Of one value that the error gives to the query."""
MAX_BODY_BYTES: Final = 1024 * 1024
_JSON: Final = "application/json"


@dataclass(frozen=True, slots=True)
class Call:
    """One request, ready to send. Its secrets stay out of its repr."""

    method: str
    place: Place
    headers: Mapping[str, str]
    secret_headers: Mapping[str, str] = field(repr=False)
    """Those that hold secrets, apart: they go to the host that was approved and no other."""
    body: Any
    content: bytes | None
    expected: frozenset[int]
    """Statuses that mean success; empty for any from 200 to 299."""

    def expects(self, status: int) -> bool:
        """Whether a status means success."""
        return status in self.expected if self.expected else 200 <= status <= 299


def built(script: str, job: Job, networks: Collection[Network] = ()) -> Call:
    """Build the request of a prepared script.

    Raises:
        UnsendableError: with what the error or the Vault does not have.
    """
    return _built(script, job, networks, lambda name: _secret(job.secrets, name))


def plan(script: str, job: Job, networks: Collection[Network] = ()) -> dict[str, Any]:
    """Say what would be called, for a dry-run; secrets are not even read.

    Raises:
        UnsendableError: with what the error does not have.
    """
    call = _built(script, job, networks, lambda _: MASK)
    return {
        "method": call.method,
        "url": call.place.url,
        "headers": {**call.headers, **call.secret_headers},
        "body": call.body,
    }


def _built(
    script: str, job: Job, networks: Collection[Network], secret: Callable[[str], str]
) -> Call:
    request = json.loads(script)
    method, given = request["method"], request.get("headers", {})
    body = with_error(request.get("body"), job.error)
    content, content_type = _encoded(body, given)
    if content and len(content) > MAX_BODY_BYTES:
        raise UnsendableError(
            f"the body has {len(content)} bytes with this error, {MAX_BODY_BYTES} are allowed"
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
        place=_place(request, job, networks),
        headers={name: text for name, text in headers.items() if name.lower() not in replaced}
        | own,
        secret_headers={
            name: value.get("prefix", "") + secret(value["secret"])
            for name, value in given.items()
            if is_secret(value)
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
    """Return a body as bytes, and what they are unless the headers say it.

    A text goes as it is, an object as a form where the headers say so; the rest is JSON.
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
    """Return a value as a form has it, which knows nothing but text."""
    return value if isinstance(value, str) else json.dumps(value)


def _secret(secrets: Mapping[str, str], name: str) -> str:
    # A line break at the end comes with every file that a secret was pasted from.
    value = secrets.get(name, "").strip()
    if not value:
        raise UnsendableError(f"the Vault holds no secret {name}")
    if not value.isascii() or not value.isprintable():
        raise UnsendableError(f"the secret {name} holds what no header can carry")
    return value
