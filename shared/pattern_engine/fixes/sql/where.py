"""Whether a WHERE clause chooses rows, or lets through every row there is.

A static check of what people write by mistake or to get around the rule: `true`, `1 = 1`, `id =
id`, `not false`, `… or true`, `$1 = $1`, a condition on another table alone. It cannot tell that
`id > 0` holds for every row; the cap on touched rows does that while the fix runs.
"""

from collections.abc import Callable
from typing import Any, Final

from pglast import ast, enums

__all__ = ["chooses_rows"]

_NEGATIONS: Final = {"=": "<>", "<>": "=", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}
_HOLD_FOR_EQUALS: Final = frozenset({"=", "<=", ">=", "~=", "@>", "<@", "&&"})
_FAIL_FOR_EQUALS: Final = frozenset({"<>", "<", ">"})
_MATCH_ALL: Final = frozenset({"%", "%%", "", ".*", "^", "$", "^.*$", "^.*", ".*$"})
_BOOLEANS: Final = {"t": True, "true": True, "f": False, "false": False}
_KIND = enums.A_Expr_Kind
_TEST = enums.BoolTestType

_PATTERNS: Final = (_KIND.AEXPR_LIKE, _KIND.AEXPR_ILIKE)
_DISTINCTIONS: Final = (_KIND.AEXPR_DISTINCT, _KIND.AEXPR_NOT_DISTINCT)
_MEMBERS: Final = (_KIND.AEXPR_IN, _KIND.AEXPR_OP_ANY, _KIND.AEXPR_OP_ALL)
_BETWEEN: Final = (_KIND.AEXPR_BETWEEN, _KIND.AEXPR_NOT_BETWEEN)

Names = frozenset[str]
# pglast declares each attribute of each node as optional; which ones are set, the grammar says.
Node = Any


def chooses_rows(where: ast.Node | None, target: Names) -> bool:
    """Tell whether a condition depends on the row that an UPDATE or DELETE would touch.

    `target` are the names by which the row goes (table or alias). A column without a qualifier
    counts as the row's, except in a subquery, where it is more likely the subquery's own.
    """
    return where is not None and not _Condition(target).may_hold_always(where)


class _Condition:
    """The two questions on a condition; a value that the row does not decide may be either."""

    def __init__(self, target: Names) -> None:
        self.target = target

    def may_hold_always(self, node: Node) -> bool:
        """Tell whether a condition holds for every row, or could by a value outside the row."""
        return self._decides(node, wanted=True)

    def _decides(self, node: Node, *, wanted: bool) -> bool:
        """Tell whether every row gives the wanted answer, or could by a value outside the row."""
        node = _bare(node)
        literal = _literal_truth(node)
        if literal is not None:
            return literal is wanted
        if not self._depends(node):
            return True
        decide = _DECISIONS.get(type(node))
        return decide is not None and decide(self, node, wanted)

    def _connective(self, node: Node, wanted: bool) -> bool:
        if node.boolop == enums.BoolExprType.NOT_EXPR:
            return self._decides(node.args[0], wanted=not wanted)
        one_is_enough = (node.boolop == enums.BoolExprType.OR_EXPR) is wanted
        answers = [self._decides(argument, wanted=wanted) for argument in node.args]
        if any(answers) if one_is_enough else all(answers):
            return True
        return one_is_enough and self._complementary(node)

    def _case(self, node: Node, wanted: bool) -> bool:
        """Tell whether all branches decide, or one does whose condition may hold for every row."""
        branches = [(when.expr, self._decides(when.result, wanted=wanted)) for when in node.args]
        otherwise = node.defresult is not None and self._decides(node.defresult, wanted=wanted)
        if otherwise and all(decided for _, decided in branches):
            return True
        compared_with_row = node.arg is not None and self._depends(node.arg)
        return not compared_with_row and any(
            decided and self._decides(condition, wanted=True) for condition, decided in branches
        )

    def _coalesce(self, node: Node, wanted: bool) -> bool:
        return self._decides(node.args[0], wanted=wanted)

    def _complementary(self, node: Node) -> bool:
        """Tell whether one argument is another's negation: `a is null or a is not null`."""
        seen = {self._key(argument) for argument in node.args}
        return any(self._negated_key(argument) in seen for argument in node.args)

    def _comparison(self, node: Node, wanted: bool) -> bool:
        operator = _operator(node)
        if node.kind in _PATTERNS or operator.lstrip("!") in ("~", "~*"):
            negated = operator.startswith("!")
            return negated is not wanted and _text(node.rexpr) in _MATCH_ALL
        left = self._key(node.lexpr)
        equal = left == self._key(node.rexpr)
        if node.kind == _KIND.AEXPR_OP:
            return equal and operator in (_HOLD_FOR_EQUALS if wanted else _FAIL_FOR_EQUALS)
        if node.kind in _DISTINCTIONS:
            return equal and (node.kind == _KIND.AEXPR_NOT_DISTINCT) is wanted
        return self._membership(node, left, wanted)

    def _membership(self, node: Node, left: object, wanted: bool) -> bool:
        """Judge IN, ANY, ALL and BETWEEN whose members are the left side itself."""
        members = node.rexpr.elements if isinstance(node.rexpr, ast.A_ArrayExpr) else node.rexpr
        if not isinstance(members, tuple):
            return False
        same = [left == self._key(member) for member in members]
        if node.kind in _MEMBERS:
            return any(same) and (_operator(node) == "=") is wanted
        if node.kind in _BETWEEN:
            return all(same) and (node.kind == _KIND.AEXPR_BETWEEN) is wanted
        return False

    def _test(self, node: Node, wanted: bool) -> bool:
        kind = node.booltesttype
        if kind in (_TEST.IS_TRUE, _TEST.IS_NOT_FALSE):
            return self._decides(node.arg, wanted=wanted)
        if kind in (_TEST.IS_FALSE, _TEST.IS_NOT_TRUE):
            return self._decides(node.arg, wanted=not wanted)
        return False

    def _depends(self, node: object, *, within_subquery: bool = False) -> bool:
        """Tell whether the row decides the value: a column of it is used."""
        if isinstance(node, tuple):
            return any(self._depends(each, within_subquery=within_subquery) for each in node)
        if not isinstance(node, ast.Node):
            return False
        if isinstance(node, ast.ColumnRef):
            qualifier = _qualifier(node)
            return not within_subquery if qualifier is None else qualifier in self.target
        return any(
            self._depends(
                getattr(node, slot), within_subquery=within_subquery or slot == "subselect"
            )
            for slot in node
        )

    def _key(self, node: object) -> object:
        """Return a value that is equal where expressions are, casts and qualifiers aside."""
        if isinstance(node, tuple):
            return tuple(self._key(each) for each in node)
        if not isinstance(node, ast.Node):
            return node
        bare = _bare(node)
        if isinstance(bare, ast.ColumnRef) and _qualifier(bare) in {None, *self.target}:
            return ("column", _column(bare))
        slots = tuple(self._key(getattr(bare, slot)) for slot in bare if not _is_place(slot))
        return (type(bare).__name__, *slots)

    def _negated_key(self, node: Node) -> object:
        """Return the key of a condition's negation, where it has an operator of its own."""
        bare = _bare(node)
        kind = type(bare)
        if kind is ast.BoolExpr and bare.boolop == enums.BoolExprType.NOT_EXPR:
            return self._key(bare.args[0])
        if kind is ast.NullTest:
            null, not_null = enums.NullTestType.IS_NULL, enums.NullTestType.IS_NOT_NULL
            other = not_null if bare.nulltesttype == null else null
            return self._key(ast.NullTest(arg=bare.arg, nulltesttype=other, argisrow=bare.argisrow))
        if kind is ast.A_Expr and bare.kind == _KIND.AEXPR_OP and bare.lexpr is not None:
            opposite = _NEGATIONS.get(_operator(bare))
            name = (ast.String(sval=opposite),) if opposite else bare.name
            opposed = ast.A_Expr(kind=bare.kind, name=name, lexpr=bare.lexpr, rexpr=bare.rexpr)
            return self._key(opposed) if opposite else None
        return None


_DECISIONS: Final[dict[type, Callable[[_Condition, Node, bool], bool]]] = {
    ast.BoolExpr: _Condition._connective,  # noqa: SLF001  the table is the class's own
    ast.A_Expr: _Condition._comparison,  # noqa: SLF001
    ast.BooleanTest: _Condition._test,  # noqa: SLF001
    ast.CaseExpr: _Condition._case,  # noqa: SLF001
    ast.CoalesceExpr: _Condition._coalesce,  # noqa: SLF001
}


def _bare(node: Node) -> Node:
    """Return an expression without the casts around it."""
    while isinstance(node, ast.TypeCast):
        node = node.arg
    return node


def _is_place(slot: str) -> bool:
    return slot in ("location", "rexpr_list_start", "rexpr_list_end")


def _operator(node: Node) -> str:
    return str(node.name[-1].sval)


def _column(node: Node) -> str:
    last = node.fields[-1]
    return str(last.sval) if isinstance(last, ast.String) else "*"


def _qualifier(node: Node) -> str | None:
    """Return the table or alias before a column, None if there is none."""
    return str(node.fields[-2].sval) if len(node.fields) > 1 else None


def _text(node: object) -> str | None:
    """Return the text of a literal string, else None."""
    bare = _bare(node) if isinstance(node, ast.Node) else None
    if isinstance(bare, ast.A_Const) and isinstance(bare.val, ast.String):
        return str(bare.val.sval)
    return None


def _literal_truth(node: Node) -> bool | None:
    """Return what a literal, or a comparison of equal literals, amounts to; None if not sure.

    Literals that differ as text may be equal as values: `'1.0'::numeric = '1'::numeric`.
    """
    if isinstance(node, ast.A_Const) and isinstance(node.val, ast.Boolean):
        return bool(node.val.boolval)
    text = _text(node)
    if text is not None:
        return _BOOLEANS.get(text.strip().lower())
    if type(node) is ast.A_Expr and node.kind == _KIND.AEXPR_OP and node.lexpr is not None:
        operator = _operator(node)
        left, right = _constant(node.lexpr), _constant(node.rexpr)
        if operator in ("=", "<>") and left is not None and left == right:
            return bool(operator == "=")
    return None


def _constant(node: Node) -> tuple[str, str] | None:
    bare = _bare(node)
    if isinstance(bare, ast.A_Const) and bare.val is not None:
        value = next(getattr(bare.val, slot) for slot in bare.val)
        return type(bare.val).__name__, str(value)
    return None
