"""The endpoint that checks whether the engine and its database work."""

from __future__ import annotations

import threading
import time
from functools import lru_cache

from pattern_engine import fixes, settings
from pattern_engine.api.endpoint import Endpoint, NoBody
from pattern_engine.limits import FIX_TYPES, FixType
from pattern_engine.serving.answers import HealthResponse

HEALTH = Endpoint(
    name="health",
    method="GET",
    summary="Check whether the engine and its database work.",
    request=NoBody,
    response=HealthResponse,
    admits=frozenset(),
)

_LOOK_AGAIN_SECONDS = 60
_looking = threading.Lock()


def fix_types() -> dict[FixType, str]:
    """For each type of fixes "ok" if they can run in this process, or else the reason.

    Finding out starts programs, and anybody may ask: it is done once a minute.
    """
    with _looking:
        minute = int(time.monotonic() // _LOOK_AGAIN_SECONDS)
        return dict(_found(settings.current().bash_fixes, minute))


@lru_cache(maxsize=1)
def _found(_bash: bool, _minute: int) -> dict[FixType, str]:
    facilities = settings.current().facilities()
    return {name: fixes.unavailable(name, facilities) or "ok" for name in FIX_TYPES}
