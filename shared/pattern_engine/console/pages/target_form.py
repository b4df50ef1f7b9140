"""Targets of notifications: who is told what, a test, and deleting one."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from pattern_engine.api.fields import Severity
from pattern_engine.console.visits import TYPES, Go, Page, Route
from pattern_engine.exceptions import InvalidRequest, UnknownEndpoint

if TYPE_CHECKING:
    from uuid import UUID

    from pattern_engine.console.visits import Answer, Json, Visit

_NEW: Json = {
    "target_id": None,
    "name": "",
    "url_secret": "notify_",
    "enabled": True,
    "least_severity": "warning",
    "kinds": None,
    "pattern_types": None,
    "sources": None,
    "pattern_ids": None,
    "cap_per_hour": 20,
    "digest_seconds": 300,
}
_LISTS = ("sources", "pattern_ids")


def make(visit: Visit) -> Page:
    """The form of a new target."""
    return _form(visit, _NEW)


def change(visit: Visit, target_id: UUID) -> Page:
    """The form of a target that there is."""
    targets = visit.read("list_notification_targets_v1")
    target = next((each for each in targets if each["target_id"] == str(target_id)), None)
    if target is None:
        raise UnknownEndpoint("There is no such target; somebody has deleted it.")
    return _form(visit, target)


def save(visit: Visit) -> Answer:
    """Make a target, or change one; what was typed is kept if it is refused."""
    entered: Json = {
        "name": visit.entered("name"),
        "url_secret": visit.entered("url_secret"),
        "enabled": visit.entered("enabled") == "yes",
        "least_severity": visit.entered("least_severity"),
        "kinds": visit.chosen("kinds") or None,
        "pattern_types": visit.chosen("pattern_types") or None,
        "cap_per_hour": visit.number("cap_per_hour"),
        "digest_seconds": visit.number("digest_seconds"),
        **{name: _lines(visit.entered(name)) for name in _LISTS},
    }
    target_id = visit.entered("target_id")
    sent = entered | ({"target_id": target_id} if target_id else {})
    try:
        visit.read("set_notification_target_v1", target=sent)
    except InvalidRequest as problem:
        return _form(visit, entered | {"target_id": target_id or None}, problem)
    return Go("/settings#notifications", f"The target {entered['name']} was saved.")


def test(visit: Visit, target_id: UUID) -> Go:
    """Send a test to a target."""
    visit.read("test_notification_target_v1", target_id=str(target_id))
    return Go("/delivery", "A test is on its way. What became of it is shown here in a moment.")


def delete(visit: Visit, target_id: UUID) -> Go:
    """Delete a target."""
    deleted = visit.read("delete_notification_target_v1", target_id=str(target_id))
    return Go("/settings#notifications", f"The target {deleted['name']} was deleted.")


def _form(visit: Visit, target: Json, problem: InvalidRequest | None = None) -> Page:
    values = {
        "target": target,
        "problem": problem,
        "kinds": visit.read("console_settings_v1")["kinds"],
        "severities": get_args(Severity),
        "types": TYPES,
    }
    return Page("target.html", values, problem.status if problem else 200)


def _lines(text: str) -> list[str] | None:
    """The lines of a field; None for all."""
    return [line.strip() for line in text.splitlines() if line.strip()] or None


ROUTES: tuple[Route, ...] = (
    Route("GET", "/settings/targets/new", make),
    Route("GET", "/settings/targets/<uuid:target_id>", change),
    Route("POST", "/settings/targets", save),
    Route("POST", "/settings/targets/<uuid:target_id>/test", test),
    Route("POST", "/settings/targets/<uuid:target_id>/delete", delete),
)
