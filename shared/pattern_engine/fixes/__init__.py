"""The four types of fixes: how each is analysed, and how each is run.

Every type has a package with two modules: `analysis`, pure and offline, says what a script does and
what stands against it; `executor` runs one that was approved. `analysis` and `execution` beside
them hold what all types share. Parsers are loaded when a script of their type is met.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Final, Literal, Protocol, cast

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pattern_engine.fixes.analysis import Analysis

__all__ = ["TYPES", "FixType", "analyse"]

FixType = Literal["sql", "typescript", "bash", "api_call"]
TYPES: Final[tuple[FixType, ...]] = ("sql", "typescript", "bash", "api_call")


class _Analyser(Protocol):
    def analyse(self, script: str, parameters: Mapping[str, object] | None = None) -> Analysis: ...


def analyse(fix_type: str, script: str, parameters: Mapping[str, object]) -> Analysis:
    """Analyse a script of one type under an approval's parameters.

    Raises:
        ValueError: for a type that does not exist.
    """
    if fix_type not in TYPES:
        raise ValueError(f"there is no fix of type {fix_type}; there are {', '.join(TYPES)}")
    module = importlib.import_module(f"pattern_engine.fixes.{fix_type}.analysis")
    return cast("_Analyser", module).analyse(script, parameters)
