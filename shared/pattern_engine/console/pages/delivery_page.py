"""Delivery: how errors reach the engine, how notifications reach people, and what was given up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pattern_engine.console.visits import Go, Page, Route

if TYPE_CHECKING:
    from uuid import UUID

    from pattern_engine.console.visits import Visit


def show(visit: Visit) -> Page:
    """The whole page, or the part that an open page asks for again."""
    part = "delivery_state.html" if visit.asked("part") == "state" else "delivery.html"
    return Page(part, visit.read("console_delivery_v1"))


def retry(visit: Visit, message_id: UUID) -> Go:
    """Send a dead letter again."""
    visit.read("retry_notification_v1", message_id=str(message_id))
    return Go("/delivery", "The message waits to be sent again; it goes with the next minute.")


ROUTES: tuple[Route, ...] = (
    Route("GET", "/delivery", show),
    Route("POST", "/delivery/messages/<uuid:message_id>/retry", retry),
)
