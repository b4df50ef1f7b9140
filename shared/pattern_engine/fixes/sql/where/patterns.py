"""Patterns, arrays and ranges that match or contain every value."""

from collections.abc import Iterator
from fractions import Fraction
from typing import Final

from pattern_engine.fixes.sql.nodes import children, is_a
from pattern_engine.fixes.sql.tree import Node, ast
from pattern_engine.fixes.sql.where.constants import (
    KEYS,
    NULL,
    bare,
    column_of,
    constant,
    named,
    text_of,
)
from pattern_engine.fixes.sql.where.terms import operator, text_or_empty

_MATCH_ALL: Final = frozenset(
    {
        "", "%", "%%", "_%", "%_", "%_%", ".", ".*", ".+", ".*?", "^", "$", "^.", "^.*", "^.+",
        ".*$", ".+$", "^.*$", "^.+$", "(.*)", "(.+)", "|",
    }
)  # fmt: skip
_MATCH_KEYS: Final = frozenset(
    start + some + end
    for start in ("", "^")
    for some in r"\d \d+ \d* [0-9] [0-9]+ [0-9]* \w+ [a-f0-9-]+ [0-9a-f-]+".split()  # noqa: SIM905  short
    for end in ("", "$")
)
_ERROR: Final = 2
"""The number of the script's parameter that holds the error: `$2`."""
_EMPTY: Final = frozenset({"{}", "[]"})
_UNBOUNDED: Final = frozenset({"(,)", "[,]", "(,]", "[,)"})
_INFINITE: Final = frozenset({"-infinity", "infinity"})
_ESCAPES: Final = frozenset({"similar_to_escape", "like_escape"})


def pattern_of(node: Node) -> Node:
    """Return the pattern on the right of LIKE, SIMILAR TO, `~` or `^@`, without its ESCAPE."""
    return node.rexpr.args[0] if named(node.rexpr) in _ESCAPES and node.rexpr.args else node.rexpr


def matches_everything(pattern: Node, text: Node = None) -> bool:
    """Tell whether a literal pattern matches every text, or every one that is not empty.

    A pattern for digits matches every key. A `coalesce` matches all that one of its values matches.
    """
    if is_a(bare(pattern), ast.CoalesceExpr):
        return any(matches_everything(each, text) for each in bare(pattern).args)
    literal = text_of(pattern)
    return literal in _MATCH_ALL or (literal in _MATCH_KEYS and column_of(text) in KEYS)


def is_the_errors(pattern: Node) -> bool:
    """Tell whether a pattern consists only of the error's text: `name ~ ($2->>'message')`.

    With such a pattern, whoever causes the error chooses the rows.
    """
    return _holds_error(pattern) and not any(
        (text_of(part) or "").strip("%_.*^$") for part in _joined(bare(pattern))
    )


def _joined(node: Node) -> Iterator[Node]:
    if is_a(node, ast.A_Expr) and operator(node) == "||":
        for side in (node.lexpr, node.rexpr):
            yield from _joined(bare(side))
    elif named(node) == "concat":
        yield from node.args or ()
    else:
        yield node


def _holds_error(node: object) -> bool:
    if is_a(node, ast.ParamRef):
        return bool(getattr(node, "number", None) == _ERROR)
    return any(map(_holds_error, children(node)))


def contains_everything(node: Node) -> bool:
    """Tell whether a condition is always true: `x @> '{}'`, `x <@ '(,)'::int4range`."""
    name = named(node)
    if name == "isfinite":
        return True
    if name == "overlaps":
        return {text_of(argument) for argument in node.args or ()} >= _INFINITE
    if name in ("starts_with", "regexp_like"):
        return len(node.args or ()) > 1 and matches_everything(node.args[1])
    if name or operator(node) not in ("@>", "<@"):
        return False
    sides = (node.lexpr, node.rexpr) if operator(node) == "@>" else (node.rexpr, node.lexpr)
    return text_or_empty(sides[1]) in _EMPTY or _is_unbounded(*sides)


def _is_unbounded(node: Node, element: Node) -> bool:
    """Tell whether a range is `(,)` or has no bounds, as in `tstzrange(null, 'infinity')`.

    Keys begin at 1, so a lower bound of 1 or less does not restrict them.
    """
    inner = bare(node)
    if not named(inner).endswith("range"):
        return text_of(inner) in _UNBOUNDED
    bounds = [constant(argument) for argument in inner.args or ()][:2]
    lower = bounds[0] if bounds else None
    if column_of(element) in KEYS and isinstance(lower, Fraction) and lower <= 1:
        bounds = bounds[1:]
    return all(bound is NULL or bound in _INFINITE for bound in bounds)
