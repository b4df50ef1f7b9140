"""Static analysis of an SQL fix: Postgres' own parser, and lists of what is allowed.

Nothing is searched for in the text: the script becomes a tree, every node of the tree must be of a
listed kind (`allowed`), and what runs is written anew from the tree (`prepared_script`), so
that a comment, a quote or an encoding cannot hide a statement. Names without a schema become
public's, since the fix runs with an empty `search_path`.

`SELECT … FOR UPDATE` is allowed: it locks what the fix's own statements would lock.

The check is one of several brakes: the fix runs as a role that has only what an operator granted,
in a subtransaction, under a time limit and a cap on touched rows.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pglast import ast, enums, parse_sql
from pglast.parser import ParseError

from pattern_engine.fixes.analysis import Analysis, Finding, unreadable
from pattern_engine.fixes.credentials import known_credential, literal_credential
from pattern_engine.fixes.sql import allowed
from pattern_engine.fixes.sql.nodes import (
    MAX_DEPTH,
    children,
    deeper_than,
    is_a,
    too_many_words,
)
from pattern_engine.fixes.sql.sampling import sample_of
from pattern_engine.fixes.sql.where import is_endless, is_small, text_of, touching
from pattern_engine.fixes.sql.writing import written

__all__ = ["analyse"]

Scope = Mapping[str, Any]
"""The common table expressions in reach, by name: these are no tables."""
# pglast declares each attribute of each node as optional; which ones are set, the grammar says.
Node = Any


_TOO_DEEP: Final = Finding("depth", f"the script is nested deeper than {MAX_DEPTH} levels")


def analyse(script: str, parameters: Mapping[str, object] | None = None) -> Analysis:
    """Analyse a script under an approval's parameters.

    Two of those are read: `reads`, tables of protected schemas that the script may read
    ("auth.users"), and `functions`, further functions that it may call ("public.normalise_status").
    """
    findings: list[Finding] = []
    granted = _Granted.of(parameters or {}, findings)
    statements = _statements(script, findings)
    reader = _Reader(granted, findings)
    if not findings:
        for statement in statements:
            reader.statement(statement)
    prepared = "" if findings else written(statements, findings)
    return Analysis(
        prepared_script=prepared,
        sample=None if findings else sample_of(statements),
        tables=tuple(sorted(reader.read | reader.written)),
        written_tables=tuple(sorted(reader.written)),
        operations=tuple(reader.operations),
        destructive=tuple(reader.destructive),
        findings=tuple(dict.fromkeys(findings)),
    )


@dataclass(frozen=True, slots=True)
class _Granted:
    """What an approval allows beyond the lists."""

    reads: frozenset[str] = frozenset()
    functions: frozenset[str] = frozenset()

    @staticmethod
    def of(parameters: Mapping[str, object], findings: list[Finding]) -> "_Granted":
        lists = {}
        for key in ("reads", "functions"):
            given = parameters.get(key, [])
            if not isinstance(given, list | tuple) or not all(isinstance(n, str) for n in given):
                findings.append(Finding("parameters", f"{key} must be a list of names"))
                given = []
            lists[key] = frozenset(map(str, given))
        return _Granted(**lists)


def _statements(script: str, findings: list[Finding]) -> list[Node]:
    """Parse a script; return its statements without a surrounding BEGIN and COMMIT."""
    if problem := unreadable(script):
        findings.append(problem)
        return []
    if kind := known_credential(script):
        # Comments count: they are stored with the script.
        findings.append(
            Finding("credential", f"the script holds a {kind}: scripts are stored and shown")
        )
    try:
        if too_many_words(script):
            findings.append(_TOO_DEEP)
            return []
        statements: list[Node] = [raw.stmt for raw in parse_sql(script)]
    except ParseError as failure:
        findings.append(Finding("syntax", f"{failure.args[0]}, {_place(script, failure)}"))
        return []
    statements = _without_transaction(statements, findings)
    if not statements and not findings:
        findings.append(Finding("empty", "the script holds no statement"))
    if any(deeper_than(statement, MAX_DEPTH) for statement in statements):
        findings.append(_TOO_DEEP)
    return statements


def _place(script: str, failure: ParseError) -> str:
    index = min(max(int(failure.args[1]), 0), len(script)) if len(failure.args) > 1 else 0
    before = script[:index]
    return f"line {before.count(chr(10)) + 1}, column {index - before.rfind(chr(10))}"


def _without_transaction(statements: list[Node], findings: list[Finding]) -> list[Node]:
    """Strip a leading BEGIN and a trailing COMMIT, as the specification's safe example has them."""
    kinds = enums.TransactionStmtKind
    begins = _is_plain_transaction(statements[:1], (kinds.TRANS_STMT_BEGIN, kinds.TRANS_STMT_START))
    commits = _is_plain_transaction(statements[-1:], (kinds.TRANS_STMT_COMMIT,))
    if begins != commits:
        findings.append(
            Finding("transaction", "BEGIN and COMMIT stand only together, around the script")
        )
    return statements[1:-1] if begins and commits else statements


def _is_plain_transaction(
    statements: list[Node], kinds: tuple[enums.TransactionStmtKind, ...]
) -> bool:
    return any(
        isinstance(statement, ast.TransactionStmt)
        and statement.kind in kinds
        and not statement.options
        and not statement.chain
        for statement in statements
    )


@dataclass
class _Reader:
    """Walks a tree: notes tables and operations, refuses what is not listed, qualifies names."""

    granted: _Granted
    findings: list[Finding]
    read: set[str] = field(default_factory=set)
    written: set[str] = field(default_factory=set)
    operations: list[str] = field(default_factory=list)
    destructive: list[str] = field(default_factory=list)

    def refuse(self, rule: str, message: str) -> None:
        self.findings.append(Finding(rule, message))

    def statement(self, node: Node) -> None:
        if type(node) in allowed.STATEMENTS:
            self.visit(node, {})
        else:
            kinds = ", ".join(kind.upper() for kind in allowed.STATEMENTS.values())
            name = _statement_name(node)
            self.refuse("statement", f"{name} is not allowed: a fix is made of {kinds}")

    def visit(self, node: object, scope: Scope) -> None:
        if not isinstance(node, ast.Node):
            for child in children(node):
                self.visit(child, scope)
            return
        if type(node) not in allowed.NODES:
            self.refuse("construct", f"{type(node).__name__} is not allowed")
            return
        check = _CHECKS.get(type(node))
        if check is not None:
            check(self, node, scope)
        elif type(node) in allowed.STATEMENTS:
            self.visit_statement(node, scope)
        else:
            self.visitchildren(node, scope)

    def visitchildren(self, node: Node, scope: Scope, *without: str) -> None:
        for slot in node:
            if slot not in without:
                self.visit(getattr(node, slot), scope)

    def visit_statement(self, node: Node, scope: Scope) -> None:
        kind = allowed.STATEMENTS[type(node)]
        scope = self.visit_with(node.withClause, scope)
        if kind == "select":
            if node.intoClause is not None:
                self.refuse("select_into", "SELECT INTO creates a table")
            if not node.valuesLists and node.op == enums.SetOperation.SETOP_NONE:
                self.operations.append(kind)
            self.visitchildren(node, scope, "withClause", "intoClause")
            if node.lockingClause:
                self.locked(node.fromClause or ())
            return
        self.target(node, kind, scope)
        self.visitchildren(node, scope, "withClause", "relation")

    def visit_with(self, clause: Node, scope: Scope) -> Scope:
        """Visit WITH queries; return the scope of the statement that they belong to."""
        if clause is None:
            return scope
        queries = {query.ctename: query.ctequery for query in clause.ctes}
        for query in clause.ctes:
            if clause.recursive and is_endless(query):
                self.refuse(
                    "recursion", f"{query.ctename} calls itself without a condition to stop at"
                )
            self.visitchildren(query, {**scope, **queries} if clause.recursive else scope)
            scope = {**scope, query.ctename: query.ctequery}
        return scope

    def target(self, node: Node, kind: str, scope: Scope) -> None:
        """Note and qualify the table that a statement writes; it is never a WITH query's name."""
        table = self.qualified(node.relation)
        schema = table.partition(".")[0]
        if allowed.PROTECTED_SCHEMA.fullmatch(schema):
            self.refuse("schema", f"{kind} on {table}: no fix writes to schema {schema}")
        self.written.add(table)
        self.operations.append(f"{kind} {table}")
        touched = touching(node, table, scope)
        if touched.deletes:
            self.destructive.append(f"delete {table}")
        for problem in touched.problems:
            self.refuse("where", f"{kind} on {table}{problem}")

    def qualified(self, relation: Node) -> str:
        if relation.catalogname:
            self.refuse("schema", f"{relation.catalogname}.… names a database: leave it out")
        relation.schemaname = relation.schemaname or "public"
        if allowed.CATALOGUE.fullmatch(relation.relname):
            self.refuse("schema", f"{relation.relname}: names with pg_ are the catalogue's")
        return f"{relation.schemaname}.{relation.relname}"

    def table(self, node: Node, scope: Scope) -> None:
        if node.schemaname is None and node.catalogname is None and node.relname in scope:
            return
        table = self.qualified(node)
        schema = table.partition(".")[0]
        self.read.add(table)
        if allowed.UNREADABLE_SCHEMA.fullmatch(schema):
            self.refuse("schema", f"{table}: no fix reads schema {schema}")
        elif allowed.PROTECTED_SCHEMA.fullmatch(schema) and table not in self.granted.reads:
            self.refuse("schema", f"{table}: name it in the parameter reads to read it")

    def locked(self, items: Sequence[Node]) -> None:
        """Refuse to lock rows of tables that a fix may read but not write."""
        for item in items:
            if is_a(item, ast.JoinExpr):
                self.locked((item.larg, item.rarg))
            elif is_a(item, ast.RangeVar):
                schema = item.schemaname or ""
                if allowed.PROTECTED_SCHEMA.fullmatch(schema):
                    self.refuse("schema", f"FOR UPDATE locks {schema}.{item.relname}")

    def column(self, node: Node, scope: Scope) -> None:
        """Refuse `x.name` that calls a function: see `allowed.FORBIDDEN_ATTRIBUTE`."""
        names = node.fields[1:] if is_a(node, ast.ColumnRef) else node.indirection
        for name in names or ():
            if is_a(name, ast.String) and allowed.FORBIDDEN_ATTRIBUTE.fullmatch(name.sval):
                self.refuse("function", f".{name.sval} calls {name.sval}(), never allowed in a fix")
        self.visitchildren(node, scope)

    def literal(self, node: Node, _scope: Scope) -> None:
        if kind := literal_credential(text_of(node) or ""):
            self.refuse("credential", f"the script holds a {kind}: scripts are stored and shown")

    def collation(self, node: Node, scope: Scope) -> None:
        schema = node.collname[0].sval
        if len(node.collname) > 1 and schema != "pg_catalog":
            self.refuse("construct", f"collation of schema {schema} is not allowed")
        self.visitchildren(node, scope, "collname")

    def function(self, node: Node, scope: Scope) -> None:
        names = [name.sval for name in node.funcname]
        if len(names) == 1 and f"public.{names[0]}" in self.granted.functions:
            names.insert(0, "public")
            node.funcname = tuple(ast.String(sval=name) for name in names)
        name, schema = names[-1], ".".join(names[:-1])
        called = ".".join(names)
        closed = schema not in ("pg_catalog", allowed.OPEN_SCHEMA)
        if allowed.FORBIDDEN_FUNCTION.fullmatch(name) or (
            closed and allowed.PROTECTED_SCHEMA.fullmatch(schema)
        ):
            self.refuse("function", f"{called}() is never allowed in a fix")
        elif schema in ("", "pg_catalog") and name in allowed.SIZED_FUNCTIONS:
            if not is_small(node, allowed.SIZED_FUNCTIONS[name]):
                limit = f"these must be literals, and small: up to {allowed.MAX_LENGTH}"
                self.refuse("function", f"{called}() makes as much as its arguments say: {limit}")
        elif not self.is_allowed_function(schema, name, called):
            advice = "name it, with its schema, in the parameter functions"
            self.refuse("function", f"{called}() is not among the allowed functions: {advice}")
        self.visitchildren(node, scope, "funcname")

    def is_allowed_function(self, schema: str, name: str, called: str) -> bool:
        """Tell whether a function is listed, or granted by the approval."""
        built_in = schema in ("", "pg_catalog") and name in allowed.FUNCTIONS
        listed = built_in or called in allowed.EXTENSION_FUNCTIONS
        return listed or called in self.granted.functions

    def type_name(self, node: Node, scope: Scope) -> None:
        names = [name.sval for name in node.names]
        name, schema = names[-1], ".".join(names[:-1])
        built_in = schema == "pg_catalog" or (not schema and name in allowed.TYPES)
        if node.pct_type or node.setof or allowed.FORBIDDEN_TYPE.fullmatch(name):
            self.refuse("type", f"type {'.'.join(names)} is not allowed")
        elif built_in and name not in allowed.TYPES:
            self.refuse("type", f"type {'.'.join(names)} is not among the allowed types")
        elif schema != "pg_catalog" and allowed.PROTECTED_SCHEMA.fullmatch(schema):
            self.refuse("type", f"type {'.'.join(names)} is of a protected schema")
        elif not schema and not built_in:
            node.names = (ast.String(sval="public"), *node.names)
        self.visitchildren(node, scope, "names")

    def parameter(self, node: Node, _scope: Scope) -> None:
        if node.number not in (1, 2):
            self.refuse(
                "parameter", f"${node.number}: there are $1 (parameters) and $2 (the error)"
            )

    def value_function(self, node: Node, _scope: Scope) -> None:
        if node.op not in allowed.VALUE_FUNCTIONS:
            self.refuse("function", f"{node.op.name} is not allowed")

    def expression(self, node: Node, scope: Scope) -> None:
        if len(node.name) > 1 and node.name[0].sval != "pg_catalog":
            self.refuse("operator", f"operator of schema {node.name[0].sval} is not allowed")
        self.visitchildren(node, scope, "name")

    def sort(self, node: Node, scope: Scope) -> None:
        if node.useOp:
            self.refuse("operator", "ORDER BY … USING is not allowed")
        self.visitchildren(node, scope, "useOp")

    def locking(self, node: Node, scope: Scope) -> None:
        """Leave the names after OF: they are aliases, which have no schema."""
        if any(relation.schemaname for relation in node.lockedRels or ()):
            self.refuse("schema", "FOR UPDATE OF takes an alias, without a schema")
        self.visitchildren(node, scope, "lockedRels")


_CHECKS: Final[dict[type, Callable[[_Reader, Node, Scope], None]]] = {
    ast.RangeVar: _Reader.table,
    ast.FuncCall: _Reader.function,
    ast.TypeName: _Reader.type_name,
    ast.ParamRef: _Reader.parameter,
    ast.SQLValueFunction: _Reader.value_function,
    ast.A_Expr: _Reader.expression,
    ast.SortBy: _Reader.sort,
    ast.LockingClause: _Reader.locking,
    ast.ColumnRef: _Reader.column,
    ast.A_Indirection: _Reader.column,
    ast.A_Const: _Reader.literal,
    ast.CollateClause: _Reader.collation,
}


def _statement_name(node: Node) -> str:
    """Return how people call a statement: CREATE TABLE AS is CreateTableAsStmt to the parser."""
    return type(node).__name__.removesuffix("Stmt").upper()
