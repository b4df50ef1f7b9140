"""Settings: the project's own, those of the deployment, grants, operators, targets, the journal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pattern_engine.console import deployment
from pattern_engine.console.visits import Go, Page, Route
from pattern_engine.exceptions import InvalidRequest

if TYPE_CHECKING:
    from pattern_engine.console.visits import Answer, Visit


def show(visit: Visit, name: str = "", problem: InvalidRequest | None = None) -> Page:
    """The page; after a refused change with what was entered and why it was refused."""
    values = {
        "name": name,
        "problem": problem,
        "entered": {
            "value": visit.entered("value"),
            "values": visit.chosen("value"),
            "reason": visit.entered("reason"),
        },
        "thresholds": deployment.thresholds(visit.settings),
        "functions": deployment.functions(visit.settings),
        "directories": dict(visit.settings.bash_directories),
        "has_bash": visit.settings.bash_fixes,
    }
    status = problem.status if problem else 200
    return Page("settings.html", values | visit.read("console_settings_v1"), status)


def change(visit: Visit, name: str) -> Answer:
    """Change one of the project's settings, or give it its default again."""
    value: object = None
    if not visit.entered("default"):
        value = visit.chosen("value") if visit.entered("kind") == "list" else visit.number("value")
    try:
        visit.read("change_setting_v1", name=name, value=value, reason=visit.entered("reason"))
    except InvalidRequest as problem:
        return show(visit, name, problem)
    return Go(f"/settings#{name}", f"The setting {name} was changed.")


ROUTES: tuple[Route, ...] = (
    Route("GET", "/settings", show),
    Route("POST", "/settings/<name>", change),
)
