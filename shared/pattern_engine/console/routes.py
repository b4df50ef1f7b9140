"""Every page of the console, and which function answers it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from werkzeug.exceptions import MethodNotAllowed as WrongMethod
from werkzeug.exceptions import NotFound
from werkzeug.routing import Map, Rule

from pattern_engine.console.pages import (
    application_pages,
    approved_fix_page,
    cluster_page,
    constitution_page,
    delivery_page,
    figures_page,
    grouping_forms,
    inbox_page,
    pattern_page,
    pause_form,
    propose_form,
    review_page,
    settings_page,
    target_form,
)
from pattern_engine.exceptions import MethodNotAllowed, UnknownEndpoint

if TYPE_CHECKING:
    from pattern_engine.console.visits import Handler, Route

ROUTES: tuple[Route, ...] = (
    *inbox_page.ROUTES,
    *pattern_page.ROUTES,
    *grouping_forms.ROUTES,
    *propose_form.ROUTES,
    *review_page.ROUTES,
    *approved_fix_page.ROUTES,
    *application_pages.ROUTES,
    *cluster_page.ROUTES,
    *figures_page.ROUTES,
    *constitution_page.ROUTES,
    *delivery_page.ROUTES,
    *settings_page.ROUTES,
    *target_form.ROUTES,
    *pause_form.ROUTES,
)
_MAP = Map(
    [Rule(route.path, methods=[route.method], endpoint=route.handler) for route in ROUTES],
    strict_slashes=False,
    redirect_defaults=False,
    merge_slashes=False,
)


def find(method: str, path: str) -> tuple[Handler, dict[str, object]]:
    """Return the handler of a path, and the values that stand in it.

    Raises:
        UnknownEndpoint: if there is no such page.
        MethodNotAllowed: if the page has other methods.
    """
    try:
        handler, values = _MAP.bind("").match(path, method="GET" if method == "HEAD" else method)
    except WrongMethod as problem:
        raise MethodNotAllowed(method, tuple(problem.valid_methods or ())) from problem
    except NotFound as problem:
        raise UnknownEndpoint(f"There is no page at {path}.") from problem
    return handler, dict(values)
