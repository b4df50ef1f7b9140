"""Every endpoint of the engine, for whoever serves or describes them all."""

from __future__ import annotations

from typing import Final

from pattern_engine.endpoints import CORE, AnyEndpoint
from pattern_engine.fixing_endpoints import FIXING
from pattern_engine.steering_endpoints import STEERING

__all__ = ["ALL"]

ALL: Final[tuple[AnyEndpoint, ...]] = (*CORE, *FIXING, *STEERING)
