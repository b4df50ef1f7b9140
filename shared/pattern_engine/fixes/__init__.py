"""The four types of fixes: how each is analysed, and how each is run.

Every type has a package. Its module `analysis` reads a script without running it, and says what it
does and why it is refused. Its module `executor` runs an approved script; SQL has none, because the
database runs it. The modules `analysis` and `execution` of this package hold what all types share.
A type's parser is loaded with its first script.
"""

from __future__ import annotations

import importlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, cast

from pattern_engine.fixes.analysis import Finding
from pattern_engine.fixes.credentials import in_parameters
from pattern_engine.limits import FIX_TYPES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pattern_engine.fixes.analysis import Analysis
    from pattern_engine.fixes.execution import Executor
    from pattern_engine.settings import Facilities

_EXECUTORS: Final = {"typescript": "Typescript", "bash": "Bash", "api_call": "ApiCall"}


def analyse(
    fix_type: str,
    script: str,
    parameters: Mapping[str, object],
    facilities: Facilities | None = None,
) -> Analysis:
    """Analyse a script of one type with the parameters of its approval.

    Raises:
        ValueError: if there is no such type.
    """
    if fix_type not in FIX_TYPES:
        raise ValueError(f"There is no fix type {fix_type!r}; use one of: {', '.join(FIX_TYPES)}.")
    analysis = _analysed(fix_type, script, parameters, facilities)
    findings = tuple(
        Finding(
            "credential",
            f"the parameter {where} contains a literal {kind}; put it into Vault and name it",
        )
        for where, kind in in_parameters(parameters)
    )
    if not findings:
        return analysis
    return replace(analysis, prepared_script="", findings=(*analysis.findings, *findings))


def _analysed(
    fix_type: str,
    script: str,
    parameters: Mapping[str, object],
    facilities: Facilities | None,
) -> Analysis:
    module: Any = importlib.import_module(f"pattern_engine.fixes.{fix_type}.analysis")
    if fix_type in ("api_call", "typescript") and facilities is not None:
        return cast("Analysis", module.analyse(script, parameters, facilities.api_networks))
    if fix_type == "bash" and facilities is not None:
        granted = frozenset(facilities.bash_directories)
        return cast("Analysis", module.analyse(script, parameters, granted))
    return cast("Analysis", module.analyse(script, parameters))


def executor(fix_type: str, facilities: Facilities) -> Executor:
    """Return the executor of a type whose scripts run outside the database (SQL runs inside it).

    Raises:
        ValueError: for sql, or if there is no such type.
    """
    if fix_type not in _EXECUTORS:
        raise ValueError(f"There is no executor for fixes of type {fix_type!r}.")
    module: Any = importlib.import_module(f"pattern_engine.fixes.{fix_type}.executor")
    return cast("Executor", getattr(module, _EXECUTORS[fix_type])(facilities))


def unavailable(fix_type: str, facilities: Facilities) -> str | None:
    """Return why no fix of a type can run in this process, in a sentence; None if they can."""
    return None if fix_type == "sql" else executor(fix_type, facilities).unavailable()
