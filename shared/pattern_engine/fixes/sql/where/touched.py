"""Whether a statement chooses rows: by its WHERE, or by the ON and each WHEN of a MERGE."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from pattern_engine.fixes.sql.nodes import is_a
from pattern_engine.fixes.sql.tree import Node, ast, enums
from pattern_engine.fixes.sql.where.sources import Row
from pattern_engine.fixes.sql.where.terms import conjunction
from pattern_engine.fixes.sql.where.where import chooses_rows, gives_all_rows

_MATCH: Final = enums.MergeMatchKind
_CHANGES: Final = (enums.CmdType.CMD_UPDATE, enums.CmdType.CMD_DELETE)


@dataclass(frozen=True, slots=True)
class Touched:
    """What a statement does to existing rows."""

    deletes: bool = False
    problems: tuple[str, ...] = ()
    """Why the statement is refused: each continues a sentence after the table's name."""


def touching(node: Node, table: str, queries: Mapping[str, Node]) -> Touched:
    """Analyse an INSERT, UPDATE, DELETE or MERGE on a table; `queries` are the WITH queries."""
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
        yield " has no WHERE, so it would touch every row; add a WHERE"
    elif not chooses_rows(node.whereClause, row):
        yield f" may touch every row: its WHERE does not choose by a column of {name}"


def _conflict_problems(node: Node, row: Row) -> Iterator[str]:
    """Check `insert into t select … from t on conflict do update`, which updates rows of t."""
    conflict = node.onConflictClause
    if conflict is None or conflict.action != enums.OnConflictAction.ONCONFLICT_UPDATE:
        return
    if not chooses_rows(conflict.whereClause, row) and gives_all_rows(node.selectStmt, row):
        yield " would touch every row: it selects all of them, and ON CONFLICT updates them"


def _merge_problems(node: Node, row: Row, name: str) -> Iterator[str]:
    if not row.ties(node.joinCondition):
        yield f" may touch every row: its ON compares no column of {name} with one of the source"
    for when in node.mergeWhenClauses:
        if when.commandType not in _CHANGES:
            continue
        # WHEN NOT MATCHED BY SOURCE applies to all rows that ON does not match.
        alone = when.matchKind == _MATCH.MERGE_WHEN_NOT_MATCHED_BY_SOURCE
        on = None if alone else node.joinCondition
        if not chooses_rows(conjunction(on, when.condition), row):
            yield f" may touch every row: a WHEN does not choose by a column of {name}"
