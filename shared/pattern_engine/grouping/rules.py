"""Grouping rules: which rule of the operators an error matches, and so which fingerprint it has.

Of several rules that match, the one with the smallest priority counts, the oldest where they are
equal. Expressions are RE2's: linear time, whatever an operator writes. The enabled rules are read
once and kept for `KEPT_SECONDS` in the process, so a rule takes hold within that time everywhere.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from pattern_engine import logs
from pattern_engine.exceptions import InvalidRule

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pattern_engine.database.database import Database
    from pattern_engine.database.records import RuleRecord
    from pattern_engine.grouping.matching import ExpressionSet

__all__ = ["KEPT_SECONDS", "Occurrence", "RuleSet", "current", "fingerprint", "require_expression"]

KEPT_SECONDS: Final = 30.0
MOST_CHARACTERS: Final = 8192
"""Characters of a message in which an expression is looked for."""
MOST_MEMORY: Final = 1 << 20
"""Bytes that RE2 may take for one expression; `(a{999}){999}` takes more."""
_LEVELS: Final = ("debug", "info", "warning", "error", "critical")


@dataclass(frozen=True, slots=True)
class Occurrence:
    """What a rule looks at."""

    message: str
    source: str | None = None
    environment: str | None = None
    severity: str | None = None


@dataclass(frozen=True)
class RuleSet:
    """Rules in the order in which they count, compiled into one automaton."""

    rules: Sequence[RuleRecord]
    _expressions: ExpressionSet[int] | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        if self.rules:
            from pattern_engine.grouping.matching import ExpressionSet  # noqa: PLC0415  most have no rules

            expressions = ExpressionSet(
                (place, rule["expression"]) for place, rule in enumerate(self.rules)
            )
            object.__setattr__(self, "_expressions", expressions)
            for place, reason in expressions.refused.items():
                # Whoever writes the table past the endpoint can store such a one.
                logs.warning("rule_refused", rule_id=self.rules[place]["rule_id"], reason=reason)

    def first(self, occurrence: Occurrence) -> RuleRecord | None:
        """The rule that counts for an error; None where none matches."""
        if self._expressions is None:
            return None
        places = self._expressions.matches(occurrence.message[:MOST_CHARACTERS])
        fitting = (place for place in sorted(places) if _is_meant(self.rules[place], occurrence))
        place = next(fitting, None)
        return None if place is None else self.rules[place]

    def fingerprint(self, occurrence: Occurrence) -> str | None:
        """The fingerprint that the rules give to an error; None where none matches."""
        rule = self.first(occurrence)
        return None if rule is None else rule["fingerprint"]


def _is_meant(rule: RuleRecord, occurrence: Occurrence) -> bool:
    """Whether the conditions of a rule hold."""
    conditions = rule["conditions"]
    least = conditions.get("min_severity")
    return (
        conditions.get("source") in {None, occurrence.source}
        and conditions.get("environment") in {None, occurrence.environment}
        and (least is None or _level(occurrence.severity) >= _level(least))
    )


def _level(severity: str | None) -> int:
    """How bad it is; what is not known is least."""
    return _LEVELS.index(severity) if severity in _LEVELS else -1


_KEPT: WeakKeyDictionary[Database, tuple[float, RuleSet]] = WeakKeyDictionary()


def current(database: Database) -> RuleSet:
    """The enabled rules, at most `KEPT_SECONDS` old."""
    kept = _KEPT.get(database)
    now = time.monotonic()
    if kept is not None and now - kept[0] < KEPT_SECONDS:
        return kept[1]
    rules = RuleSet(database.grouping_rules())
    _KEPT[database] = (now, rules)
    return rules


def fingerprint(database: Database, occurrence: Occurrence) -> str | None:
    """The fingerprint that the operators' rules give to an error; None where none matches."""
    return current(database).fingerprint(occurrence)


def require_expression(expression: str) -> None:
    """Make sure that RE2 takes an expression, and that it does not match each and every message.

    Raises:
        InvalidRule: with RE2's own words.
    """
    import re2  # noqa: PLC0415  for those who make rules

    options: Any = re2.Options()
    options.log_errors = False
    options.max_mem = MOST_MEMORY
    try:
        compiled = re2.compile(expression, options=options)
    except re2.error as problem:
        reason = problem.args[0] if problem.args else problem
        said = reason.decode() if isinstance(reason, bytes) else str(reason)
        raise InvalidRule(
            f"RE2 does not take the expression: {said}.", details={"expression": expression}
        ) from None
    if compiled.search("") is not None:
        raise InvalidRule(
            "The expression matches even an empty message, and so every error.",
            details={"expression": expression},
        )
