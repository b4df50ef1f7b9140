"""Whether a WHERE clause chooses rows, or lets every row through.

A condition becomes a formula over the values that a row may have (see `samples`), and it chooses
rows if some row makes it false. So `a = a`, `a < 5 or a >= 5`, `not (a and not a)` and
`coalesce(id, id) = id` are recognised without a list of such forms. Three assumptions are added.
Values from outside the row (`$1`, another table, the clock) may be those that let all rows through.
The row's own table, if it is joined or read again without a condition, contains the row itself (see
`sources`). Keys begin at 1, so that `id > 0` lets every row through.

The analysis does not know the data: `status <> 'x'` may be true for every row. The cap on touched
rows covers that case while the fix runs.
"""

from collections.abc import Callable
from fractions import Fraction
from functools import partial
from typing import Final

from pattern_engine.fixes.sql.nodes import is_a
from pattern_engine.fixes.sql.tree import Node, ast, enums
from pattern_engine.fixes.sql.where import algebra, queries, terms
from pattern_engine.fixes.sql.where.built_values import is_digest
from pattern_engine.fixes.sql.where.constants import NULL, Constant, column_of, constant
from pattern_engine.fixes.sql.where.formulas import (
    ORDER,
    Formula,
    Truth,
    Values,
    always,
    comparison,
    every,
    fixed,
    negated,
    some,
)
from pattern_engine.fixes.sql.where.patterns import (
    contains_everything,
    is_the_errors,
    matches_everything,
    pattern_of,
)
from pattern_engine.fixes.sql.where.sources import (
    Row,
    returns_all_rows,
    subquery_is_empty,
    with_repetitions,
    witnesses,
)
from pattern_engine.fixes.sql.where.variables import Variables

#: The most nested subqueries that are analysed; a deeper one is taken to find every row.
_MAX_DEPTH: Final = 4

_KIND = enums.A_Expr_Kind
_TEST = enums.BoolTestType
_LINK = enums.SubLinkType
_MIRRORED: Final = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}
_EXTREMES: Final = frozenset({("min", ">="), ("max", "<=")})
_MATCHING: Final = frozenset({"~", "~*", "~~", "~~*", "^@"})
_HOLD_FOR_EQUALS: Final = frozenset({"~=", "@>", "<@", "&&", "^@"})


def chooses_rows(where: Node | None, row: Row) -> bool:
    """Tell whether a condition depends on the row that an UPDATE, DELETE or MERGE touches."""
    if where is None or holds_always(where, row):
        return False
    # Where the statement reads its own table a second time, that table contains the row itself.
    repeated = with_repetitions(row, row.items, holds_always)
    return repeated is None or not holds_always(where, repeated)


def gives_all_rows(query: Node, row: Row) -> bool:
    """Tell whether a query returns every row of the table that a statement touches."""
    return returns_all_rows(row, query, holds_always)


def holds_always(condition: Node, row: Row) -> bool:
    """Tell whether a condition holds for every row, or could by a value outside the row."""
    if row.depth > _MAX_DEPTH:
        return True
    judged = _Condition(row)
    return judged.variables.always(judged.formula(condition))


class _Condition:
    """Turns a condition into a formula over the values of a row."""

    def __init__(self, row: Row) -> None:
        self.row = row
        self.variables = Variables(row)

    def formula(self, node: Node) -> Formula:
        node = terms.simplified(node)
        value = constant(node)
        if isinstance(value, bool) or value is NULL:
            return always(value)
        if isinstance(value, str) and value in ("t", "true", "f", "false"):
            return always(value.startswith("t"))
        build = _BUILDERS.get(type(node))
        return build(self, node) if build else self.variables.unknown(node)

    def column(self, node: Node) -> Formula:
        return (
            self.variables.ordered("=", node, True)
            if self.row.decides(node)
            else self.variables.unknown(node)
        )

    def connective(self, node: Node) -> Formula:
        parts = [self.formula(argument) for argument in node.args]
        if node.boolop == enums.BoolExprType.NOT_EXPR:
            return negated(parts[0])
        return every(parts) if node.boolop == enums.BoolExprType.AND_EXPR else some(parts)

    def case(self, node: Node) -> Formula:
        return self.first_branch(node, self.formula)

    def first_branch(self, node: Node, judge: Callable[[Node], Formula]) -> Formula:
        """Apply `judge` to the result of the first branch of a CASE whose condition holds."""
        otherwise = judge(node.defresult) if node.defresult else always(None)
        whens = [
            (
                self.compared("=", node.arg, when.expr) if node.arg else self.formula(when.expr),
                judge(when.result),
            )
            for when in node.args
        ]

        def first(values: Values) -> Truth:
            return next((then for when, then in whens if when(values) is True), otherwise)(values)

        return first

    def coalesce(self, node: Node) -> Formula:
        parts = [self.formula(argument) for argument in node.args]
        return lambda values: next(
            (answer for part in parts if (answer := part(values)) is not None), None
        )

    def null_test(self, node: Node) -> Formula:
        wanted = node.nulltesttype == enums.NullTestType.IS_NULL
        inner = terms.simplified(node.arg)
        if is_a(inner, ast.RowExpr):
            tests = (
                ast.NullTest(arg=part, nulltesttype=node.nulltesttype) for part in inner.args or ()
            )
            return every([self.null_test(test) for test in tests])
        if is_a(inner, ast.A_Expr) and inner.kind == _KIND.AEXPR_NULLIF:
            equal = self.compared("=", inner.lexpr, inner.rexpr)
            return equal if wanted else negated(equal)
        if constant(inner) is NULL:
            return always(wanted)
        if terms.never_null(inner, self.row):
            return always(not wanted)
        if not self.row.decides(inner):
            return self.variables.unknown(node)
        null = self.variables.null(inner)
        return null if wanted else negated(null)

    def boolean_test(self, node: Node) -> Formula:
        kind = node.booltesttype
        if kind in (_TEST.IS_UNKNOWN, _TEST.IS_NOT_UNKNOWN):
            null, not_null = enums.NullTestType.IS_NULL, enums.NullTestType.IS_NOT_NULL
            asked = null if kind == _TEST.IS_UNKNOWN else not_null
            return self.null_test(ast.NullTest(arg=node.arg, nulltesttype=asked))
        part = self.formula(node.arg)
        wanted = kind in (_TEST.IS_TRUE, _TEST.IS_NOT_TRUE)
        turned = kind in (_TEST.IS_NOT_TRUE, _TEST.IS_NOT_FALSE)
        return lambda values: (part(values) is wanted) is not turned

    def expression(self, node: Node) -> Formula:
        build = _BY_KIND.get(node.kind)
        return build(self, node) if build else self.operation(node)

    def operation(self, node: Node) -> Formula:
        name = terms.operator(node)
        if node.lexpr is None or node.kind == _KIND.AEXPR_NULLIF:
            return self.variables.unknown(node)
        if name.lstrip("!") in _MATCHING:
            return self.pattern(node)
        if name in ORDER:
            return self.compared(name, node.lexpr, node.rexpr)
        holds = name in _HOLD_FOR_EQUALS and self.are_equal(node.lexpr, node.rexpr)
        return always(True) if holds or contains_everything(node) else self.variables.unknown(node)

    def are_equal(self, left: Node, right: Node) -> bool:
        return terms.key(left, self.row) == terms.key(right, self.row)

    def pattern(self, node: Node) -> Formula:
        name, pattern = terms.operator(node), pattern_of(node)
        if matches_everything(pattern, node.lexpr) or self.are_equal(node.lexpr, pattern):
            matched = always(True)
        elif is_digest(node.lexpr) or is_the_errors(pattern):
            return self.variables.outer(node)
        else:
            matched = self.variables.unknown(
                terms.expression(name.lstrip("!"), node.lexpr, node.rexpr)
            )
        return negated(matched) if name.startswith("!") else matched

    def call(self, node: Node) -> Formula:
        return always(True) if contains_everything(node) else self.variables.unknown(node)

    def distinction(self, node: Node) -> Formula:
        compared = self.compared("=", node.lexpr, node.rexpr)
        for one, other in ((node.lexpr, node.rexpr), (node.rexpr, node.lexpr)):
            if constant(one) is NULL:
                null = enums.NullTestType.IS_NULL
                compared = self.null_test(ast.NullTest(arg=other, nulltesttype=null))
        distinct = node.kind == _KIND.AEXPR_DISTINCT
        return lambda values: (compared(values) is True) is not distinct

    def membership(self, node: Node) -> Formula:
        operator = terms.operator(node)
        listed = node.kind == _KIND.AEXPR_IN
        all_of = operator == "<>" if listed else node.kind == _KIND.AEXPR_OP_ALL
        members = terms.members(node.rexpr)
        if members is not None:
            parts = [
                self.operation(terms.expression(operator, node.lexpr, member)) for member in members
            ]
            return every(parts) if all_of else some(parts)
        subquery = queries.array_subquery(node.rexpr)
        if subquery is not None and not all_of:
            return self.among(node, node.lexpr, operator, subquery)
        return self.variables.unknown(node)

    def between(self, node: Node) -> Formula:
        low, high = node.rexpr

        def within(low: Node, high: Node) -> Formula:
            return every(
                [self.compared(">=", node.lexpr, low), self.compared("<=", node.lexpr, high)]
            )

        inside = within(low, high)
        if node.kind in (_KIND.AEXPR_BETWEEN_SYM, _KIND.AEXPR_NOT_BETWEEN_SYM):
            inside = some([inside, within(high, low)])
        outside = node.kind in (_KIND.AEXPR_NOT_BETWEEN, _KIND.AEXPR_NOT_BETWEEN_SYM)
        return negated(inside) if outside else inside

    def subquery(self, node: Node) -> Formula:
        kind = node.subLinkType
        operator = str(node.operName[-1].sval) if node.operName else "="
        if kind in (
            _LINK.EXISTS_SUBLINK,
            _LINK.ANY_SUBLINK,
            _LINK.ALL_SUBLINK,
        ) and subquery_is_empty(node.subselect):
            return always(kind == _LINK.ALL_SUBLINK)
        if kind == _LINK.EXISTS_SUBLINK:
            found = self.has_witness(None, "=", queries.without_limit(node.subselect))
            return always(True) if found else self.variables.unknown(node)
        listed = queries.listed_values(node.subselect)
        if listed and kind == _LINK.ANY_SUBLINK:
            return some([self.compared(operator, node.testexpr, each) for each in listed])
        alone = queries.only_value(node.subselect)
        if alone is not None and kind in (_LINK.ANY_SUBLINK, _LINK.ALL_SUBLINK):
            return self.compared(operator, node.testexpr, alone)
        if kind == _LINK.ANY_SUBLINK:
            return self.among(node, node.testexpr, operator, node.subselect)
        return self.variables.unknown(node)

    def among(self, node: Node, left: Node, operator: str, subquery: Node) -> Formula:
        if self.has_witness(left, operator, subquery):
            return always(True)
        # If the subquery returns several values, each row differs from one of them.
        return self.variables.unknown(node) if operator == "=" else self.variables.outer(node)

    def has_witness(self, left: Node, operator: str, subquery: Node) -> bool:
        """Tell whether a subquery finds the row itself, for every row."""
        for target, condition, row in witnesses(subquery, self.row, holds_always):
            same = left is None or queries.is_star(target)
            compared = None if same else terms.expression(operator, left, target)
            if holds_always(terms.conjunction(compared, condition), row):
                return True
        return False

    def compared(self, operator: str, left: Node, right: Node) -> Formula:
        """Compare two values; the result is unknown if one of them is null."""
        left, right = terms.simplified(left), terms.simplified(right)
        rows = terms.paired(left, right)
        if rows is not None and operator in ("=", "<>"):
            parts = [self.compared("=", *pair) for pair in rows]
            return every(parts) if operator == "=" else negated(every(parts))
        if constant(left) is not None and constant(right) is None:
            left, right, operator = right, left, _MIRRORED.get(operator, operator)
        if split := self.by_parts(operator, left, right):
            return split
        value = constant(right)
        if value is NULL:
            return always(None)
        if isinstance(value, bool) and operator in ("=", "<>") and terms.is_condition(left):
            part = self.formula(left)
            return part if value is (operator == "=") else negated(part)
        if value is not None:
            return self.with_constant(operator, left, right, value)
        return self.with_other(operator, left, right)

    def by_parts(self, operator: str, left: Node, right: Node) -> Formula | None:
        """Compare the parts of a CASE, GREATEST or LEAST; None if neither side is one."""
        mirrored = _MIRRORED.get(operator, operator)
        for one, other, name in ((left, right, operator), (right, left, mirrored)):
            if is_a(one, ast.CaseExpr):
                return self.first_branch(one, partial(self.compared, name, right=other))
            if is_a(one, ast.MinMaxExpr) and name in _MIRRORED:
                parts = [self.compared(name, each, other) for each in one.args]
                greatest = one.op == enums.MinMaxOp.IS_GREATEST
                return some(parts) if greatest is name.startswith(">") else every(parts)
        return None

    def with_constant(self, operator: str, left: Node, right: Node, value: Constant) -> Formula:
        known = constant(left)
        if known is not None:
            return fixed(operator, left, known, value) or self.variables.outer(
                terms.expression(operator, left, right)
            )
        counted = queries.scalar_subquery(left)
        counts_itself = queries.is_count(counted) and self.has_witness(None, "=", counted)
        if counts_itself and isinstance(value, Fraction) and ORDER[operator](1, value):
            return always(True)
        if operator != "=" and is_digest(left):
            return self.variables.outer(terms.expression(operator, left, right))
        left, value, mirrored = algebra.solved(left, value)
        operator = _MIRRORED.get(operator, operator) if mirrored else operator
        if column_of(left) == "ctid" and operator != "=":
            return always(True)
        if not self.row.decides(left):
            return self.variables.outer(terms.expression(operator, left, right))
        return self.variables.ordered(operator, left, value)

    def with_other(self, operator: str, left: Node, right: Node) -> Formula:
        if operator in ("=", "<>") and terms.is_condition(left) and terms.is_condition(right):
            return comparison(operator, self.formula(left), self.formula(right))
        if self.holds_by_form(operator, left, right):
            return always(True)
        if optional := self.optional(operator, left, right):
            return optional
        (left_base, left_offset), (right_base, right_offset) = (
            algebra.linear(left),
            algebra.linear(right),
        )
        keys = terms.key(left_base, self.row), terms.key(right_base, self.row)
        if keys[0] == keys[1]:
            return always(ORDER[operator](left_offset, right_offset))
        node = terms.expression(operator, left, right)
        # If the other table has two different values, each row differs from one of them.
        differs = operator == "<>" and any(map(self.row.is_foreign, (left, right)))
        if differs or not self.row.decides(node):
            return self.variables.outer(node)
        return self.variables.signed(operator, left, right)

    def holds_by_form(self, operator: str, left: Node, right: Node) -> bool:
        """Recognise subqueries over the row's own table: `id >= (select min(id) from users)`."""
        mirrored = _MIRRORED.get(operator, operator)
        for one, other, name in ((left, right, operator), (right, left, mirrored)):
            extreme, argument, query = queries.extreme(other)
            if (extreme, name) in _EXTREMES:
                return self.has_witness(one, "=", queries.selecting(argument, query))
            scalar = queries.scalar_subquery(other)
            if name == "=" and scalar is not None and self.has_witness(one, "=", scalar):
                return True
        return False

    def optional(self, operator: str, left: Node, right: Node) -> Formula | None:
        """Compare with `coalesce($1, x)`, which is x if the value from outside is null."""
        mirrored = _MIRRORED.get(operator, operator)
        for one, other, name in ((left, right, operator), (right, left, mirrored)):
            if is_a(other, ast.CoalesceExpr) and not self.row.decides(other.args[0]):
                return some([self.compared(name, one, each) for each in other.args])
        return None


_BY_KIND: Final[dict[int, Callable[[_Condition, Node], Formula]]] = {
    _KIND.AEXPR_LIKE: _Condition.pattern,
    _KIND.AEXPR_ILIKE: _Condition.pattern,
    _KIND.AEXPR_SIMILAR: _Condition.pattern,
    _KIND.AEXPR_DISTINCT: _Condition.distinction,
    _KIND.AEXPR_NOT_DISTINCT: _Condition.distinction,
    _KIND.AEXPR_IN: _Condition.membership,
    _KIND.AEXPR_OP_ANY: _Condition.membership,
    _KIND.AEXPR_OP_ALL: _Condition.membership,
    _KIND.AEXPR_BETWEEN: _Condition.between,
    _KIND.AEXPR_NOT_BETWEEN: _Condition.between,
    _KIND.AEXPR_BETWEEN_SYM: _Condition.between,
    _KIND.AEXPR_NOT_BETWEEN_SYM: _Condition.between,
}
_BUILDERS: Final[dict[type, Callable[[_Condition, Node], Formula]]] = {
    ast.BoolExpr: _Condition.connective,
    ast.A_Expr: _Condition.expression,
    ast.NullTest: _Condition.null_test,
    ast.BooleanTest: _Condition.boolean_test,
    ast.CaseExpr: _Condition.case,
    ast.CoalesceExpr: _Condition.coalesce,
    ast.SubLink: _Condition.subquery,
    ast.ColumnRef: _Condition.column,
    ast.FuncCall: _Condition.call,
}
