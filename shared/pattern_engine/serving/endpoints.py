"""All endpoints of the engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pattern_engine.approval import endpoints as approval
from pattern_engine.healing import endpoints as healing
from pattern_engine.learning import endpoints as learning
from pattern_engine.notify import endpoints as notify
from pattern_engine.overview import endpoints as overview
from pattern_engine.serving.health import HEALTH
from pattern_engine.steering import endpoints as steering

if TYPE_CHECKING:
    from pattern_engine.api.endpoint import AnyEndpoint

__all__ = ["ALL"]

ALL: Final[tuple[AnyEndpoint, ...]] = (
    *learning.ENDPOINTS,
    *healing.ENDPOINTS,
    *overview.ENDPOINTS,
    *approval.ENDPOINTS,
    *steering.ENDPOINTS,
    *notify.ENDPOINTS,
    HEALTH,
)
