"""The query that shows rows before and after a fix changes them."""

from collections.abc import Sequence
from typing import Final

from pattern_engine.fixes.analysis import Finding, Sample
from pattern_engine.fixes.sql.nodes import is_a
from pattern_engine.fixes.sql.tree import Node, ast, enums
from pattern_engine.fixes.sql.writing import written

#: The most rows that the query returns.
MAX_ROWS: Final = 5


def sample_of(statements: Sequence[Node]) -> Sample | None:
    """Return the sample of a script that consists of one UPDATE or DELETE, or else None.

    The query has the table, alias, FROM, WHERE and WITH queries of the statement, and so reads the
    same rows; it reads `$1` and `$2` as the script does. There is no sample if a WITH query writes.
    Names must have their schemas already.
    """
    if len(statements) != 1 or not is_a(statements[0], ast.UpdateStmt, ast.DeleteStmt):
        return None
    statement: Node = statements[0]
    queries = statement.withClause.ctes if statement.withClause else ()
    if not all(is_a(query.ctequery, ast.SelectStmt) for query in queries):
        return None
    relation = statement.relation
    others = statement.fromClause if is_a(statement, ast.UpdateStmt) else statement.usingClause
    query = ast.SelectStmt(
        targetList=(ast.ResTarget(name="row", val=_as_json(relation)),),
        fromClause=(relation, *(others or ())),
        whereClause=statement.whereClause,
        withClause=statement.withClause,
        limitCount=ast.A_Const(val=ast.Integer(ival=MAX_ROWS)),
        limitOption=enums.LimitOption.LIMIT_OPTION_COUNT,
        op=enums.SetOperation.SETOP_NONE,
    )
    findings: list[Finding] = []
    before = written([query], findings)
    return None if findings else Sample(f"{relation.schemaname}.{relation.relname}", before)


def _as_json(relation: Node) -> Node:
    name = relation.alias.aliasname if relation.alias else relation.relname
    return ast.FuncCall(
        funcname=(ast.String(sval="to_jsonb"),),
        args=(ast.ColumnRef(fields=(ast.String(sval=name), ast.A_Star())),),
        funcformat=enums.CoercionForm.COERCE_EXPLICIT_CALL,
    )
