"""The types of fixes and the highest values of their limits.

`python -m docs.generate limits` writes `supabase/migrations/20260101000050_limits.sql` from this.
"""

from __future__ import annotations

from typing import Final, Literal, get_args

__all__ = [
    "DIRECTORY_NAME",
    "FIX_TYPES",
    "MAX_HEALS",
    "MAX_RETRIES",
    "MAX_ROWS",
    "MAX_TIMEOUT_MS",
    "FixType",
]

FixType = Literal["sql", "typescript", "bash", "api_call"]
FIX_TYPES: Final[tuple[FixType, ...]] = get_args(FixType)

MAX_TIMEOUT_MS: Final[dict[str, int]] = {
    # The time-out of PostgREST's login role.
    "sql": 8_000,
    "typescript": 60_000,
    "bash": 60_000,
    "api_call": 60_000,
}
#: Pauses are 0.1 s times 1, 1, 2, 3, 5, …: eight retries wait 5.4 s in all; nine would wait 8.8 s,
#: longer than the database's statement time-out of 8 s.
MAX_RETRIES: Final = 8
#: Rows that a run may touch.
MAX_ROWS: Final = 100_000
#: Runs for which an approval may be.
MAX_HEALS: Final = 100_000
#: The name of a directory that is granted to bash fixes.
DIRECTORY_NAME: Final = r"[a-z][a-z0-9_]{0,31}"
