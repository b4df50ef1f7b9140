"""Running an api_call: one request, its redirects and retries, within one time limit.

A request is sent again only if that cannot repeat its effect: no part of it was sent, its method is
idempotent (RFC 9110, section 9.2.2), or the approval says that the server honours the header
Idempotency-Key, which is the same for all attempts.
"""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

from pattern_engine.fixes.api_call.analysis import BODILESS, analyse
from pattern_engine.fixes.api_call.request import built, plan
from pattern_engine.fixes.api_call.response import shown_body
from pattern_engine.fixes.connection import (
    Answer,
    Bounds,
    LostError,
    NotSentError,
    Resolve,
    StoppedError,
    Wire,
    system_addresses,
    trusted,
)
from pattern_engine.fixes.execution import Outcome
from pattern_engine.fixes.redirects import MAX_REDIRECTS, RedirectError, is_redirect, redirected
from pattern_engine.fixes.references import UnsendableError
from pattern_engine.fixes.reflections import Reflections
from pattern_engine.fixes.retries import PAUSES_SECONDS
from pattern_engine.fixes.urls import AllowedHosts

if TYPE_CHECKING:
    from collections.abc import Collection

    from pattern_engine.fixes.addresses import Network
    from pattern_engine.fixes.api_call.request import Call
    from pattern_engine.fixes.execution import Job
    from pattern_engine.settings import Facilities

_TEMPORARY: Final = frozenset({429, 502, 503, 504})
_IDEMPOTENT: Final = frozenset({"GET", "PUT", "DELETE"})


class ApiCall:
    """Runs fixes of type api_call."""

    def __init__(self, facilities: Facilities, resolve: Resolve = system_addresses) -> None:
        self._networks = facilities.api_networks
        self._ca_file = facilities.api_ca_file
        self._resolve = resolve

    def plan(self, job: Job) -> Outcome:
        """Return the request of a dry-run: the output has method, url, headers and body."""
        script = self._prepared(job)
        if isinstance(script, Outcome):
            return script
        try:
            return Outcome(True, plan(script, job, self._networks), started=False)
        except UnsendableError as problem:
            return _not_started(str(problem))

    def unavailable(self) -> str | None:
        """Return None: a request needs nothing but this process."""
        return None

    def run(self, job: Job) -> Outcome:
        """Send the request; the output has status and body."""
        bounds = Bounds(job.limits.timeout_ms, job.limits.max_output_bytes)
        script = self._prepared(job)
        if isinstance(script, Outcome):
            return script
        try:
            call = built(script, job, self._networks)
            wire = Wire(bounds, self._resolve, self._networks, trusted(self._ca_file))
        except UnsendableError as problem:
            return _not_started(str(problem))
        except OSError:
            return _not_started(f"the file of trusted certificates {self._ca_file} cannot be read")
        return self._sent(call, job, wire, bounds)

    def _prepared(self, job: Job) -> str | Outcome:
        """Analyse the script again; return the prepared script, or the outcome of its refusal."""
        analysis = analyse(job.script, job.parameters, self._networks)
        if analysis.findings:
            return _not_started(f"the request is refused: {analysis.findings[0].message}")
        return analysis.prepared_script

    def _sent(self, call: Call, job: Job, wire: Wire, bounds: Bounds) -> Outcome:
        output, error, stopped = None, None, None
        secrets = Reflections(secret.value for secret in job.secrets.values())
        try:
            answer = _Tries(call, job, wire, bounds, self._networks).answer()
        except StoppedError as stop:
            stopped = stop.limit
            error = (
                f"the request did not end within {job.limits.timeout_ms} ms"
                if stopped == "time"
                else f"the answer has more than {bounds.max_bytes} bytes"
            )
        except (NotSentError, LostError, RedirectError) as problem:
            error = str(problem)
        else:
            body = shown_body(answer, secrets, bounds.max_bytes)
            output = {"status": answer.status, "body": body}
            if not call.expects(answer.status):
                error = f"the server answered {answer.status} instead of {_expected(call)}"
        return Outcome(
            success=error is None,
            output=output,
            duration_ms=bounds.spent_ms(),
            error=error and secrets.masked(error),
            stopped=stopped,
            started=wire.has_sent,
        )


def _not_started(error: str) -> Outcome:
    return Outcome(success=False, error=error, started=False)


def _expected(call: Call) -> str:
    return " or ".join(map(str, sorted(call.expected))) or "2xx"


class _Tries:
    """The attempts to send one request."""

    def __init__(
        self, call: Call, job: Job, wire: Wire, bounds: Bounds, networks: Collection[Network]
    ) -> None:
        self._call = call
        self._wire = wire
        self._bounds = bounds
        self._networks = networks
        self._allowed = AllowedHosts(job.parameters.get("allowed_hosts"), networks)
        self._max_retries = job.limits.max_retries
        self._is_repeatable = call.method in _IDEMPOTENT or job.parameters.get("idempotent") is True

    def answer(self) -> Answer:
        """Send the request until it is answered, with as many retries as allowed.

        Raises:
            NotSentError, LostError, StoppedError, RedirectError: from the last attempt.
        """
        for pause in PAUSES_SECONDS[: self._max_retries]:
            try:
                answer = self._follow()
            except NotSentError as problem:
                if problem.is_final or not self._bounds.pause(pause):
                    raise
            except LostError:
                if not self._is_repeatable or not self._bounds.pause(pause):
                    raise
            else:
                if not self._may_change(answer) or not self._bounds.pause(
                    max(pause, _retry_after(answer))
                ):
                    return answer
        return self._follow()

    def _may_change(self, answer: Answer) -> bool:
        """Tell whether the request may be sent again, and may get another answer."""
        is_temporary = answer.status in _TEMPORARY and not self._call.expects(answer.status)
        return self._is_repeatable and is_temporary

    def _follow(self) -> Answer:
        """Send the request; a GET follows redirects, and sends no secrets to another host."""
        call = self._call
        place, headers = call.place, {**call.headers, **call.secret_headers}
        for _ in range(MAX_REDIRECTS + 1):
            answer = self._wire.send(place, call.method, headers, call.content)
            if not self._is_redirect(answer):
                return answer
            following = redirected(place, answer, self._allowed, self._networks)
            if following.authority != place.authority:
                headers = dict(call.headers)
            place = following
        raise RedirectError(f"the request was redirected more than {MAX_REDIRECTS} times")

    def _is_redirect(self, answer: Answer) -> bool:
        return (
            self._call.method == BODILESS
            and is_redirect(answer)
            and answer.status not in self._call.expected
        )


def _retry_after(answer: Answer) -> float:
    """Return the seconds of the header Retry-After, a number or a date; 0 without it."""
    text = answer.headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return 0.0
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
