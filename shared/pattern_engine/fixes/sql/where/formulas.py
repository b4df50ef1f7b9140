"""Formulas of SQL's three-valued logic, with variables."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from pattern_engine.fixes.sql.tree import Node
from pattern_engine.fixes.sql.where.constants import Constant
from pattern_engine.fixes.sql.where.samples import samples

Truth = bool | None
"""None means unknown."""
Key = tuple[Any, ...]
"""The name of a variable."""
Values = Mapping[Key, Any]
Formula = Callable[[Values], Truth]

ORDER: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "=": lambda a, b: a == b, "<>": lambda a, b: a != b, "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b, ">": lambda a, b: a > b, ">=": lambda a, b: a >= b,
}  # fmt: skip


def always(answer: Constant | None) -> Formula:
    """Return the formula with a constant result, which is unknown unless it is a boolean."""
    truth = answer if isinstance(answer, bool) else None
    return lambda _: truth


def negated(part: Formula) -> Formula:
    """Return the formula NOT part."""
    return lambda values: None if (answer := part(values)) is None else not answer


def every(parts: list[Formula]) -> Formula:
    """Return the formula of all parts joined by AND."""

    def conjunction(values: Values) -> Truth:
        answers = [part(values) for part in parts]
        return False if False in answers else None if None in answers else True

    return conjunction


def some(parts: list[Formula]) -> Formula:
    """Return the formula of all parts joined by OR."""
    return negated(every([negated(part) for part in parts]))


def comparison(operator: str, left: Formula, right: Formula) -> Formula:
    """Return the formula that compares the results of two formulas."""

    def compare(values: Values) -> Truth:
        one, other = left(values), right(values)
        return None if None in (one, other) else ORDER[operator](one, other)

    return compare


def fixed(operator: str, node: Node, left: Constant, right: Constant) -> Formula | None:
    """Compare two constants; return None if the result is uncertain.

    Different texts may be equal as values: `'yes'::bool = 't'::bool`.
    """
    if left == right:
        return always(ORDER[operator](0, 0))
    measured = samples(node, [left, right])[0][1]
    one, other = measured[left], measured[right]
    return None if isinstance(one, str) else always(ORDER[operator](one, other))
