"""Recognising what a subquery in a condition returns."""

from pattern_engine.fixes.sql.nodes import is_a
from pattern_engine.fixes.sql.tree import Node, ast, enums
from pattern_engine.fixes.sql.where.constants import bare, named


def scalar_subquery(node: Node) -> Node:
    """Return the query of a scalar subquery `(select …)`, or None."""
    inner = bare(node)
    scalar = is_a(inner, ast.SubLink) and inner.subLinkType == enums.SubLinkType.EXPR_SUBLINK
    return inner.subselect if scalar else None


def _only_call(query: Node, *names: str) -> Node:
    """Return the call of one of these functions if a query selects only that, or None."""
    values = [target.val for target in query.targetList or ()] if query is not None else []
    call: Node = values[0] if len(values) == 1 else None
    return call if named(call) in names and len(call.args or ()) == 1 else None


def only_value(query: Node) -> Node:
    """Return the value of a query with one row, `select 1` or `select min(id) from x`, or None."""
    if not is_a(query, ast.SelectStmt) or len(query.targetList or ()) != 1 or query.groupClause:
        return None
    value: Node = query.targetList[0].val
    if not query.fromClause and not query.whereClause:
        return value
    inner = ast.SubLink(subLinkType=enums.SubLinkType.EXPR_SUBLINK, subselect=query)
    return inner if _only_call(query, "min", "max") else None


def listed_values(query: Node) -> tuple[Node, ...]:
    """Return the values of `values (1), (2)`, and a row constructor for a row of several values."""
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
    """Tell whether a query returns only the number of its rows."""
    if query is None or query.groupClause:
        return False
    return [named(target.val) for target in query.targetList or ()] == ["count"]


def extreme(node: Node) -> tuple[str | None, Node, Node]:
    """Return "min" or "max", its argument and the query if a subquery selects one, else None."""
    query = scalar_subquery(node)
    call = None if query is None or query.groupClause else _only_call(query, "min", "max")
    return (named(call), call.args[0], query) if call else (None, None, None)


def without_limit(query: Node) -> Node:
    """Return a query without its LIMIT, which does not matter to EXISTS."""
    slots = {slot: getattr(query, slot) for slot in query}
    return ast.SelectStmt(**{**slots, "limitCount": None})


def selecting(value: Node, query: Node) -> Node:
    """Return a query that selects another value from the same rows."""
    slots = {slot: getattr(query, slot) for slot in query}
    return ast.SelectStmt(**{**slots, "targetList": (ast.ResTarget(val=value),)})
