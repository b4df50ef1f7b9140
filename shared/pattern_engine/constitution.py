"""The Four Laws: whether a fix may run now, one verdict for each law, with its reason.

Source: specification, "Constitutional Validation". There the action profile is a constant, so that
three laws can never fail; here risk, entropy, ratio and timing come from the fix's analysis, its
history and the load, and every law can say no.

The laws read, in the terms of operations:

1. Do no harm: what the script writes is bounded, and nothing in it was found destructive.
2. Increase order: not while the system is at its maximum of errors, unless this pattern is a good
   part of them, so that fixing it lowers the entropy.
3. Sacred geometry: proportion. Retries within a Fibonacci number, the time limit in proportion, and
   a confidence of at least one half.
4. Harmonic resonance: rhythm. A pause between two applications of one pattern.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final, Literal

__all__ = [
    "ActionProfile",
    "Circumstances",
    "LawVerdict",
    "Limits",
    "Outcome",
    "Verdict",
    "system_entropy",
    "validate",
]

Outcome = Literal["pass", "fail", "not_evaluated"]

LAWS: Final[Mapping[int, str]] = {
    1: "Do No Harm",
    2: "Increase Order",
    3: "Sacred Geometry",
    4: "Harmonic Resonance",
}
#: Errors in five minutes at which the entropy is at its maximum.
ERRORS_AT_MAXIMUM: Final = 100
_PHI: Final = 1.618
_SCHUMANN: Final = 7.83
_ENTROPY_INCREASE: Final = -0.05
_MAXIMUM_ENTROPY: Final = 1.0


@dataclass(frozen=True, slots=True)
class Limits:
    """What the laws allow. The defaults suit a fix that touches few rows and runs for seconds."""

    #: Rows a fix may touch at most.
    max_rows: int = 100_000
    #: A fix's own time limit at most, in milliseconds: the ceiling of the login role.
    max_timeout_ms: int = 8_000
    #: Retries at most; a Fibonacci number, as the pauses between them are.
    max_retries: int = 8
    #: Confidence at least, from 0 to 1.
    min_confidence: float = 0.50
    #: Share of the recent errors that the pattern must make up to run at maximum entropy, from 0 to
    #: 1.
    storm_share: float = 0.50
    #: Seconds between two applications of one pattern, at least.
    cooldown_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class Circumstances:
    """All that the laws look at, as values."""

    pattern_signature: str
    #: What the static analysis found against the script; empty if nothing.
    findings: Sequence[str] = ()
    #: Whether the script writes at all, and the tables it writes or reads.
    writes: bool = True
    tables: Sequence[str] = ()
    #: The cap on rows touched, by the approval; None if there is none.
    max_rows: int | None = 1_000
    timeout_ms: int = 5_000
    max_retries: int = 0
    confidence: float = 0.50
    #: Errors of the last five minutes, and how many of them are this pattern's.
    recent_errors: int = 0
    recent_errors_of_pattern: int = 0
    #: Seconds since this pattern was applied last; None if never.
    seconds_since_last_application: float | None = None


@dataclass(frozen=True, slots=True)
class ActionProfile:
    """The specification's description of an action, field by field."""

    method_type: str
    risk_to_life: float
    entropy_increase: float
    geometric_ratio: float
    target_frequency: float
    description: str
    system_entropy: float


@dataclass(frozen=True, slots=True)
class LawVerdict:
    """What one law says."""

    law: int
    name: str
    outcome: Outcome
    reason: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the four laws say together."""

    profile: ActionProfile
    laws: tuple[LawVerdict, ...]

    @property
    def compliant(self) -> bool:
        """Whether every law passed; one that was not evaluated has not passed."""
        return all(law.outcome == "pass" for law in self.laws)

    @property
    def violations(self) -> tuple[LawVerdict, ...]:
        """The laws that did not pass."""
        return tuple(law for law in self.laws if law.outcome != "pass")

    def as_dict(self) -> dict[str, object]:
        """Return the profile's fields, `laws` and `compliant` as one JSON object."""
        return asdict(self.profile) | {
            "laws": [asdict(law) for law in self.laws],
            "compliant": self.compliant,
        }


def system_entropy(recent_errors: int) -> float:
    """Return the entropy, 0 to 1, of so many errors in the last five minutes."""
    return min(_MAXIMUM_ENTROPY, recent_errors / ERRORS_AT_MAXIMUM)


def validate(circumstances: Circumstances, limits: Limits | None = None) -> Verdict:
    """Return the verdict of the Four Laws on applying a fix under these circumstances."""
    allowed = limits or Limits()
    harm = _harm(circumstances, allowed)
    order = _order(circumstances, allowed)
    proportion = _proportion(circumstances, allowed)
    rhythm = _rhythm(circumstances, allowed)
    return Verdict(
        _profile(circumstances, harm, order, proportion, rhythm), (harm, order, proportion, rhythm)
    )


def _law(number: int, problems: Sequence[str], otherwise: str) -> LawVerdict:
    outcome: Outcome = "fail" if problems else "pass"
    return LawVerdict(number, LAWS[number], outcome, "; ".join(problems) or otherwise)


def _harm(given: Circumstances, allowed: Limits) -> LawVerdict:
    problems = [f"the analysis found: {finding}" for finding in given.findings]
    if given.writes and given.max_rows is None:
        problems.append("the script writes and has no cap on the rows it may touch")
    elif given.writes and given.max_rows is not None and given.max_rows > allowed.max_rows:
        problems.append(f"its cap of {given.max_rows} rows exceeds {allowed.max_rows}")
    where = ", ".join(given.tables) or "no table"
    safe = (
        f"at most {given.max_rows} rows in {where}" if given.writes else f"reads only, from {where}"
    )
    return _law(1, problems, safe)


def _order(given: Circumstances, allowed: Limits) -> LawVerdict:
    entropy = system_entropy(given.recent_errors)
    load = f"{given.recent_errors} errors in five minutes make an entropy of {entropy:.2f}"
    if entropy < _MAXIMUM_ENTROPY:
        return _law(2, (), load)
    share = given.recent_errors_of_pattern / given.recent_errors
    part = f"{given.recent_errors_of_pattern} of them, {share:.0%}, are of this pattern"
    needed = f"{allowed.storm_share:.0%} needed at the maximum"
    problems = () if share >= allowed.storm_share else (f"{load}; only {part}, {needed}",)
    return _law(2, problems, f"{load}; {part}, {needed}")


def _proportion(given: Circumstances, allowed: Limits) -> LawVerdict:
    problems = []
    if not 0 < given.timeout_ms <= allowed.max_timeout_ms:
        problems.append(
            f"a time limit of {given.timeout_ms} ms is not in 1 to {allowed.max_timeout_ms}"
        )
    if not 0 <= given.max_retries <= allowed.max_retries:
        problems.append(f"{given.max_retries} retries are not in 0 to {allowed.max_retries}")
    if not given.confidence >= allowed.min_confidence:
        problems.append(
            f"a confidence of {given.confidence:.2f} is below {allowed.min_confidence:.2f}"
        )
    kept = f"{given.timeout_ms} ms, {given.max_retries} retries, confidence {given.confidence:.2f}"
    return _law(3, problems, kept)


def _rhythm(given: Circumstances, allowed: Limits) -> LawVerdict:
    since = given.seconds_since_last_application
    if since is None:
        return _law(4, (), "never applied before")
    pause = f"{since:.0f} s since the last application, {allowed.cooldown_seconds:.0f} s needed"
    return _law(4, () if since >= allowed.cooldown_seconds else (pause,), pause)


def _profile(
    given: Circumstances,
    harm: LawVerdict,
    order: LawVerdict,
    proportion: LawVerdict,
    rhythm: LawVerdict,
) -> ActionProfile:
    """Return the specification's profile; a law that fails takes its constant away.

    The specification's numbers stand for "in order": no risk, entropy falling, the golden ratio,
    the resonance. Where a law fails they turn into certain risk, rising entropy, and zero.
    """
    return ActionProfile(
        method_type="harmonic_resonance",
        risk_to_life=0.0 if harm.outcome == "pass" else 1.0,
        entropy_increase=_ENTROPY_INCREASE if order.outcome == "pass" else -_ENTROPY_INCREASE,
        geometric_ratio=_PHI if proportion.outcome == "pass" else 0.0,
        target_frequency=_SCHUMANN if rhythm.outcome == "pass" else 0.0,
        description=f"Auto-fix pattern: {given.pattern_signature}",
        system_entropy=system_entropy(given.recent_errors),
    )
