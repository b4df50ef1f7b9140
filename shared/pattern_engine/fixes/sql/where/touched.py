"""Which rows a statement chooses: its WHERE, or a MERGE's ON and what each WHEN adds to it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pglast import ast, enums

from pattern_engine.fixes.sql.nodes import is_a
from pattern_engine.fixes.sql.where.sources import Row
from pattern_engine.fixes.sql.where.terms import conjunction
from pattern_engine.fixes.sql.where.where import chooses_rows, gives_all_rows

__all__ = ["Touched", "touching"]

# pglast declares each attribute of each node as optional; which ones are set, the grammar says.
Node = Any

_MATCH: Final = enums.MergeMatchKind
_CHANGES: Final = (enums.CmdType.CMD_UPDATE, enums.CmdType.CMD_DELETE)


@dataclass(frozen=True, slots=True)
class Touched:
    """What a statement does to the rows that are there."""

    deletes: bool = False
    problems: tuple[str, ...] = ()
    """Why its rows are not chosen, each to follow the table's name in a sentence."""


def touching(node: Node, table: str, queries: Mapping[str, Node]) -> Touched:
    """Judge an INSERT, UPDATE, DELETE or MERGE on a table, with the WITH queries in reach."""
    name = node.relation.alias.aliasname if node.relation.alias else node.relation.relname
    row = Row(table, frozenset({name}), _others(node), queries)
    if is_a(node, ast.InsertStmt):
        return Touched(problems=tuple(_conflict_problems(node, row)))
    if is_a(node, ast.MergeStmt):
        deletes = any(
            when.commandType == enums.CmdType.CMD_DELETE for when in node.mergeWhenClauses
        )
        return Touched(deletes, tuple(_merge_problems(node, row, name)))
    return Touched(is_a(node, ast.DeleteStmt), tuple(_where_problems(node, row, name)))


def _others(node: Node) -> tuple[Node, ...]:
    if is_a(node, ast.InsertStmt):
        return ()
    if is_a(node, ast.MergeStmt):
        return (node.sourceRelation,)
    others = node.fromClause if is_a(node, ast.UpdateStmt) else node.usingClause
    return others or ()


def _where_problems(node: Node, row: Row, name: str) -> Iterator[str]:
    if node.whereClause is None:
        yield " has no WHERE: it would touch every row"
    elif not chooses_rows(node.whereClause, row):
        yield f": its WHERE does not depend on a column of {name}"


def _conflict_problems(node: Node, row: Row) -> Iterator[str]:
    """Judge `insert into t select … from t on conflict do update`, which is an UPDATE of t."""
    conflict = node.onConflictClause
    if conflict is None or conflict.action != enums.OnConflictAction.ONCONFLICT_UPDATE:
        return
    if not chooses_rows(conflict.whereClause, row) and gives_all_rows(node.selectStmt, row):
        yield ": its rows are the table's own, all of them, and ON CONFLICT updates each"


def _merge_problems(node: Node, row: Row, name: str) -> Iterator[str]:
    if not row.ties(node.joinCondition):
        yield f": its ON does not compare a column of {name} with one of the source"
    for when in node.mergeWhenClauses:
        if when.commandType not in _CHANGES:
            continue
        # Rows that no row of the source matches are all the others: ON does not choose among them.
        alone = when.matchKind == _MATCH.MERGE_WHEN_NOT_MATCHED_BY_SOURCE
        on = None if alone else node.joinCondition
        if not chooses_rows(conjunction(on, when.condition), row):
            yield f": a WHEN does not choose among the rows of {name}"
