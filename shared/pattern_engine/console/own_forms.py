"""Refusing forms that another site sent in a person's name.

A form is accepted from pages of this origin alone, by the headers that browsers set, and only with
a token that belongs to the session. The token differs in each page, so that compressing the page
gives nothing away.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import TYPE_CHECKING

from pattern_engine.exceptions import ForeignForm

if TYPE_CHECKING:
    from flask import Request

    from pattern_engine.console.website import Site

FIELD = "csrf"
HEADER = "x-csrf-token"
_SALT_LENGTH = 16


def token(secret: str, session_id: str) -> str:
    """Return a token for a page of a session."""
    salt = secrets.token_hex(_SALT_LENGTH // 2)
    return f"{salt}{_signature(secret, session_id, salt)}"


def require_own(request: Request, site: Site) -> None:
    """Refuse a request that a page of another site made.

    Raises:
        ForeignForm: if it did, by what the browser says.
    """
    own = {site.origin, request.host_url.rstrip("/")}
    own |= {f"{scheme}://{request.host}" for scheme in ("http", "https")}
    origin = request.headers.get("origin")
    fetched_by = request.headers.get("sec-fetch-site", "same-origin")
    if fetched_by != "same-origin" or (origin is not None and origin not in own):
        raise ForeignForm


def require_token(request: Request, secret: str, session_id: str) -> None:
    """Refuse a form without a token of this session.

    Raises:
        ForeignForm: if it has none.
    """
    given = request.headers.get(HEADER) or request.form.get(FIELD, "")
    salt, signature = given[:_SALT_LENGTH], given[_SALT_LENGTH:]
    expected = _signature(secret, session_id, salt)
    if not hmac.compare_digest(signature.encode(errors="replace"), expected.encode()):
        raise ForeignForm


def _signature(secret: str, session_id: str, salt: str) -> str:
    text = f"console form\0{session_id}\0{salt}"
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()
