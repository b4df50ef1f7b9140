"""What a script changes, statement by statement, with the conditions in its own words."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from postgast import PgQueryError

from pattern_engine.fixes.sql import allowed
from pattern_engine.fixes.sql.nodes import is_a
from pattern_engine.fixes.sql.tree import TooDeepError, ast, deparse, parse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pattern_engine.fixes.sql.tree import Node


class Change(NamedTuple):
    """What one statement does to one table."""

    kind: str
    """insert, update, delete or merge."""
    table: str
    condition: str
    """What follows WHERE; empty if there is none."""


def changes(script: str) -> list[Change]:
    """Return the changes of a script that the analysis accepted, in order; of any other, none."""
    try:
        statements: list[Node] = parse(script)
    except (PgQueryError, TooDeepError):
        return []
    return [each for statement in statements for each in _of(statement)]


def _of(statement: Node) -> Iterator[Change]:
    with_clause = getattr(statement, "withClause", None)
    for query in with_clause.ctes if with_clause is not None else ():
        yield from _of(query.ctequery)
    kind = allowed.STATEMENTS.get(type(statement), "")
    if is_a(statement, ast.SelectStmt) or not kind:
        return
    relation, where = statement.relation, getattr(statement, "whereClause", None)
    schema = f"{relation.schemaname}." if relation.schemaname else ""
    yield Change(kind, f"{schema}{relation.relname}", _condition(where))


def _condition(where: Node | None) -> str:
    if where is None:
        return ""
    return str(deparse(ast.SelectStmt(whereClause=where))).removeprefix("SELECT WHERE ")
