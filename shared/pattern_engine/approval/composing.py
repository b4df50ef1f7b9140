"""A fix as it is stored and digested, out of what a person typed and what its analysis found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pattern_engine import fixes
from pattern_engine.exceptions import FixRefused, FixTypeNotSupported
from pattern_engine.limits import FIX_TYPES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pattern_engine.database.records import ComposedFix
    from pattern_engine.fixes.analysis import Analysis
    from pattern_engine.settings import Facilities


def compose(
    fix_type: str,
    script: str,
    parameters: Mapping[str, Any],
    undo_script: str | None,
    facilities: Facilities,
) -> tuple[ComposedFix, Analysis]:
    """Return a fix in the form that is stored and digested, and the analysis of its script.

    Raises:
        FixTypeNotSupported: if the type is bash and bash fixes are off.
        FixRefused: if the analysis objects to the script or to its undo script.
    """
    if fix_type == "bash" and not facilities.bash:
        raise FixTypeNotSupported(
            "Fixes of type bash are switched off; set PATTERN_ENGINE_BASH_FIXES=on, or write the "
            "fix in another type.",
            details={"supported": [kind for kind in FIX_TYPES if kind != "bash"]},
        )
    analysis = fixes.analyse(fix_type, script, parameters, facilities)
    undo = fixes.analyse(fix_type, undo_script, parameters, facilities) if undo_script else None
    reasons = [
        {"rule": finding.rule, "message": f"{prefix}{finding.message}"}
        for prefix, found in (("", analysis), ("undo script: ", undo))
        for finding in (found.findings if found else ())
    ]
    if reasons:
        objections = "; ".join(reason["message"] for reason in reasons)
        raise FixRefused(f"The script is refused: {objections}.", details={"reasons": reasons})
    both = [found for found in (analysis, undo) if found]
    composed: ComposedFix = {
        "type": fix_type,
        "script": script,
        "prepared_script": analysis.prepared_script,
        "undo_script": undo_script,
        "prepared_undo_script": undo.prepared_script if undo else None,
        "sample_table": analysis.sample.table if analysis.sample else None,
        "sample_script": analysis.sample.before if analysis.sample else None,
        "parameters": dict(parameters),
        **fixes.reach(both),
    }
    return composed, analysis
