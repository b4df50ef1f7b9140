"""The row that a statement touches, and the other places where the statement reads its table.

`delete from users using users u where u.id = users.id` touches every row, and so does `… where id
in (select id from users)`: a table that is read without a condition contains the row itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Final

from pattern_engine.fixes.sql.nodes import children, is_a
from pattern_engine.fixes.sql.tree import Node, ast, enums
from pattern_engine.fixes.sql.where.built_values import inspects_built_value
from pattern_engine.fixes.sql.where.constants import NULL, constant
from pattern_engine.fixes.sql.where.formulas import ORDER, fixed

Names = frozenset[str]
Queries = Mapping[str, Node]

#: Columns that say nothing about a row: its table, and the transactions that wrote it.
_SYSTEM_COLUMNS: Final = frozenset({"tableoid", "xmin", "xmax", "cmin", "cmax"})
#: From this number on, a LIMIT is taken to leave out no row.
_NO_LIMIT: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Row:
    """The row of a table that an UPDATE, DELETE or MERGE touches."""

    table: str
    """The name of the table, with its schema."""
    names: Names
    """The names of the row: the table or its aliases."""
    items: tuple[Node, ...] = ()
    """The other tables: the FROM of an UPDATE, the USING of a DELETE or MERGE."""
    queries: Queries = field(default_factory=dict)
    """The WITH queries that the statement can name."""
    depth: int = 0
    """The number of enclosing subqueries."""
    whole: dict[int, bool] = field(default_factory=dict)
    """A cache of `returns_all_rows`, by the id of the query's node."""
    joined: Names = frozenset()
    """Names of tables that are joined to the row, so that their columns depend on it."""

    def is_whole(self, column: Node) -> bool:
        """Tell whether a reference means the whole row: `users`, `users.*`."""
        last = column.fields[-1]
        alone = len(column.fields) == 1 and is_a(last, ast.String) and last.sval in self.names
        return alone or is_a(last, ast.A_Star)

    def is_own_name(self, column: Node) -> bool:
        """Tell whether a reference can mean a column of the row: it has the row's name, or none."""
        qualifier = _qualifier(column)
        return qualifier is None or qualifier in self.names

    def decides(self, node: object) -> bool:
        """Tell whether an expression depends on the row.

        A column without a qualifier is taken to be the row's, except in a subquery, whose own it is
        more likely, and where it is the only column and there are other tables. The whole row,
        `to_jsonb(users)`, does not count as a dependency, nor does the structure of a value that
        the script builds from the row (see `built_values`).
        """
        if inspects_built_value(node):
            return False
        qualifiers = list(_qualifiers(node, self.is_whole))
        if any(qualifier in self.names | self.joined for qualifier in qualifiers):
            return True
        return None in qualifiers and (not self.items or len(qualifiers) > 1)

    def is_foreign(self, node: object) -> bool:
        """Tell whether an expression depends only on other tables."""
        qualifiers = list(_qualifiers(node))
        return bool(qualifiers) and not any(
            qualifier is None or qualifier in self.names | self.joined for qualifier in qualifiers
        )

    def ties(self, condition: Node) -> bool:
        """Tell whether a condition contains an equality of the row and another table."""
        if is_a(condition, ast.BoolExpr):
            return any(self.ties(part) for part in condition.args)
        if not is_a(condition, ast.A_Expr) or condition.name[-1].sval != "=":
            return False
        qualifiers = list(_qualifiers(condition))
        own = [name for name in qualifiers if name is None or name in self.names]
        other = [name for name in qualifiers if name not in self.names]
        return len(qualifiers) > 1 and bool(own) and bool(other)


Holds = Callable[[Node, Row], bool]
"""The type of `holds_always`, which tells whether a condition holds for every row."""


def _qualifier(column: Node) -> str | None:
    return str(column.fields[-2].sval) if len(column.fields) > 1 else None


def _qualifiers(
    node: Node, without: Callable[[Node], bool] = lambda _: False, *, within: bool = False
) -> Iterator[str | None]:
    """Yield the qualifier of each column, and None for an unqualified one outside of subqueries."""
    if is_a(node, ast.ColumnRef):
        last = node.fields[-1]
        system = is_a(last, ast.String) and last.sval in _SYSTEM_COLUMNS
        if not system and not without(node):
            qualifier = _qualifier(node)
            if qualifier is not None or not within:
                yield qualifier
        return
    if is_a(node, ast.SelectStmt) and node.fromClause:
        # The arguments of a function that is the only FROM item come from outside the subquery.
        alone = len(node.fromClause) == 1 and is_a(node.fromClause[0], ast.RangeFunction)
        if alone and not within:
            yield from _qualifiers(node.fromClause[0].functions, without)
        within = True
    for child in children(node):
        yield from _qualifiers(child, without, within=within)


def with_repetitions(row: Row, items: tuple[Node, ...], holds: Holds) -> Row | None:
    """Return the row with the names of the FROM items that repeat its table; None without any."""
    repeated = [(item, _repeats(row, item, holds)) for item in items]
    names = frozenset[str]().union(*(names for _, names in repeated))
    if not names:
        return None
    joined = frozenset(name for item, found in repeated if found for name in _item_names(item))
    return replace(
        row,
        names=row.names | names,
        joined=row.joined | (joined - names),
        items=tuple(item for item, found in repeated if not found),
    )


def _repeats(row: Row, item: Node, holds: Holds) -> Names:
    """Return the names under which a FROM item contains every row of the row's table."""
    if is_a(item, ast.JoinExpr):
        return _join_repeats(row, item, holds)
    if is_a(item, ast.RangeVar):
        name = item.alias.aliasname if item.alias else item.relname
        query = row.queries.get(item.relname) if item.schemaname is None else None
        if query is None:
            is_whole = f"{item.schemaname or 'public'}.{item.relname}" == row.table
        else:
            earlier = {key: value for key, value in row.queries.items() if key != item.relname}
            is_whole = returns_all_rows(replace(row, queries=earlier), query, holds)
    elif is_a(item, ast.RangeSubselect) and item.alias:
        name, is_whole = item.alias.aliasname, returns_all_rows(row, item.subquery, holds)
    else:
        return frozenset()
    return frozenset({name}) if is_whole else frozenset()


def _join_repeats(row: Row, item: Node, holds: Holds) -> Names:
    kinds = enums.JoinType
    left, right = _repeats(row, item.larg, holds), _repeats(row, item.rarg, holds)
    if item.jointype == kinds.JOIN_LEFT:
        return left
    if item.jointype == kinds.JOIN_RIGHT:
        return right
    if item.jointype == kinds.JOIN_FULL or item.quals is None:
        return left | right if not item.usingClause or (left and right) else frozenset()
    both = replace(row, names=row.names | left | right)
    return left | right if holds(item.quals, both) else frozenset()


def _item_names(item: Node) -> Iterator[str]:
    if is_a(item, ast.JoinExpr):
        yield from _item_names(item.larg)
        yield from _item_names(item.rarg)
    elif getattr(item, "alias", None):
        yield item.alias.aliasname
    elif is_a(item, ast.RangeVar):
        yield item.relname


def returns_all_rows(row: Row, query: Node, holds: Holds) -> bool:
    """Tell whether a query returns every row of the row's table."""
    if id(query) not in row.whole:
        inner = replace(row, names=frozenset(), depth=row.depth + 1)
        row.whole[id(query)] = any(
            branch.fromClause and (condition is None or holds(condition, repeated))
            for branch, condition, repeated in _branches(query, inner, holds)
        )
    return row.whole[id(query)]


def witnesses(query: Node, row: Row, holds: Holds) -> Iterator[tuple[Node, Node, Row]]:
    """Yield each way in which a subquery may find the row: selected value, WHERE, and the row."""
    for branch, condition, repeated in _branches(query, replace(row, depth=row.depth + 1), holds):
        values = [target.val for target in branch.targetList or ()]
        value = values[0] if len(values) == 1 else ast.RowExpr(args=tuple(values))
        yield value, condition, repeated


def _branches(query: Node, row: Row, holds: Holds) -> Iterator[tuple[Node, Node, Row]]:
    """Yield the parts of a UNION that read the row's table and leave out rows only by WHERE."""
    if not is_a(query, ast.SelectStmt) or _cuts_off(query):
        return
    if query.withClause:
        named = {each.ctename: each.ctequery for each in query.withClause.ctes}
        row = replace(row, queries={**row.queries, **named})
    if query.op == enums.SetOperation.SETOP_UNION:
        yield from _branches(query.larg, row, holds)
        yield from _branches(query.rarg, row, holds)
    elif query.op == enums.SetOperation.SETOP_NONE and not query.valuesLists:
        repeated = with_repetitions(row, query.fromClause, holds) if query.fromClause else row
        if repeated is not None:
            yield query, query.whereClause, repeated


def _cuts_off(query: Node) -> bool:
    """Tell whether a query leaves out rows other than by its WHERE."""
    limit = constant(query.limitCount) if query.limitCount else Fraction(_NO_LIMIT)
    limited = isinstance(limit, Fraction) and limit < _NO_LIMIT
    unknown = limit is None
    distinct_on = any(each is not None for each in query.distinctClause or ())
    skips = query.limitOffset is not None and constant(query.limitOffset) != 0
    return bool(limited or unknown or skips or query.havingClause or distinct_on)


def subquery_is_empty(query: Node) -> bool:
    """Tell whether a query never returns a row: LIMIT 0, WHERE false, WHERE 1 = 0."""
    if not is_a(query, ast.SelectStmt):
        return False
    never = query.whereClause is not None and _is_never(query.whereClause)
    return never or (query.limitCount is not None and constant(query.limitCount) == 0)


def _is_never(condition: Node) -> bool:
    """Tell whether a condition is false, or a comparison of constants that is false."""
    if is_a(condition, ast.BoolExpr) and condition.boolop == enums.BoolExprType.AND_EXPR:
        return any(map(_is_never, condition.args))
    if not is_a(condition, ast.A_Expr) or condition.name[-1].sval not in ORDER:
        return constant(condition) is False
    left, right = constant(condition.lexpr), constant(condition.rexpr)
    if left is None or right is None or NULL in (left, right):
        return False
    compared = fixed(condition.name[-1].sval, condition, left, right)
    return compared is not None and compared({}) is False
