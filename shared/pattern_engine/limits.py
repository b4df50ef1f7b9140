"""The types of fixes and the bounds of their limits, for everything that has to know them.

`supabase/migrations/20260101000050_limits.sql` says the same to the database; `python -m
docs.generate limits` writes it.
"""

from __future__ import annotations

from typing import Final, Literal, get_args

__all__ = ["DIRECTORY_NAME", "FIX_TYPES", "MAX_RETRIES", "MAX_ROWS", "MAX_TIMEOUT_MS", "FixType"]

FixType = Literal["sql", "typescript", "bash", "api_call"]
FIX_TYPES: Final[tuple[FixType, ...]] = get_args(FixType)

MAX_TIMEOUT_MS: Final[dict[str, int]] = {
    # The time-out of PostgREST's login role.
    "sql": 8_000,
    "typescript": 60_000,
    "bash": 60_000,
    "api_call": 60_000,
}
#: Tries after the first one. With pauses of 0.1 s times 1, 1, 2, 3, 5, … eight of them wait 5.4 s;
#: a ninth would wait 8.8 s, longer than the database lets any statement run.
MAX_RETRIES: Final = 8
#: Rows that a run may touch.
MAX_ROWS: Final = 100_000
#: What a directory is called that bash fixes are granted.
DIRECTORY_NAME: Final = r"[a-z][a-z0-9_]{0,31}"
