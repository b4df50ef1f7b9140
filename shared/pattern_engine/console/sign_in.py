"""The pages to sign in: by password, or by the code or the link of a mail."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from flask import Response as FlaskResponse

from pattern_engine.console import own_forms
from pattern_engine.exceptions import SignInFailed
from pattern_engine.serving import serve

if TYPE_CHECKING:
    from flask import Request as FlaskRequest

    from pattern_engine.console.auth_api import Tokens
    from pattern_engine.console.signed_in import Sessions
    from pattern_engine.console.website import Site

_PATH = "/sign-in"
_KEPT = "kept:"
"""Before the names of the fields of a form that waits for its sender to sign in again."""
_PAGE = re.compile(r"/(?![/\\])[!-~]*")
"""A path below the console; what a browser would read as another host is none."""
_NEVER_KEPT = frozenset({own_forms.FIELD})


class Html(Protocol):
    """Makes a page of a template."""

    def __call__(
        self, request: FlaskRequest, template: str, values: dict[str, Any], status: int = 200
    ) -> FlaskResponse:
        """Return the answer with the page."""


@dataclass(frozen=True, slots=True)
class SignIn:
    """Answers whatever needs no session."""

    sessions: Sessions
    site: Site
    html: Html

    def answer(self, request: FlaskRequest, path: str) -> FlaskResponse | None:
        """Answer a request of the pages to sign in; None if it is for another page."""
        if path != _PATH and not path.startswith(f"{_PATH}/"):
            return None
        if request.method != "POST":
            return self._page(request, _waiting(request))
        waiting = _waiting(request)
        if path == f"{_PATH}/mail":
            self.sessions.auth.send_code(waiting["email"])
            return self._page(request, waiting | {"mail_sent": True})
        try:
            tokens = self._tokens(request, path, waiting["email"])
        except SignInFailed as problem:
            values = waiting | {"mail_sent": path == f"{_PATH}/code"}
            return self._page(request, values, problem.message, 401)
        return self._signed_in(request, tokens, waiting)

    def ask(self, request: FlaskRequest, path: str) -> FlaskResponse:
        """Ask who it is; a form that was sent waits in the page, with everything typed into it.

        What a page sends by itself, such as a check while somebody types, leaves the page alone.
        """
        if request.method == "POST" and "x-background" not in request.headers:
            kept = {
                name: values for name, values in request.form.lists() if name not in _NEVER_KEPT
            }
            values = _waiting(request) | {"next": path, "kept": kept}
            return self._whole_page(request, values, "Your session has ended. Sign in again.")
        if "hx-request" in request.headers:
            return self._html_fragment(request)
        query = request.query_string.decode(errors="replace")
        values = _waiting(request) | {"next": path + (f"?{query}" if query else "")}
        return self._page(request, values, "", 401)

    def _tokens(self, request: FlaskRequest, path: str, email: str) -> Tokens:
        auth = self.sessions.auth
        if path == f"{_PATH}/code":
            return auth.by_code(email, request.form.get("code", "").strip())
        if path == f"{_PATH}/link":
            kind = request.form.get("type", "magiclink")
            return auth.by_link(request.form.get("token_hash", ""), kind)
        return auth.by_password(email, request.form.get("password", ""))

    def _signed_in(
        self, request: FlaskRequest, tokens: Tokens, waiting: dict[str, Any]
    ) -> FlaskResponse:
        session = self.sessions.opened(tokens.access)
        where = waiting["next"]
        if waiting["kept"]:
            secret = serve.runtime().settings.secret_key
            values = waiting | {"csrf": own_forms.token(secret, session.session_id)}
            response = self.html(request, "waiting_form.html", values)
        else:
            response = FlaskResponse(status=303, headers={"Location": self.site.url(where)})
        self.sessions.keep(response, tokens)
        return response

    def _page(
        self, request: FlaskRequest, values: dict[str, Any], problem: str = "", status: int = 200
    ) -> FlaskResponse:
        return self.html(request, "sign_in.html", values | {"problem": problem}, status)

    def _whole_page(
        self, request: FlaskRequest, values: dict[str, Any], problem: str
    ) -> FlaskResponse:
        response = self._page(request, values, problem, 401)
        # htmx puts the answer to a form into a part of the page, unless it is told otherwise.
        response.headers |= {"HX-Retarget": "body", "HX-Reswap": "innerHTML"}
        return response

    def _html_fragment(self, request: FlaskRequest) -> FlaskResponse:
        """Answer a part of a page that is open in a browser: leave it, and say what happened."""
        response = self.html(request, "signed_out.html", {}, 401)
        response.headers |= {"HX-Retarget": "#session", "HX-Reswap": "innerHTML"}
        return response


def _waiting(request: FlaskRequest) -> dict[str, Any]:
    """What the page to sign in carries along: the address, where to go next, and a kept form."""
    given = request.values
    where = given.get("next", "/")
    is_path = _PAGE.fullmatch(where) is not None and not where.startswith(_PATH)
    return {
        "email": given.get("email", "").strip(),
        "code": given.get("code", "").strip(),
        "token_hash": given.get("token_hash", ""),
        "type": given.get("type", "magiclink"),
        "next": where if is_path else "/",
        "kept": {
            name.removeprefix(_KEPT): values
            for name, values in request.form.lists()
            if name.startswith(_KEPT)
        },
        "mail_sent": bool(given.get("code")),
    }
