"""The four types of fixes: how each is analysed, and how each is run.

Every type has a package with two modules: `analysis`, pure and offline, says what a script does and
what stands against it; `executor` runs one that was approved. `analysis` and `execution` beside
them hold what all types share. Parsers are loaded when a script of their type is met.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final, cast

from pattern_engine.limits import FIX_TYPES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pattern_engine.fixes.analysis import Analysis
    from pattern_engine.fixes.execution import Executor
    from pattern_engine.settings import Facilities

__all__ = ["analyse", "executor"]

_EXECUTORS: Final = {"typescript": "Typescript", "bash": "Bash", "api_call": "ApiCall"}


def analyse(
    fix_type: str,
    script: str,
    parameters: Mapping[str, object],
    facilities: Facilities | None = None,
) -> Analysis:
    """Analyse a script of one type under an approval's parameters.

    Raises:
        ValueError: for a type that does not exist.
    """
    if fix_type not in FIX_TYPES:
        raise ValueError(f"there is no fix of type {fix_type}; there are {', '.join(FIX_TYPES)}")
    module: Any = importlib.import_module(f"pattern_engine.fixes.{fix_type}.analysis")
    if fix_type == "api_call" and facilities is not None:
        return cast("Analysis", module.analyse(script, parameters, facilities.api_networks))
    if fix_type == "bash" and facilities is not None:
        granted = frozenset(facilities.bash_directories)
        return cast("Analysis", module.analyse(script, parameters, granted))
    return cast("Analysis", module.analyse(script, parameters))


def executor(fix_type: str, facilities: Facilities) -> Executor:
    """What runs scripts of one type outside the database; SQL runs inside it.

    Raises:
        ValueError: for sql, or a type that does not exist.
    """
    if fix_type not in _EXECUTORS:
        raise ValueError(f"nothing here runs fixes of type {fix_type}")
    module: Any = importlib.import_module(f"pattern_engine.fixes.{fix_type}.executor")
    return cast("Executor", getattr(module, _EXECUTORS[fix_type])(facilities))
