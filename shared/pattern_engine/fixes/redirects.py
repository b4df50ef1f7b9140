"""Redirects: where one leads, if it leads to a host that the approval allows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urljoin

from pattern_engine.fixes.urls import RefusedUrlError, read_sent_url

if TYPE_CHECKING:
    from collections.abc import Collection

    from pattern_engine.fixes.addresses import Network
    from pattern_engine.fixes.connection import Answer
    from pattern_engine.fixes.urls import AllowedHosts, Place

MAX_REDIRECTS: Final = 3
_STATUSES: Final = frozenset({301, 302, 303, 307, 308})


class RedirectError(Exception):
    """A redirect that may not be followed."""


def is_redirect(answer: Answer) -> bool:
    """Tell whether an answer leads elsewhere."""
    return answer.status in _STATUSES and "location" in answer.headers


def redirected(
    place: Place, answer: Answer, allowed: AllowedHosts, networks: Collection[Network]
) -> Place:
    """Return where a redirect leads.

    Raises:
        RedirectError: if that is no URL that a fix may call, or its host is not allowed.
    """
    try:
        following = read_sent_url(urljoin(place.url, answer.headers["location"]), networks)
    except (RefusedUrlError, ValueError):
        raise RedirectError("a redirect leads to a URL that is not allowed") from None
    if following not in allowed:
        raise RedirectError("a redirect leads to a host that is not in allowed_hosts")
    return following
