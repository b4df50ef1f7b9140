"""Static analysis of an SQL fix, with Postgres' own parser and lists of what is allowed.

The script is parsed into a tree, every node of the tree must be of a listed kind (`allowed`), and
the script that runs (`prepared_script`) is written anew from the tree. So a comment, a quote or an
encoding cannot hide a statement. Names without a schema get the schema public, since the fix runs
with an empty `search_path`.

`SELECT … FOR UPDATE` is allowed: it locks rows that the fix's own statements would lock.

This check is not the only limit: the fix runs as a role that has only what an operator granted, in
a subtransaction, with a time limit and a cap on touched rows.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from postgast import PgQueryError

from pattern_engine.fixes.analysis import Analysis, Finding, unreadable
from pattern_engine.fixes.credentials import known_credential, literal_credential
from pattern_engine.fixes.sql import allowed
from pattern_engine.fixes.sql.nodes import children, is_a, may_be_too_deep
from pattern_engine.fixes.sql.sampling import sample_of
from pattern_engine.fixes.sql.tree import (
    MAX_DEPTH,
    Node,
    TooDeepError,
    TreeNode,
    ast,
    enums,
    parse,
)
from pattern_engine.fixes.sql.where import is_endless, is_short_wait, is_small, text_of, touching
from pattern_engine.fixes.sql.writing import written

Scope = Mapping[str, Any]
"""The WITH queries that a statement can name, by name; they are not tables."""


_TOO_DEEP: Final = Finding("depth", f"the script has more than {MAX_DEPTH} levels of nesting")


def analyse(script: str, parameters: Mapping[str, object] | None = None) -> Analysis:
    """Analyse a script with the parameters of its approval.

    Two parameters are read: `reads`, the tables of protected schemas that the script may read
    ("auth.users"), and `functions`, more functions that it may call ("public.normalise_status").
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
    """What an approval allows in addition to the lists of `allowed`."""

    reads: frozenset[str] = frozenset()
    functions: frozenset[str] = frozenset()

    @staticmethod
    def of(parameters: Mapping[str, object], findings: list[Finding]) -> "_Granted":
        lists = {}
        for key in ("reads", "functions"):
            given = parameters.get(key, [])
            if not isinstance(given, list | tuple) or not all(isinstance(n, str) for n in given):
                findings.append(
                    Finding("parameters", f"the parameter {key} must be a list of names")
                )
                given = []
            lists[key] = frozenset(map(str, given))
        return _Granted(**lists)


def _statements(script: str, findings: list[Finding]) -> list[Node]:
    """Parse a script; return its statements, without a surrounding BEGIN and COMMIT."""
    if problem := unreadable(script):
        findings.append(problem)
        return []
    if kind := known_credential(script):
        findings.append(_credential(kind))  # also in a comment, which is stored with the script
    try:
        if may_be_too_deep(script):
            findings.append(_TOO_DEEP)
            return []
        statements: list[Node] = parse(script)
    except PgQueryError as failure:
        findings.append(Finding("syntax", f"{failure.message}, {_place(script, failure)}"))
        return []
    except TooDeepError:
        findings.append(_TOO_DEEP)
        return []
    statements = _without_transaction(statements, findings)
    if not statements and not findings:
        findings.append(Finding("empty", "the script contains no statement"))
    return statements


def _credential(kind: str) -> Finding:
    return Finding(
        "credential", f"the script contains a {kind}; scripts are stored and shown, remove it"
    )


def _place(script: str, failure: PgQueryError) -> str:
    index = min(max(failure.cursorpos - 1, 0), len(script))
    before = script[:index]
    return f"line {before.count(chr(10)) + 1}, column {index - before.rfind(chr(10))}"


def _without_transaction(statements: list[Node], findings: list[Finding]) -> list[Node]:
    """Remove a leading BEGIN and a trailing COMMIT, which the specification's example has."""
    kinds = enums.TransactionStmtKind
    begins = _is_plain_transaction(statements[:1], (kinds.TRANS_STMT_BEGIN, kinds.TRANS_STMT_START))
    commits = _is_plain_transaction(statements[-1:], (kinds.TRANS_STMT_COMMIT,))
    if begins != commits:
        findings.append(
            Finding("transaction", "write both BEGIN and COMMIT around the script, or neither")
        )
    return statements[1:-1] if begins and commits else statements


def _is_plain_transaction(statements: list[Node], kinds: tuple[int, ...]) -> bool:
    return any(
        isinstance(statement, ast.TransactionStmt)
        and statement.kind in kinds
        and not statement.options
        and not statement.chain
        for statement in statements
    )


@dataclass
class _Reader:
    """Walks a tree: collects tables and operations, refuses what is not listed, adds schemas."""

    granted: _Granted
    findings: list[Finding]
    read: set[str] = field(default_factory=set)
    written: set[str] = field(default_factory=set)
    operations: list[str] = field(default_factory=list)
    destructive: list[str] = field(default_factory=list)

    def refuse(self, rule: str, message: str) -> None:
        self.findings.append(Finding(rule, message))

    def statement(self, node: Node) -> None:
        if is_short_wait(node):
            self.operations.append("wait")
        elif type(node) in allowed.STATEMENTS:
            self.visit(node, {})
        else:
            kinds = ", ".join(kind.upper() for kind in allowed.STATEMENTS.values())
            name = type(node).__name__.removesuffix("Stmt").upper()
            self.refuse("statement", f"{name} is not allowed; a fix may contain {kinds}")

    def visit(self, node: object, scope: Scope) -> None:
        if not isinstance(node, TreeNode):
            for child in children(node):
                self.visit(child, scope)
            return
        if type(node) not in allowed.NODES:
            self.refuse("construct", f"{type(node).__name__} is not allowed in a fix")
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
                self.refuse("select_into", "SELECT INTO creates a table; use INSERT … SELECT")
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
                    "recursion",
                    f"{query.ctename} never ends; add a WHERE or a LIMIT to its recursive part",
                )
            self.visitchildren(query, {**scope, **queries} if clause.recursive else scope)
            scope = {**scope, query.ctename: query.ctequery}
        return scope

    def target(self, node: Node, kind: str, scope: Scope) -> None:
        """Collect the table that a statement writes; a WITH query cannot be the target."""
        table = self.qualified(node.relation)
        schema = table.partition(".")[0]
        if allowed.PROTECTED_SCHEMA.fullmatch(schema):
            self.refuse("schema", f"{kind} on {table}: no fix may write to schema {schema}")
        self.written.add(table)
        self.operations.append(f"{kind} {table}")
        touched = touching(node, table, scope)
        if touched.deletes:
            self.destructive.append(f"delete {table}")
        for problem in touched.problems:
            self.refuse("where", f"{kind} on {table}{problem}")

    def qualified(self, relation: Node) -> str:
        if relation.catalogname:
            self.refuse("schema", f"{relation.catalogname}.… names a database; write schema.table")
        relation.schemaname = relation.schemaname or "public"
        if allowed.CATALOGUE.fullmatch(relation.relname):
            self.refuse("schema", f"{relation.relname}: no fix may use tables named pg_…")
        return f"{relation.schemaname}.{relation.relname}"

    def table(self, node: Node, scope: Scope) -> None:
        if node.schemaname is None and node.catalogname is None and node.relname in scope:
            return
        table = self.qualified(node)
        schema = table.partition(".")[0]
        self.read.add(table)
        if allowed.UNREADABLE_SCHEMA.fullmatch(schema):
            self.refuse("schema", f"{table}: no fix may read schema {schema}")
        elif allowed.PROTECTED_SCHEMA.fullmatch(schema) and table not in self.granted.reads:
            self.refuse("schema", f"{table} is protected; add it to the parameter reads")

    def locked(self, items: Sequence[Node]) -> None:
        """Refuse FOR UPDATE on tables that a fix may read but not write."""
        for item in items:
            if is_a(item, ast.JoinExpr):
                self.locked((item.larg, item.rarg))
            elif is_a(item, ast.RangeVar):
                schema = item.schemaname or ""
                if allowed.PROTECTED_SCHEMA.fullmatch(schema):
                    self.refuse("schema", f"no fix may lock rows of {schema}.{item.relname}")

    def column(self, node: Node, scope: Scope) -> None:
        """Refuse `x.name` if it can call a function: see `allowed.FORBIDDEN_ATTRIBUTE`."""
        names = node.fields[1:] if is_a(node, ast.ColumnRef) else node.indirection
        for name in names or ():
            if is_a(name, ast.String) and allowed.FORBIDDEN_ATTRIBUTE.fullmatch(name.sval):
                self.refuse("function", f".{name.sval} can call {name.sval}(), which no fix may do")
        self.visitchildren(node, scope)

    def literal(self, node: Node, _scope: Scope) -> None:
        if kind := literal_credential(text_of(node) or ""):
            self.findings.append(_credential(kind))

    def collation(self, node: Node, scope: Scope) -> None:
        schema = node.collname[0].sval
        if len(node.collname) > 1 and schema != "pg_catalog":
            self.refuse("construct", f"a collation of schema {schema} is not allowed")
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
            self.refuse("function", f"{called}() is refused: no fix may call it")
        elif schema in ("", "pg_catalog") and name in allowed.SIZED_FUNCTIONS:
            if not is_small(node, allowed.SIZED_FUNCTIONS[name]):
                limit = f"a literal of at most {allowed.MAX_LENGTH}"
                self.refuse("function", f"the size of the result of {called}() must be {limit}")
        elif not self.is_allowed_function(schema, name, called):
            advice = "add it, with its schema, to the parameter functions"
            self.refuse("function", f"{called}() is not an allowed function; {advice}")
        self.visitchildren(node, scope, "funcname")

    def is_allowed_function(self, schema: str, name: str, called: str) -> bool:
        """Tell whether a function is listed, or added by the approval."""
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
            self.refuse("type", f"type {'.'.join(names)} is not an allowed type")
        elif schema != "pg_catalog" and allowed.PROTECTED_SCHEMA.fullmatch(schema):
            self.refuse("type", f"type {'.'.join(names)} belongs to a protected schema")
        elif not schema and not built_in:
            node.names = (ast.String(sval="public"), *node.names)
        self.visitchildren(node, scope, "names")

    def parameter(self, node: Node, _scope: Scope) -> None:
        if node.number not in (1, 2):
            self.refuse(
                "parameter",
                f"${node.number} does not exist; use $1 (the parameters) or $2 (the error)",
            )

    def value_function(self, node: Node, _scope: Scope) -> None:
        if node.op not in allowed.VALUE_FUNCTIONS:
            self.refuse("function", f"{node.op.name} is not allowed")

    def expression(self, node: Node, scope: Scope) -> None:
        if len(node.name) > 1 and node.name[0].sval != "pg_catalog":
            self.refuse("operator", f"an operator of schema {node.name[0].sval} is not allowed")
        self.visitchildren(node, scope, "name")

    def sort(self, node: Node, scope: Scope) -> None:
        if node.useOp:
            self.refuse("operator", "ORDER BY … USING is not allowed")
        self.visitchildren(node, scope, "useOp")

    def locking(self, node: Node, scope: Scope) -> None:
        """Leave the names after OF as they are: they are aliases, which have no schema."""
        if any(relation.schemaname for relation in node.lockedRels or ()):
            self.refuse("schema", "FOR UPDATE OF takes an alias; write it without a schema")
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
