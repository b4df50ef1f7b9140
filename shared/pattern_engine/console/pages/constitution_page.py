"""The Four Laws: their words, the thresholds in force, and what they allowed and forbade."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from pattern_engine.console import meanings
from pattern_engine.console.pages import figures_page
from pattern_engine.console.visits import Page, Route
from pattern_engine.laws import verdict
from pattern_engine.thresholds import Thresholds

if TYPE_CHECKING:
    from pattern_engine.console.visits import Json, Visit


@dataclass(frozen=True, slots=True)
class Law:
    """A law in the words of the specification, what the engine asks for it, and its thresholds."""

    number: int
    name: str
    words: tuple[str, ...]
    question: str
    thresholds: tuple[str, ...]


LAWS = (
    Law(
        1,
        "Do No Harm",
        (
            "Auto-fixes are safe, non-destructive operations.",
            "Pattern fixes restore system to healthy state.",
            "Constitutional validation prevents harmful actions.",
        ),
        "What can the fix destroy, and how far does it reach?",
        ("max_rows", "max_tables", "max_hosts", "allow_destructive"),
    ),
    Law(
        2,
        "Increase Order",
        (
            "NEGATIVE value indicates entropy reduction.",
            "Fixing errors reduces system chaos.",
            "System entropy calculated from recent error rate.",
        ),
        "Is the system calm enough, and does this fix reduce the number of errors?",
        ("errors_at_maximum", "storm_share"),
    ),
    Law(
        3,
        "Sacred Geometry",
        (
            "Pattern recognition follows natural harmonic principles.",
            "Confidence scoring aligns with Fibonacci sequence.",
        ),
        "Is the action in proportion to the errors, and to what is known about the fix?",
        (
            *(f"min_confidence_{kind}" for kind in ("sql", "typescript", "bash", "api_call")),
            *("min_lower_bound", "min_lower_bound_outcomes", "runs_per_hour", "rows_per_hour"),
            *("rows_per_incident", "runs_per_incident"),
        ),
    ),
    Law(
        4,
        "Harmonic Resonance",
        (
            "Auto-fixes resonate with system healing frequency.",
            "Pattern application timing aligns with natural rhythms.",
        ),
        "Is this the right time?",
        (
            *("cooldown_seconds", "flaps_per_day", "storm_patterns", "storm_seconds"),
            *("storm_pause_seconds", "quiet_hours"),
        ),
    ),
)


def show(visit: Visit) -> Page:
    """The whole page."""
    length = figures_page.period(visit)
    before, before_id = visit.asked("before"), visit.asked("before_id")
    place = {"before": before, "before_id": before_id} if before and before_id.isdecimal() else {}
    found = visit.read("console_constitution_v1", days=length, before=place)
    days = figures_page.days_between(found["first_day"], found["last_day"])
    refusals = {
        law.number: figures_page.by_day(
            (row for row in found["refusals"] if row["figure"] == f"law_{law.number}"), days
        )
        for law in LAWS
    }
    runs = figures_page.by_day(found["runs"], days)
    following = found["next"]
    return Page(
        "constitution.html",
        {
            "laws": [_told(law, refusals[law.number], found, visit) for law in LAWS],
            "claimed_at": (found["latest_claim"] or {}).get("claimed_at"),
            "period": length,
            "periods": figures_page.PERIODS,
            "chart": figures_page.chart(
                days,
                allowed_runs=runs,
                **{f"law {number}": values for number, values in refusals.items()},
            ),
            "table": [
                {
                    "day": day,
                    "runs": runs[at],
                    "refusals": [values[at] for values in refusals.values()],
                }
                for at, day in enumerate(days)
            ][::-1],
            "violations": [_violation(each) for each in found["violations"]],
            "is_first": not place,
            "following": urlencode({"days": length} | following) if following else None,
        },
    )


def _told(law: Law, refusals: list[float | None], found: Json, visit: Visit) -> Json:
    """A law with its thresholds and how often it forbade a run."""
    policy = (found["latest_claim"] or {}).get("policy", {})
    return {
        "number": law.number,
        "name": law.name,
        "words": law.words,
        "question": law.question,
        "thresholds": [_threshold(name, policy, visit) for name in law.thresholds],
        "refusals": sum(value or 0 for value in refusals),
        "all_refusals": found["all_refusals"].get(f"law_{law.number}", 0),
    }


def _threshold(name: str, policy: Json, visit: Visit) -> Json:
    """A threshold as the latest claim came with it, else as this function is set."""
    here = getattr(visit.settings.thresholds, name)
    in_force = policy.get(name, here)
    default = next(field.default for field in dataclasses.fields(Thresholds) if field.name == name)
    return {
        "name": name,
        "value": _worded(in_force),
        "default": _worded(default),
        "differs": in_force != default,
        "meaning": meanings.thresholds()[name],
        "here": _worded(here) if here != in_force else None,
    }


def _worded(value: object) -> str:
    """A value of a setting in words."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "none"
    return f"{value:,.10g}" if isinstance(value, int | float) else str(value)


def _violation(event: Json) -> Json:
    """A violation with the laws that failed, and why in words."""
    validation = event["validation"]
    failed = [law for law in validation["laws"] if law["outcome"] == "fail"]
    return event | {
        "laws": [f"{law['law']}. {law['name']}" for law in failed],
        "why": verdict.against(validation),
    }


ROUTES: tuple[Route, ...] = (Route("GET", "/constitution", show),)
