"""Simplifying the expressions of a condition, so that equal expressions have equal forms."""

from typing import Final, Protocol

from pattern_engine.fixes.sql.nodes import is_a
from pattern_engine.fixes.sql.tree import Node, TreeNode, ast, enums
from pattern_engine.fixes.sql.where.constants import (
    NEVER_NULL,
    bare,
    column_of,
    constant,
    named,
    text_of,
)
from pattern_engine.fixes.sql.where.queries import scalar_subquery


class Reach(Protocol):
    """Tells which columns belong to the row that a statement touches."""

    def is_own_name(self, column: Node, /) -> bool:
        """Tell whether a reference can mean a column of the row."""

    def is_whole(self, column: Node, /) -> bool:
        """Tell whether a reference means the whole row."""


_KIND = enums.A_Expr_Kind
_ARITHMETIC: Final = frozenset(
    {"+", "-", "*", "/", "%", "^", "&", "|", "#", "||", "->", "->>", "#>", "#>>"}
)
#: Functions that return null only for a null argument.
_STRICT: Final = frozenset(
    {"md5", "length", "char_length", "lower", "upper", "initcap", "abs", "btrim"}
    | {"to_jsonb", "to_json"}
)
_NEVER_NULL: Final = frozenset(
    {
        "concat", "concat_ws", "jsonb_build_object", "jsonb_build_array", "json_build_object",
        "json_build_array", "count", "format", "num_nulls", "num_nonnulls", "random",
        "gen_random_uuid",
    }
)  # fmt: skip


def operator(node: Node) -> str:
    """Return the operator of an A_Expr, without its schema."""
    return str(node.name[-1].sval)


def expression(name: str, left: Node, right: Node) -> Node:
    """Return the tree of `left name right`."""
    return ast.A_Expr(kind=_KIND.AEXPR_OP, name=(ast.String(sval=name),), lexpr=left, rexpr=right)


def simplified(node: Node) -> Node:
    """Remove from an expression what does not change its value; leave constants as they are."""
    while constant(node) is None:
        inner = bare(node)
        step = _SIMPLER.get(type(inner))
        simpler = step(inner) if step else inner
        if simpler is inner:
            return inner
        node = simpler
    return node


def _simpler_arithmetic(node: Node) -> Node:
    if node.kind != _KIND.AEXPR_OP:
        return node
    if node.lexpr is None:
        return node.rexpr if operator(node) == "+" else node
    name, left, right = operator(node), constant(node.lexpr), constant(node.rexpr)
    if (
        (name in "+-|#" and right == 0)
        or (name in "*/" and right == 1)
        or (name == "||" and right in ("", "{}", "[]"))
    ):
        return node.lexpr
    if (name == "+" and left == 0) or (name == "*" and left == 1) or (name == "||" and left == ""):
        return node.rexpr
    same = node.lexpr == node.rexpr
    if (
        (name in "*&" and 0 in (left, right))
        or (name == "%" and right == 1)
        or (name in "-#" and same)
    ):
        return _number(0)
    return _number(1) if (name == "/" and same) or (name == "^" and right == 0) else node


def _simpler_coalesce(node: Node) -> Node:
    first = node.args[0]
    return first if _all_equal(node.args) or column_of(first) in NEVER_NULL else node


def _simpler_extreme(node: Node) -> Node:
    return node.args[0] if _all_equal(node.args) else node


def _all_equal(nodes: tuple[Node, ...]) -> bool:
    return all(node == nodes[0] for node in nodes[1:])


def _simpler_field(node: Node) -> Node:
    """Turn `(users).id` into `users.id`."""
    field = node.indirection[0] if len(node.indirection) == 1 else None
    whole = is_a(node.arg, ast.ColumnRef) and len(node.arg.fields) == 1
    return (
        ast.ColumnRef(fields=(*node.arg.fields, field))
        if whole and is_a(field, ast.String)
        else node
    )


def _simpler_subquery(node: Node) -> Node:
    """Turn `(select x)` into x."""
    query = scalar_subquery(node)
    alone = query is not None and not query.fromClause and not query.whereClause
    return (
        query.targetList[0].val if alone and query.targetList and query.limitCount is None else node
    )


_SIMPLER: Final = {
    ast.A_Expr: _simpler_arithmetic,
    ast.CoalesceExpr: _simpler_coalesce,
    ast.MinMaxExpr: _simpler_extreme,
    ast.SubLink: _simpler_subquery,
    ast.A_Indirection: _simpler_field,
}


def _number(value: int) -> Node:
    return ast.A_Const(val=ast.Integer(ival=value))


def key(node: object, row: Reach) -> object:
    """Return a value that is equal for equal expressions, ignoring casts and the row's names."""
    if isinstance(node, tuple):
        return tuple(key(each, row) for each in node)
    if not is_a(node, TreeNode):
        return node
    inner = simplified(node)
    if is_a(inner, ast.ColumnRef) and row.is_own_name(inner):
        return ("column", column_of(inner) if not row.is_whole(inner) else "*")
    inner = bare(inner)
    slots = tuple(key(getattr(inner, slot), row) for slot in inner)
    return (type(inner).__name__, *slots)


def never_null(node: Node, row: Reach) -> bool:
    """Tell whether an expression is not null in any row."""
    inner = bare(node)
    if is_a(inner, ast.ColumnRef):
        own = row.is_own_name(inner)
        return own and (row.is_whole(inner) or column_of(inner) in NEVER_NULL)
    if is_a(inner, ast.CoalesceExpr, ast.MinMaxExpr):
        return any(never_null(argument, row) for argument in inner.args)
    if is_a(inner, ast.FuncCall):
        strict = named(inner) in _STRICT and all(never_null(each, row) for each in inner.args or ())
        return strict or named(inner) in _NEVER_NULL
    if is_a(inner, ast.A_Expr):
        computed = inner.kind == _KIND.AEXPR_OP and not operator(inner).startswith(("->", "#>"))
        sides = [side for side in (inner.lexpr, inner.rexpr) if side is not None]
        return computed and all(never_null(side, row) for side in sides)
    if is_a(inner, ast.SubLink):
        kinds = enums.SubLinkType
        return inner.subLinkType in (kinds.EXISTS_SUBLINK, kinds.ARRAY_SUBLINK)
    made = (ast.A_ArrayExpr, ast.NullTest, ast.BooleanTest)
    return is_a(inner, *made) or (is_a(inner, ast.A_Const) and not inner.isnull)


def is_condition(node: Node) -> bool:
    """Tell whether an expression has the form of a condition."""
    if is_a(node, ast.A_Expr):
        return node.kind != _KIND.AEXPR_NULLIF and operator(node) not in _ARITHMETIC
    if is_a(node, ast.SubLink):
        kinds = enums.SubLinkType
        return node.subLinkType in (kinds.EXISTS_SUBLINK, kinds.ANY_SUBLINK, kinds.ALL_SUBLINK)
    return is_a(node, ast.BoolExpr, ast.NullTest, ast.BooleanTest)


def text_or_empty(node: Node) -> str | None:
    """Return the text of a literal, `{}` for an array without elements, or None."""
    inner = bare(node)
    empty = is_a(inner, ast.A_ArrayExpr) and not inner.elements
    return "{}" if empty else text_of(node)


def members(node: Node) -> tuple[Node, ...] | None:
    """Return the elements of an IN list, an ARRAY[…] or a one-dimensional array literal."""
    if isinstance(node, tuple):
        return node
    inner = bare(node)
    if is_a(inner, ast.A_ArrayExpr):
        return inner.elements or ()
    text = text_of(node)
    if text is None or not (text.startswith("{") and text.endswith("}")) or '"' in text:
        return None
    words = text[1:-1].split(",") if text[1:-1].strip() else []
    return tuple(ast.A_Const(val=ast.String(sval=word.strip())) for word in words)


def paired(left: Node, right: Node) -> list[tuple[Node, Node]] | None:
    """Return the pairs of values that two row constructors of the same length compare."""
    if not (is_a(left, ast.RowExpr) and is_a(right, ast.RowExpr)):
        return None
    ones, others = left.args or (), right.args or ()
    return list(zip(ones, others, strict=True)) if len(ones) == len(others) else None


def conjunction(*parts: Node) -> Node:
    """Return the tree of the conditions joined by AND, without those that are None."""
    given = tuple(part for part in parts if part is not None)
    if not given:
        return ast.A_Const(val=ast.Boolean(boolval=True))
    return ast.BoolExpr(boolop=enums.BoolExprType.AND_EXPR, args=given)
