"""Regular expressions that are compiled when they are first used, and then kept."""

import re
from functools import cache

__all__ = ["compiled"]


@cache
def compiled(pattern: str, flags: int = 0) -> re.Pattern[str]:
    """Return the compiled expression.

    Compiling every expression of grouping and scrubbing takes 30 ms, and a function starts in 300;
    one message needs few of them. What every message needs is compiled where it is defined.
    """
    return re.compile(pattern, flags)
