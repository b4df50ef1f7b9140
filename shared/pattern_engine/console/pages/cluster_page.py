"""Not built yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pattern_engine.console.visits import Route

ROUTES: tuple[Route, ...] = ()
