"""Patterns, arrays and ranges with which every value there is agrees."""

from typing import Any, Final

from pglast import ast

from pattern_engine.fixes.sql.constants import (
    KEYS,
    NULL,
    bare,
    column_of,
    constant,
    is_a,
    named,
    text_of,
)
from pattern_engine.fixes.sql.terms import operator, text_or_empty

__all__ = ["contains_everything", "matches_everything", "pattern_of"]

# pglast declares each attribute of each node as optional; which ones are set, the grammar says.
Node = Any

_MATCH_ALL: Final = frozenset(
    {
        "", "%", "%%", "_%", "%_", "%_%", ".", ".*", ".+", ".*?", "^", "$", "^.", "^.*", "^.+",
        ".*$", ".+$", "^.*$", "^.+$", "(.*)", "(.+)", "|",
    }
)  # fmt: skip
_MATCH_KEYS: Final = frozenset(
    start + some + end
    for start in ("", "^")
    for some in (
        r"\d",
        r"\d+",
        r"\d*",
        "[0-9]",
        "[0-9]+",
        "[0-9]*",
        r"\w+",
        "[a-f0-9-]+",
        "[0-9a-f-]+",
    )
    for end in ("", "$")
)
_NOTHING: Final = frozenset({"{}", "[]"})
_UNBOUNDED: Final = frozenset({"(,)", "[,]", "(,]", "[,)"})
_EVER: Final = frozenset({"-infinity", "infinity"})
_ESCAPES: Final = frozenset({"similar_to_escape", "like_escape"})


def pattern_of(node: Node) -> Node:
    """Return the pattern on the right of LIKE, SIMILAR TO, `~` or `^@`, without its ESCAPE."""
    return node.rexpr.args[0] if named(node.rexpr) in _ESCAPES and node.rexpr.args else node.rexpr


def matches_everything(pattern: Node, text: Node = None) -> bool:
    """Tell whether a literal pattern matches every text, or every one that is not empty.

    Of a key, digits are no choice. A `coalesce` is as wide as its widest value.
    """
    if is_a(bare(pattern), ast.CoalesceExpr):
        return any(matches_everything(each, text) for each in bare(pattern).args)
    literal = text_of(pattern)
    return literal in _MATCH_ALL or (literal in _MATCH_KEYS and column_of(text) in KEYS)


def contains_everything(node: Node) -> bool:
    """Tell whether a condition asks for nothing: `x @> '{}'`, `x <@ '(,)'::int4range`."""
    name = named(node)
    if name == "overlaps":
        return {text_of(argument) for argument in node.args or ()} >= _EVER
    if name in ("starts_with", "regexp_like"):
        return len(node.args or ()) > 1 and matches_everything(node.args[1])
    if name or operator(node) not in ("@>", "<@"):
        return False
    sides = (node.lexpr, node.rexpr) if operator(node) == "@>" else (node.rexpr, node.lexpr)
    return text_or_empty(sides[1]) in _NOTHING or _is_unbounded(sides[0])


def _is_unbounded(node: Node) -> bool:
    """Tell whether a range is `(,)` or made without bounds, as `tstzrange(null, 'infinity')`."""
    inner = bare(node)
    if not named(inner).endswith("range"):
        return text_of(inner) in _UNBOUNDED
    bounds = [constant(argument) for argument in inner.args or ()][:2]
    return all(bound is NULL or bound in _EVER for bound in bounds)
