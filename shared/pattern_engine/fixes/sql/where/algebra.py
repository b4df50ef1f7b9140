"""Solving comparisons for the column that they contain."""

from fractions import Fraction
from typing import Final

from pattern_engine.fixes.sql.nodes import is_a
from pattern_engine.fixes.sql.tree import Node, ast, enums
from pattern_engine.fixes.sql.where.constants import Constant, Span, clock, constant, named, shifted
from pattern_engine.fixes.sql.where.terms import operator, simplified

_KIND: Final = enums.A_Expr_Kind


def linear(node: Node) -> tuple[Node, float]:
    """Split an expression into a term and a number: `id + 1` is (id, 1); intervals are in days."""
    inner = simplified(node)
    if is_a(inner, ast.A_Expr) and inner.kind == _KIND.AEXPR_OP and inner.lexpr is not None:
        added = constant(inner.rexpr)
        if operator(inner) in ("+", "-") and isinstance(added, Fraction | Span):
            amount = added.days if isinstance(added, Span) else float(added)
            base, offset = linear(inner.lexpr)
            return base, offset + (amount if operator(inner) == "+" else -amount)
    return inner, 0.0


def solved(node: Node, value: Constant) -> tuple[Node, Constant, bool]:
    """Solve `x + 1 = value` and `now() - x = value` for x.

    Returns x, the constant to compare it with, and whether `<` has become `>`.
    """
    mirrored = False
    while step := _solved_once(simplified(node), value):
        node, value, turned = step
        mirrored ^= turned
    return simplified(node), value, mirrored


def _solved_once(node: Node, value: Constant) -> tuple[Node, Constant, bool] | None:
    if is_a(node, ast.A_Expr) and node.lexpr is None and isinstance(value, Fraction):
        return (node.rexpr, -value, True) if operator(node) == "-" else None
    left, right, name = _sum(node)
    if name is None:
        return _solved_product(node, value)
    first, second = constant(left) if left else None, constant(right)
    if second is not None:
        moved = shifted(value, second, -1 if name == "+" else 1)
        return None if moved is None else (left, moved, False)
    if first is None:
        return None
    moved = shifted(value, first, -1) if name == "+" else shifted(first, value, -1)
    return None if moved is None else (right, moved, name == "-")


def _solved_product(node: Node, value: Constant) -> tuple[Node, Constant, bool] | None:
    if not is_a(node, ast.A_Expr) or node.lexpr is None or operator(node) != "*":
        return None
    factor = constant(node.rexpr)
    if isinstance(factor, Fraction) and isinstance(value, Fraction) and factor:
        return node.lexpr, value / factor, factor < 0
    return None


def _sum(node: Node) -> tuple[Node, Node, str | None]:
    """Return both sides and the sign of a sum or difference; `age(x)` counts as `now() - x`."""
    if named(node) == "age" and len(node.args or ()) in (1, 2):
        return (clock() if len(node.args) == 1 else node.args[0]), node.args[-1], "-"
    if is_a(node, ast.A_Expr) and node.kind == _KIND.AEXPR_OP and node.lexpr is not None:
        return node.lexpr, node.rexpr, operator(node) if operator(node) in ("+", "-") else None
    return None, None, None
