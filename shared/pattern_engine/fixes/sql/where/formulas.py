"""Formulas in SQL's logic of three values, over values that are filled in later."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from pglast import ast

from pattern_engine.fixes.sql.where.constants import Constant
from pattern_engine.fixes.sql.where.samples import samples

__all__ = [
    "ORDER",
    "Formula",
    "Key",
    "Truth",
    "Values",
    "always",
    "every",
    "fixed",
    "negated",
    "some",
]

Truth = bool | None
"""None is SQL's unknown."""
Key = tuple[Any, ...]
"""What stands for one variable."""
Values = Mapping[Key, Any]
Formula = Callable[[Values], Truth]

ORDER: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "=": lambda a, b: a == b, "<>": lambda a, b: a != b, "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b, ">": lambda a, b: a > b, ">=": lambda a, b: a >= b,
}  # fmt: skip


def always(answer: Constant | None) -> Formula:
    """Return the formula of one answer; of what is no boolean, unknown."""
    truth = answer if isinstance(answer, bool) else None
    return lambda _: truth


def negated(part: Formula) -> Formula:
    """Return NOT."""
    return lambda values: None if (answer := part(values)) is None else not answer


def every(parts: list[Formula]) -> Formula:
    """Return AND."""

    def conjunction(values: Values) -> Truth:
        answers = [part(values) for part in parts]
        return False if False in answers else None if None in answers else True

    return conjunction


def some(parts: list[Formula]) -> Formula:
    """Return OR."""
    return negated(every([negated(part) for part in parts]))


def fixed(operator: str, node: ast.Node, left: Constant, right: Constant) -> Formula | None:
    """Compare two constants; None if not sure.

    Texts that differ may be equal as values: `'yes'::bool = 't'::bool`.
    """
    if left == right:
        return always(ORDER[operator](0, 0))
    measured = samples(node, [left, right])[0][1]
    one, other = measured[left], measured[right]
    return None if isinstance(one, str) else always(ORDER[operator](one, other))
