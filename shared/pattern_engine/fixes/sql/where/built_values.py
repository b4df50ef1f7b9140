"""Conditions on a value that the script itself builds from a row, which do not choose rows.

`array_length(array[id], 1) = 1`, `jsonb_build_object('id', id) ? 'id'` and `length(md5(name)) > 0`
contain a column, and hold for every row.
"""

from typing import Final

from pattern_engine.fixes.sql.nodes import children, is_a
from pattern_engine.fixes.sql.tree import Node, ast
from pattern_engine.fixes.sql.where.constants import bare, named
from pattern_engine.fixes.sql.where.terms import operator

_DIGESTS: Final = frozenset({"md5", "sha224", "sha256", "sha384", "sha512"})
_KEEPING_DIGESTS: Final = frozenset(
    {"encode", "lower", "upper", "left", "right", "substr", "substring"}
)
_BUILDERS: Final = _DIGESTS | {
    *("to_json", "to_jsonb", "row_to_json", "array_to_json", "json_object", "jsonb_object"),
    *("json_build_array", "json_build_object", "jsonb_build_array", "jsonb_build_object"),
}
#: Functions that return the structure of their argument, or a part of it.
_INSPECTING: Final = frozenset(
    {
        *("length", "char_length", "character_length", "octet_length", "bit_length", "ascii"),
        *("cardinality", "array_length", "array_lower", "array_upper", "array_ndims"),
        *("array_position", "array_positions", "array_to_string", "unnest"),
        *("json_typeof", "jsonb_typeof", "json_array_length", "jsonb_array_length"),
        *("json_extract_path", "json_extract_path_text", "json_object_keys"),
        *("jsonb_extract_path", "jsonb_extract_path_text", "jsonb_object_keys"),
        *("jsonb_path_exists", "jsonb_path_match"),
    }
)
_INSPECTING_OPERATORS: Final = frozenset(
    {"->", "->>", "#>", "#>>", "?", "?|", "?&", "@>", "<@", "&&", "@?", "@@"}
)


def is_digest(node: Node) -> bool:
    """Tell whether a node is a hash, or a part of one: only comparing it with `=` chooses rows."""
    inner = bare(node)
    while named(inner) in _KEEPING_DIGESTS and inner.args:
        inner = bare(inner.args[0])
    return named(inner) in _DIGESTS


def inspects_built_value(node: object) -> bool:
    """Tell whether an expression contains a condition on a value built from columns."""
    return _inspects(node) or any(inspects_built_value(child) for child in children(node))


def _inspects(node: Node) -> bool:
    if is_a(node, ast.FuncCall):
        return named(node) in _INSPECTING and any(map(_is_built_from_columns, node.args or ()))
    if is_a(node, ast.A_Expr) and operator(node) in _INSPECTING_OPERATORS:
        sides = (node.lexpr, node.rexpr)
        built = [_is_built_from_columns(side) for side in sides]
        return any(built) and all(
            is_built or not _holds_column(side) for side, is_built in zip(sides, built, strict=True)
        )
    # `(select max(x) from (values (a), (b)) v(x))`, with several rows, is a GREATEST.
    values = node.valuesLists if is_a(node, ast.SelectStmt) else None
    return values is not None and len(values) == 1 and _holds_column(values)


def _is_built_from_columns(node: Node) -> bool:
    inner = bare(node)
    is_built = is_a(inner, ast.A_ArrayExpr) or named(inner) in _BUILDERS or is_digest(inner)
    return is_built and _holds_column(inner)


def _holds_column(node: object) -> bool:
    return is_a(node, ast.ColumnRef) or any(_holds_column(child) for child in children(node))
