"""What the Four Laws say of a proposed fix: each part with its numbers and its threshold.

The parts that follow from the script and its limits are computed here, by the thresholds with which
the engine last claimed a run. Those that depend on load and history are judged by the database at
each run; the last verdict for the pattern shows how they were judged then.
"""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from pattern_engine.laws import verdict
from pattern_engine.laws.circumstances import Circumstances
from pattern_engine.laws.parts import parts
from pattern_engine.thresholds import Thresholds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pattern_engine.cli.remote import Remote

#: The limits of a fix that names none, as the database sets them.
_USUAL: Final = {"max_rows": 1_000, "timeout_ms": 5_000, "max_retries": 0}
#: Parts by settings that are no numbers, which only the engine knows.
_UNKNOWN_HERE: Final = frozenset({"destruction", "quiet_hours"})


def read(here: Remote, proposal: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parts of the laws for a proposal, and the last verdict for its pattern."""
    claims = {"order": "claimed_at.desc", "limit": 1}
    latest = here.rows("pattern_claims", select="policy", **claims)
    judged = here.rows(
        "pattern_claims",
        select="claimed_at,constitutional_validation",
        pattern_id=f"eq.{proposal['pattern_id']}",
        constitutional_validation="not.is.null",
        **claims,
    )
    return {
        "thresholds": "the thresholds of the engine's last run"
        if latest
        else "the default thresholds",
        "parts": _parts(proposal, _thresholds(latest[0]["policy"] if latest else {})),
        "last_verdict": judged[0] if judged else None,
    }


def _thresholds(policy: Mapping[str, Any]) -> Thresholds:
    numbers = {each.name for each in fields(Thresholds) if "bounds" in each.metadata}
    usual = Thresholds().policy()
    given = {name: type(usual[name])(policy[name]) for name in numbers & policy.keys()}
    return Thresholds(**given)  # type: ignore[arg-type]  # each has the type of its default


def _parts(proposal: Mapping[str, Any], thresholds: Thresholds) -> list[dict[str, Any]]:
    fix, analysis = proposal["fix"], proposal["analysis"]
    limits = _USUAL | {name: fix["parameters"].get(name, usual) for name, usual in _USUAL.items()}
    circumstances = Circumstances(
        fix_type=fix["type"],
        destructive=analysis.get("destructive") or (),
        writes=bool(analysis.get("written_tables")),
        tables=fix["tables"],
        hosts=fix["hosts"],
        dry_run_rows=(proposal["dry_run"] or {}).get("rows_touched"),
        now=datetime.now(UTC),
        **limits,
    )
    return [
        {
            "law": part.law,
            "part": part.part,
            "holds": part.holds,
            "says": verdict.sentence(part.part, part.numbers)
            if part.holds is not None
            else verdict.UNKNOWN[part.part].format(**part.numbers),
        }
        for part in parts(circumstances, thresholds)
        if part.part not in _UNKNOWN_HERE
    ]


def reasons(last_verdict: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the outcome of each law of a verdict, and its reason in words."""
    worded = verdict.worded(last_verdict["constitutional_validation"])
    return [
        (str(law["outcome"]), f"{law['law']}. {law['name']}: {law['reason']}")
        for law in worded["laws"]
    ]
