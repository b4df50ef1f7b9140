"""The Four Laws: whether a fix may run now, one verdict for each law, with reason and numbers.

Source: specification, "Constitutional Validation". There the action profile is a constant, so that
three laws can never fail; here risk, entropy, ratio and frequency are computed, and every law can
say no. What each law looks at is in `pattern_engine.laws.parts`.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final, Literal

from pattern_engine.laws import parts
from pattern_engine.laws.parts import Figure, Part, system_entropy

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pattern_engine.laws.circumstances import Circumstances
    from pattern_engine.thresholds import Thresholds

__all__ = [
    "ActionProfile",
    "LawVerdict",
    "Outcome",
    "Verdict",
    "validate",
]

Outcome = Literal["pass", "fail", "not_evaluated"]

NAMES: Final[Mapping[int, str]] = {
    1: "Do No Harm",
    2: "Increase Order",
    3: "Sacred Geometry",
    4: "Harmonic Resonance",
}
_PHI: Final = 1.618
_SCHUMANN: Final = 7.83


@dataclass(frozen=True, slots=True)
class ActionProfile:
    """The specification's description of an action, field by field."""

    method_type: str
    risk_to_life: float
    """0 to 1; below 1 exactly when Law 1 does not fail."""
    entropy_increase: float
    geometric_ratio: float
    """The golden ratio times the share of Law 3's parts that hold."""
    target_frequency: float
    """The Schumann resonance times the share of Law 4's parts that hold."""
    description: str
    system_entropy: float


@dataclass(frozen=True, slots=True)
class LawVerdict:
    """What one law says."""

    law: int
    name: str
    outcome: Outcome
    reason: str
    numbers: Mapping[str, Figure]
    """Every figure that was looked at, beside its threshold; None where there was none."""

    @classmethod
    def of(cls, law: int, parts: Sequence[Part]) -> LawVerdict:
        """Return what follows from a law's parts.

        One that does not hold fails the law, whatever the others say. Parts without data neither
        pass nor fail it; if all are without, the law was not evaluated.
        """
        failed, held, unknown = (
            [part.sentence for part in parts if part.holds is holds]
            for holds in (False, True, None)
        )
        outcome: Outcome = "fail" if failed else "pass" if held else "not_evaluated"
        sentences = failed or held
        if unknown:
            sentences = [*sentences, f"not evaluated: {', '.join(unknown)}"]
        numbers = {name: _json(figure) for part in parts for name, figure in part.numbers.items()}
        return cls(law, NAMES[law], outcome, "; ".join(sentences), numbers)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the four laws say together."""

    profile: ActionProfile
    laws: tuple[LawVerdict, ...]

    @property
    def compliant(self) -> bool:
        """Whether no law fails."""
        return not self.violations

    @property
    def violations(self) -> tuple[LawVerdict, ...]:
        """The laws that fail."""
        return tuple(law for law in self.laws if law.outcome == "fail")

    def as_dict(self) -> dict[str, object]:
        """Return the profile's fields, `laws` and `compliant` as one JSON object."""
        return asdict(self.profile) | {
            "laws": [asdict(law) for law in self.laws],
            "compliant": self.compliant,
        }


def validate(circumstances: Circumstances, thresholds: Thresholds) -> Verdict:
    """Return the verdict of the Four Laws on a run under these circumstances.

    Raises:
        KeyError: if there is no such type of fix.
        ValueError: if `now` does not know its time zone and there are quiet hours.
    """
    found = {
        1: parts.harm(circumstances, thresholds),
        2: parts.order(circumstances, thresholds),
        3: parts.proportion(circumstances, thresholds),
        4: parts.rhythm(circumstances, thresholds),
    }
    profile = ActionProfile(
        method_type="harmonic_resonance",
        risk_to_life=max(part.risk for part in found[1]),
        entropy_increase=parts.entropy_increase(
            circumstances.verified_outcomes, circumstances.failed_outcomes
        ),
        geometric_ratio=_PHI * _share_that_holds(found[3]),
        target_frequency=_SCHUMANN * _share_that_holds(found[4]),
        description=f"Auto-fix pattern: {circumstances.pattern_signature}",
        system_entropy=system_entropy(circumstances.recent_errors, thresholds.errors_at_maximum),
    )
    return Verdict(profile, tuple(LawVerdict.of(law, of_law) for law, of_law in found.items()))


def _share_that_holds(parts: Sequence[Part]) -> float:
    """Of the parts that could be evaluated; all of none."""
    evaluated = [part.holds for part in parts if part.holds is not None]
    return sum(evaluated) / len(evaluated) if evaluated else 1.0


def _json(figure: Figure) -> Figure:
    """A figure as JSON knows it, which has no infinity and nothing that is no number."""
    return str(figure) if isinstance(figure, float) and not math.isfinite(figure) else figure
