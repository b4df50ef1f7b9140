"""The view of the function `console`: assets, signing in, and the pages of a signed-in person.

A form that arrives after the session has ended is not lost: the page that asks the person to sign
in carries its fields, and offers to send it afterwards.
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flask import Response as FlaskResponse

from pattern_engine import logs
from pattern_engine.console import assets, own_forms, rendering, routes
from pattern_engine.console.sign_in import SignIn
from pattern_engine.console.signed_in import NOTICE, Session, Sessions, notice_of
from pattern_engine.console.visits import Answer, Go, Unchanged, Visit
from pattern_engine.console.website import Site
from pattern_engine.exceptions import Forbidden, PatternEngineError, UnknownEndpoint
from pattern_engine.serving import bodies, serve

if TYPE_CHECKING:
    from flask import Request as FlaskRequest

METHODS = ("GET", "HEAD", "POST")
_LEAST_TO_COMPRESS = 500
_A_YEAR = "public, max-age=31536000, immutable"
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def console() -> serve.View:
    """Return the view of the whole site.

    Raises:
        ConfigurationError: if a setting is wrong or the libraries of the pages are missing.
    """
    assets.all_assets()
    site = Site.at(serve.runtime().settings.console_url)
    server = Server(site, Sessions(serve.runtime().settings, site))

    def view(request: FlaskRequest) -> FlaskResponse:
        return serve.answer(request, "console", METHODS, server.answer, HEADERS)

    return view


@dataclass(frozen=True, slots=True)
class Server:
    """Answers the requests of browsers."""

    site: Site
    sessions: Sessions

    def answer(self, request: FlaskRequest, facts: serve.Facts) -> FlaskResponse:
        """Answer one request; what went wrong is told in a page, too."""
        path = self.site.path_of(request.path)
        if path.startswith("/assets/"):
            return _asset(request, path.removeprefix("/assets/"))
        try:
            return self._dispatch(request, path, facts)
        except Exception as problem:  # noqa: BLE001  told in a page, too
            return self._problem(request, serve.known(problem, facts))

    def _dispatch(self, request: FlaskRequest, path: str, facts: serve.Facts) -> FlaskResponse:
        if request.method == "POST":
            bodies.load(request)
            request.max_form_memory_size = bodies.MAX_BODY_BYTES
            own_forms.require_own(request, self.site)
        sign_in = SignIn(self.sessions, self.site, self._html)
        response = sign_in.answer(request, path)
        if response is not None:
            return response
        session = self.sessions.read(request)
        if session is None:
            return sign_in.ask(request, path)
        facts.update(caller=session.caller.kind, user_id=session.caller.user_id)
        response = self._as_person(request, path, session, facts)
        if session.renewed:
            self.sessions.keep(response, session.renewed)
        return response

    def _as_person(
        self, request: FlaskRequest, path: str, session: Session, facts: serve.Facts
    ) -> FlaskResponse:
        shared = serve.runtime()
        if path == "/sign-out" and request.method == "POST":
            own_forms.require_token(request, shared.settings.secret_key, session.session_id)
            self.sessions.auth.sign_out_everywhere(session.caller.token or "")
            response = self._redirect(request, "/sign-in")
            self.sessions.forget(response)
            return response
        if path == "/mark":
            return self._mark(request, session)
        handler, named = routes.find(request.method, path)
        if request.method == "POST":
            own_forms.require_token(request, shared.settings.secret_key, session.session_id)
        visit = Visit(
            caller=session.caller,
            database=shared.database,
            settings=shared.settings,
            frame=shared.database.ask("console_frame_v1", {}, session.caller),
            query=dict(request.args.lists()),
            form=dict(request.form.lists()),
            is_fragment="hx-request" in request.headers,
        )
        try:
            return self._answered(request, handler(visit, **named), visit, session)
        except Exception as problem:  # noqa: BLE001  the frame of the page is there all the same
            return self._problem(request, serve.known(problem, facts), visit, session)

    def _mark(self, request: FlaskRequest, session: Session) -> FlaskResponse:
        """Tell an open page whether it is out of date; this is asked every few seconds."""
        mark = serve.runtime().database.ask("console_mark_v1", {}, session.caller)
        if mark == request.args.get("since"):
            return FlaskResponse(status=204)
        return FlaskResponse(str(mark), mimetype="text/plain")

    def _answered(
        self, request: FlaskRequest, answer: Answer, visit: Visit, session: Session
    ) -> FlaskResponse:
        if isinstance(answer, Unchanged):
            return FlaskResponse(status=204)
        if isinstance(answer, Go):
            response = self._redirect(request, answer.path)
            self.sessions.note(response, answer.notice)
            return response
        notice = "" if visit.is_fragment else notice_of(request)
        values = answer.values | self._around(visit, session) | {"notice": notice}
        response = self._html(request, answer.template, values, answer.status)
        if notice or (NOTICE in request.cookies and not visit.is_fragment):
            self.sessions.note(response, "")
        return response

    def _around(self, visit: Visit, session: Session) -> dict[str, Any]:
        """What the templates need beside the values of their page."""
        secret = visit.settings.secret_key
        return {
            "visit": visit,
            "frame": visit.frame,
            "csrf": own_forms.token(secret, session.session_id),
        }

    def _problem(
        self,
        request: FlaskRequest,
        problem: PatternEngineError,
        visit: Visit | None = None,
        session: Session | None = None,
    ) -> FlaskResponse:
        """Tell in a page, or in the part of one that was asked for, what went wrong."""
        values: dict[str, Any] = {"problem": problem, "notice": ""}
        values |= self._around(visit, session) if visit and session else {"visit": None}
        is_outsider = isinstance(problem, Forbidden) and visit is None
        template = "outsider.html" if is_outsider else "problem.html"
        values["is_fragment"] = "hx-request" in request.headers
        values["request_id"] = logs.request_id.get()
        response = self._html(request, template, values, problem.status)
        if problem.retry_after_seconds is not None:
            response.headers["Retry-After"] = str(problem.retry_after_seconds)
        return response

    def _html(
        self, request: FlaskRequest, template: str, values: dict[str, Any], status: int = 200
    ) -> FlaskResponse:
        text = rendering.render(template, values, self.site.url)
        response = FlaskResponse(text, status, mimetype="text/html")
        response.headers["Vary"] = "HX-Request"
        return _compressed(request, response)

    def _redirect(self, request: FlaskRequest, path: str) -> FlaskResponse:
        """Send the browser to a page; htmx follows only its own header without showing the page."""
        where = self.site.url(path)
        if "hx-request" in request.headers:
            return FlaskResponse(status=200, headers={"HX-Redirect": where})
        return FlaskResponse(status=303, headers={"Location": where})


def _asset(request: FlaskRequest, name: str) -> FlaskResponse:
    found = assets.find(name)
    if found is None:
        raise UnknownEndpoint(f"There is no file {name}.")
    headers = {"Cache-Control": _A_YEAR, "Vary": "Accept-Encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers["Content-Encoding"] = "gzip"
        return FlaskResponse(found.compressed, headers=headers, content_type=found.kind)
    return FlaskResponse(found.content, headers=headers, content_type=found.kind)


def _compressed(request: FlaskRequest, response: FlaskResponse) -> FlaskResponse:
    """Compress a page for a browser that accepts it."""
    content = response.get_data()
    response.headers.add("Vary", "Accept-Encoding")
    if len(content) >= _LEAST_TO_COMPRESS and "gzip" in request.headers.get("accept-encoding", ""):
        response.set_data(gzip.compress(content, 5, mtime=0))
        response.headers["Content-Encoding"] = "gzip"
    return response
