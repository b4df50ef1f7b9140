"""Grouping rules: the operators' rule that an error matches decides on its fingerprint.

If several rules match, the one with the smallest priority decides, and the oldest of equal ones.
RE2 matches every expression in linear time. A process reads the enabled rules, and of which older
algorithms the database holds signatures, and keeps both for `KEPT_SECONDS`. So a change takes
effect everywhere within that time.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from pattern_engine import logs
from pattern_engine.exceptions import InvalidRule

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pattern_engine.database.database import Database
    from pattern_engine.database.records import RuleRecord
    from pattern_engine.grouping.matching import ExpressionSet

__all__ = ["KEPT_SECONDS", "NONE", "RuleSet", "current", "require_expression"]

KEPT_SECONDS: Final = 30.0
MAX_CHARACTERS: Final = 8192
"""Characters of a message that rules are matched against."""
MAX_MEMORY: Final = 1 << 20
"""Bytes that RE2 may use for one expression; `(a{999}){999}` needs more and is refused."""
_LEVELS: Final = ("debug", "info", "warning", "error", "critical")


@dataclass(frozen=True)
class RuleSet:
    """Rules in order of precedence, compiled into one automaton, and the older algorithms."""

    rules: Sequence[RuleRecord]
    older_algorithms: Sequence[str] = ()
    """The older algorithms of which the database holds signatures."""
    _expressions: ExpressionSet[int] | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        if self.rules:
            from pattern_engine.grouping.matching import ExpressionSet  # noqa: PLC0415  most have no rules

            expressions = ExpressionSet(
                (place, rule["expression"]) for place, rule in enumerate(self.rules)
            )
            object.__setattr__(self, "_expressions", expressions)
            for place, reason in expressions.refused.items():
                # SQL that writes the table directly can store an expression that RE2 refuses.
                logs.warning("rule_refused", rule_id=self.rules[place]["rule_id"], reason=reason)

    def first(
        self,
        message: str,
        *,
        source: str | None = None,
        environment: str | None = None,
        severity: str | None = None,
    ) -> RuleRecord | None:
        """The rule that decides for an error; None if none matches."""
        if self._expressions is None:
            return None
        places = self._expressions.matches(message[:MAX_CHARACTERS])
        exact = {"source": source, "environment": environment}
        fitting = (
            place for place in sorted(places) if _is_meant(self.rules[place], exact, severity)
        )
        place = next(fitting, None)
        return None if place is None else self.rules[place]

    def fingerprint(self, message: str, **circumstances: str | None) -> str | None:
        """The fingerprint of the rule that decides for an error; None if none matches."""
        rule = self.first(message, **circumstances)
        return None if rule is None else rule["fingerprint"]


NONE: Final = RuleSet(())
"""No rules, and no signatures of an older algorithm."""


def _is_meant(rule: RuleRecord, exact: Mapping[str, str | None], severity: str | None) -> bool:
    """Whether the conditions of a rule hold for an error."""
    conditions = rule["conditions"]
    least = conditions.get("min_severity")
    return all(conditions.get(name) in {None, value} for name, value in exact.items()) and (
        least is None or _level(severity) >= _level(least)
    )


def _level(severity: str | None) -> int:
    """The rank of a severity; an unknown one ranks lowest."""
    return _LEVELS.index(severity) if severity in _LEVELS else -1


_KEPT: WeakKeyDictionary[Database, tuple[float, RuleSet]] = WeakKeyDictionary()


def current(database: Database) -> RuleSet:
    """The enabled rules and the older algorithms in use, at most `KEPT_SECONDS` old."""
    kept = _KEPT.get(database)
    now = time.monotonic()
    if kept is not None and now - kept[0] < KEPT_SECONDS:
        return kept[1]
    found = database.grouping()
    rules = RuleSet(found["rules"], found["older_algorithms"])
    _KEPT[database] = (now, rules)
    return rules


def require_expression(expression: str) -> None:
    """Check that RE2 compiles an expression, and that it does not match an empty message.

    Raises:
        InvalidRule: if it does not compile, with RE2's reason, or if it matches every message.
    """
    import re2  # noqa: PLC0415  only saving and previewing a rule need it here

    options: Any = re2.Options()
    options.log_errors = False
    options.max_mem = MAX_MEMORY
    try:
        compiled = re2.compile(expression, options=options)
    except re2.error as problem:
        reason = problem.args[0] if problem.args else problem
        text = reason.decode() if isinstance(reason, bytes) else str(reason)
        raise InvalidRule(
            f"RE2 cannot compile the expression: {text}.", details={"expression": expression}
        ) from None
    if compiled.search("") is not None:
        raise InvalidRule(
            "The expression matches an empty message and so every error; write a narrower one.",
            details={"expression": expression},
        )
