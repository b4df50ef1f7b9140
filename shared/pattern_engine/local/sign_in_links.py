"""Links that sign a person in to the console of a local stack, once.

Auth sends a mail with the link as it does on hosted Supabase; the local stack keeps its mails.
"""

from __future__ import annotations

import json
import re
import secrets
from html import unescape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import psycopg

from pattern_engine.local.errors import StackError
from pattern_engine.local.stack import mail_directory

if TYPE_CHECKING:
    from collections.abc import Mapping

DEMO_OPERATOR = "operator@local.example"
_SECONDS = 10.0
_LINK = re.compile(r'href="([^"]+)"')


class NoSignInLinkError(StackError):
    """Auth did not make a link."""


def new(status: dict[str, Any], email: str, role: str | None = None) -> str:
    """Return a link for a person; create the account if there is none, and give the role.

    A newer link for the same person ends the validity of an older one.

    Args:
        status: The status of a running stack.
        email: The person's address.
        role: The role as an operator; None leaves the role as it is.

    Raises:
        StackError: Auth refused, or the stack does not answer.
    """
    mails = mail_directory(Path(status["data_dir"]))
    before = set(mails.glob("*.json"))
    try:
        _sign_up(status, email)
        if role:
            _give_role(status, email, role)
        _post(status, "otp", {"email": email, "create_user": False}).raise_for_status()
    except (httpx.HTTPError, psycopg.Error) as error:
        raise NoSignInLinkError(f"no link could be made for {email}: {error}") from error
    for mail in sorted(set(mails.glob("*.json")) - before, reverse=True):
        found = json.loads(mail.read_text())
        link = _LINK.search(found.get("html", ""))
        if link and found["to"] == email.lower():
            mail.unlink()
            return unescape(link[1])
    raise NoSignInLinkError(f"Auth sent no mail to {email}; see gateway.log in {mails.parent}/logs")


def _sign_up(status: dict[str, Any], email: str) -> None:
    """Create the account with a password that nobody knows, unless there is one."""
    with psycopg.connect(status["db_url"], connect_timeout=10) as connection:
        known = connection.execute(
            "select from auth.users where lower(email) = lower(%s)", (email,)
        ).fetchone()
    if known is None:
        body = {"email": email, "password": secrets.token_urlsafe(24)}
        _post(status, "signup", body).raise_for_status()


def _give_role(status: dict[str, Any], email: str, role: str) -> None:
    with psycopg.connect(status["db_url"], connect_timeout=10) as connection:
        connection.execute(
            "insert into ops.operators (user_id, role) "
            "select id, %s from auth.users where lower(email) = lower(%s) "
            "on conflict (user_id) do update set role = excluded.role",
            (role, email),
        )


def _post(status: dict[str, Any], path: str, body: Mapping[str, object]) -> httpx.Response:
    headers = {"apikey": status["publishable_key"]}
    return httpx.post(
        f"{status['api_url']}/auth/v1/{path}", json=body, headers=headers, timeout=_SECONDS
    )
