"""The inbox: what needs a person, the most urgent first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pattern_engine.console.visits import Page, Route

if TYPE_CHECKING:
    from pattern_engine.console.visits import Visit


def show(visit: Visit) -> Page:
    """The whole page."""
    return Page("inbox.html", {"figures": visit.read("statistics_v1")})


ROUTES: tuple[Route, ...] = (Route("GET", "/", show),)
