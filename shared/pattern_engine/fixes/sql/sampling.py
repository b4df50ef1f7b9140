"""A query for rows that a fix is about to change, to show them before and after."""

from collections.abc import Sequence
from typing import Any, Final

from pglast import ast, enums

from pattern_engine.fixes.analysis import Finding, Sample
from pattern_engine.fixes.sql.nodes import is_a
from pattern_engine.fixes.sql.writing import written

__all__ = ["MAX_ROWS", "sample_of"]

#: Rows that the query selects at most.
MAX_ROWS: Final = 5

# pglast declares each attribute of each node as optional; which ones are set, the grammar says.
Node = Any


def sample_of(statements: Sequence[Node]) -> Sample | None:
    """Return the sample of a script that is one UPDATE or DELETE; None for any other.

    The query reads the same rows as the statement: its table, alias, FROM and WHERE are the
    statement's own, its WITH queries too. There is none where those write. Names must be qualified
    already; the query reads `$1` and `$2` as the script does.
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
        limitCount=ast.A_Const(isnull=False, val=ast.Integer(ival=MAX_ROWS)),
        limitOption=enums.LimitOption.LIMIT_OPTION_COUNT,
        op=enums.SetOperation.SETOP_NONE,
        groupDistinct=False,
        all=False,
    )
    findings: list[Finding] = []
    before = written([query], findings)
    return None if findings else Sample(f"{relation.schemaname}.{relation.relname}", before)


def _as_json(relation: Node) -> Node:
    name = relation.alias.aliasname if relation.alias else relation.relname
    return ast.FuncCall(
        funcname=(ast.String(sval="to_jsonb"),),
        args=(ast.ColumnRef(fields=(ast.String(sval=name), ast.A_Star())),),
        agg_within_group=False,
        agg_star=False,
        agg_distinct=False,
        func_variadic=False,
        funcformat=enums.CoercionForm.COERCE_EXPLICIT_CALL,
    )
