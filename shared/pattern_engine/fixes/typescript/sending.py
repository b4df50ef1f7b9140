"""Sending what a TypeScript fix fetches: each request is checked, and gets the secrets of its host.

The rules are those of an api_call: https to an approved host, whose addresses are looked up once
and are all public. The script sees no secret: a header that is named for a host is added here, and
what the host reflects of it is masked. A method other than GET and HEAD is sent only if the
analysis found it in the script, so that the approver has seen it.

A rehearsal checks in the same way and sends nothing: each request is answered by an empty object.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from pattern_engine.fixes.connection import (
    MAX_BODY_BYTES,
    Answer,
    LostError,
    NotSentError,
    StoppedError,
    Wire,
)
from pattern_engine.fixes.headers import (
    is_reserved,
    is_sendable,
    names_credential,
    secret_header,
)
from pattern_engine.fixes.redirects import MAX_REDIRECTS, RedirectError, is_redirect, redirected
from pattern_engine.fixes.reflections import Reflections
from pattern_engine.fixes.typescript import hosts
from pattern_engine.fixes.urls import AllowedHosts, Place, RefusedUrlError, read_sent_url

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from pattern_engine.fixes.addresses import Network
    from pattern_engine.fixes.execution import Job

MAX_CALLS: Final = 100
"""The most requests of one run, redirects included."""
MAX_AT_ONCE: Final = 8
MAX_HEAD_BYTES: Final = 64 * 1024
_SAFE: Final = frozenset({"GET", "HEAD"})
_METHODS: Final = _SAFE | {"POST", "PUT", "PATCH", "DELETE"}
#: Of a host with secrets these would fetch parts of an answer, in which no secret is recognised.
_PARTS: Final = frozenset({"range", "if-range"})
#: What describes the connection to the host, or the body as it was sent there.
_NOT_PASSED_ON: Final = frozenset(
    {
        *("connection", "keep-alive", "transfer-encoding", "content-length", "content-encoding"),
        *("trailer", "upgrade", "proxy-authenticate", "proxy-connection", "alt-svc"),
    }
)


class RefusedRequestError(Exception):
    """A request that is not sent, or has no answer that the script may see."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a script fetches."""

    url: str
    method: str
    headers: tuple[tuple[str, str], ...] = ()
    content: bytes = b""
    redirect: str = "follow"
    """As in the option of fetch: follow, error or manual."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What the script gets."""

    status: int
    url: str
    redirected: bool
    headers: tuple[tuple[str, str], ...]
    content: bytes


@dataclass
class Sender:
    """Sends the requests of one run; several threads may use it at once."""

    job: Job
    allowed: AllowedHosts
    methods: Callable[[], Collection[str]]
    """Tells which methods the analysis has found in the script, so that the approver saw them."""
    networks: Collection[Network]
    wire: Wire | None = None
    """None in a rehearsal, which sends nothing."""
    rehearsed: list[dict[str, object]] = field(default_factory=list)
    """What a rehearsal did not send: method, url and the names of the headers."""
    refused: list[str] = field(default_factory=list)
    """Why requests were not sent or had no answer."""

    def __post_init__(self) -> None:
        self._named = hosts.secret_headers(self.job.parameters, self.allowed)
        self._reflections = Reflections(secret.value for secret in self.job.secrets.values())
        self._at_once = threading.BoundedSemaphore(MAX_AT_ONCE)
        self._counting = threading.Lock()
        self._calls = 0

    def require_secrets(self) -> None:
        """Make sure that every secret can be sent, before the script begins.

        Raises:
            UnsendableError: if one is missing or is not granted for its host.
        """
        for host, named in self._named.items():
            for given in named.values():
                place = read_sent_url(f"https://{host}/", self.networks)
                secret_header(given, self.job.secrets, place, self.networks)

    def masked(self, text: str) -> str:
        """Return a text without the secrets of the run."""
        return self._reflections.masked(text)

    def send(self, request: Request) -> Reply:
        """Send one request of the script, with its redirects.

        Raises:
            RefusedRequestError: if it is not allowed, or gets no answer within the limits.
        """
        try:
            with self._at_once:
                return self._reply(request)
        except StoppedError as stop:
            problem = "the time of the run is over"
            if stop.limit == "output":
                problem = f"an answer has more than {self.job.limits.max_answer_bytes} bytes"
        except (RefusedUrlError, RedirectError, NotSentError, LostError) as refusal:
            problem = str(refusal)
        except RefusedRequestError as refusal:
            problem = str(refusal)
        problem = self.masked(problem)
        self.refused.append(problem)
        raise RefusedRequestError(problem)

    def _reply(self, request: Request) -> Reply:
        place = read_sent_url(request.url, self.networks)
        if place not in self.allowed:
            raise RefusedRequestError(
                f"{place.authority} is not allowed: name it in the parameter allowed_hosts"
            )
        self._check(request, place)
        named = self._secrets_of(place)
        for hop in range(MAX_REDIRECTS + 1):
            answer = self._answer(request, place, named)
            if request.redirect == "manual" or not is_redirect(answer):
                return self._shown(answer, place, redirected=hop > 0)
            if request.redirect == "error":
                raise RedirectError("the host answers with a redirect")
            following = redirected(place, answer, self.allowed, self.networks)
            is_same = following.authority == place.authority
            request = _followed(request, answer, is_same=is_same)
            # A host decides where its redirects lead, so it gets no secret sent there.
            named = named if is_same else {}
            place = following
        raise RedirectError(f"the request was redirected more than {MAX_REDIRECTS} times")

    def _check(self, request: Request, place: Place) -> None:
        """Refuse a method, header or body that may not be sent."""
        if request.method not in _METHODS:
            raise RefusedRequestError(f"the method {request.method!r} is not allowed")
        if request.method not in _SAFE and request.method not in self.methods():
            raise RefusedRequestError(
                f"the analysis found no {request.method} in the script: "
                "write the method of fetch as a text"
            )
        if len(request.content) > MAX_BODY_BYTES:
            size = len(request.content)
            raise RefusedRequestError(f"the body has {size} bytes; the limit is {MAX_BODY_BYTES}")
        has_secrets = bool(self._secrets_of(place))
        for name, value in request.headers:
            if is_reserved(name) or (has_secrets and name.lower() in _PARTS):
                raise RefusedRequestError(f"the header {name} may not be set by a script")
            if not is_sendable(name, value):
                raise RefusedRequestError(f"the header {name!r} cannot be sent")

    def _secrets_of(self, place: Place) -> Mapping[str, Mapping[str, str]]:
        return self._named.get(self.allowed.entry(place) or "", {})

    def _answer(
        self, request: Request, place: Place, named: Mapping[str, Mapping[str, str]]
    ) -> Answer:
        """Send one request with the secrets that are named for its headers."""
        with self._counting:
            self._calls += 1
            if self._calls > MAX_CALLS:
                raise RefusedRequestError(f"a run may send {MAX_CALLS} requests")
        replaced = {name.lower() for name in named}
        own = {name: value for name, value in request.headers if name.lower() not in replaced}
        if self.wire is None:
            return self._rehearse(request, place, sorted({*own, *named}))
        secret = {
            name: secret_header(given, self.job.secrets, place, self.networks)
            for name, given in named.items()
        }
        given = {name.lower() for name in own}
        defaults = {"Accept": "*/*", "User-Agent": "pattern-engine"}
        headers = {name: text for name, text in defaults.items() if name.lower() not in given}
        has_content = request.content or request.method not in _SAFE
        return self.wire.send(
            place,
            request.method,
            headers | {name: value.encode("latin-1") for name, value in own.items()} | secret,
            request.content if has_content else None,
        )

    def _rehearse(self, request: Request, place: Place, names: list[str]) -> Answer:
        self.rehearsed.append({"method": request.method, "url": place.url, "headers": names})
        fields = (("Content-Type", "application/json"),)
        return Answer(200, {"content-type": "application/json"}, fields, b"{}")

    def _shown(self, answer: Answer, place: Place, *, redirected: bool) -> Reply:
        """Return an answer as the script may see it, without the secrets that a host reflects."""
        encoding = answer.headers.get("content-encoding", "identity").strip().lower()
        if encoding != "identity":
            raise RefusedRequestError(
                f"{place.authority} compressed its answer, although it was asked not to"
            )
        if not 200 <= answer.status <= 599:
            raise RefusedRequestError(f"{place.authority} answered with status {answer.status}")
        return Reply(
            status=answer.status,
            url=self.masked(place.url),
            redirected=redirected,
            headers=tuple(
                (self.masked(name), self.masked(value))
                for name, value in answer.fields
                if name.lower() not in _NOT_PASSED_ON
            ),
            content=self._reflections.masked_bytes(answer.body),
        )


def _followed(request: Request, answer: Answer, *, is_same: bool) -> Request:
    """Return the request that follows a redirect, as fetch makes it.

    Only a request without a body is sent elsewhere. Another host gets none of the credentials that
    the script has set.
    """
    if request.method not in _SAFE:
        if answer.status != 303 and (request.method, answer.status) not in (
            ("POST", 301),
            ("POST", 302),
        ):
            raise RedirectError(f"a redirect of a {request.method} is not followed")
        kept = [one for one in request.headers if not one[0].lower().startswith("content-")]
        request = replace(request, method="GET", content=b"", headers=tuple(kept))
    if is_same:
        return request
    kept = [one for one in request.headers if not names_credential(one[0])]
    return replace(request, headers=tuple(kept))
