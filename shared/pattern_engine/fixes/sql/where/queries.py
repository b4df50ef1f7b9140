"""What a subquery in a condition gives, told by its form."""

from typing import Any

from pglast import ast, enums

from pattern_engine.fixes.sql.nodes import is_a
from pattern_engine.fixes.sql.where.constants import bare, named

__all__ = [
    "array_subquery",
    "extreme",
    "is_count",
    "is_star",
    "listed_values",
    "only_value",
    "scalar_subquery",
    "selecting",
    "without_limit",
]

# pglast declares each attribute of each node as optional; which ones are set, the grammar says.
Node = Any


def scalar_subquery(node: Node) -> Node:
    """Return the query of `(select …)` as a value; None if a node is none."""
    inner = bare(node)
    scalar = is_a(inner, ast.SubLink) and inner.subLinkType == enums.SubLinkType.EXPR_SUBLINK
    return inner.subselect if scalar else None


def _only_call(query: Node, *names: str) -> Node:
    """Return the function call of one argument that a query selects, if it selects nothing else."""
    values = [target.val for target in query.targetList or ()] if query is not None else []
    call: Node = values[0] if len(values) == 1 else None
    return call if named(call) in names and len(call.args or ()) == 1 else None


def only_value(query: Node) -> Node:
    """Return the one value that a query gives: `select 1`, `select min(id) from x`; else None."""
    if not is_a(query, ast.SelectStmt) or len(query.targetList or ()) != 1 or query.groupClause:
        return None
    value: Node = query.targetList[0].val
    if not query.fromClause and not query.whereClause:
        return value
    inner = ast.SubLink(subLinkType=enums.SubLinkType.EXPR_SUBLINK, subselect=query)
    return inner if _only_call(query, "min", "max") else None


def listed_values(query: Node) -> tuple[Node, ...]:
    """Return the values that `values (1), (2)` lists, a row with more than one as such."""
    rows = query.valuesLists if is_a(query, ast.SelectStmt) else None
    return tuple(row[0] if len(row) == 1 else ast.RowExpr(args=row) for row in rows or ())


def is_star(node: Node) -> bool:
    """Tell whether a target is `*`."""
    return is_a(node, ast.ColumnRef) and is_a(node.fields[-1], ast.A_Star)


def array_subquery(node: Node) -> Node:
    """Return the query whose rows are the elements of `array(select …)` or `array_agg`."""
    inner = bare(node)
    if is_a(inner, ast.SubLink) and inner.subLinkType == enums.SubLinkType.ARRAY_SUBLINK:
        return inner.subselect
    query = scalar_subquery(inner)
    call = _only_call(query, "array_agg")
    return call and selecting(call.args[0], query)


def is_count(query: Node) -> bool:
    """Tell whether a query gives the number of its rows, and nothing else."""
    if query is None or query.groupClause:
        return False
    return [named(target.val) for target in query.targetList or ()] == ["count"]


def extreme(node: Node) -> tuple[str | None, Node, Node]:
    """Return which of min and max a subquery selects, of what, and the query."""
    query = scalar_subquery(node)
    call = None if query is None or query.groupClause else _only_call(query, "min", "max")
    return (named(call), call.args[0], query) if call else (None, None, None)


def without_limit(query: Node) -> Node:
    """Return a query without its LIMIT: whether it finds anything does not hang on that."""
    slots = {slot: getattr(query, slot) for slot in query}
    return ast.SelectStmt(**{**slots, "limitCount": None})


def selecting(value: Node, query: Node) -> Node:
    """Return a query that selects another value from the same rows."""
    slots = {slot: getattr(query, slot) for slot in query}
    return ast.SelectStmt(**{**slots, "targetList": (ast.ResTarget(val=value),)})
