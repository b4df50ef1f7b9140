"""Writing a script from its syntax tree."""

from collections.abc import Sequence

from postgast import PgQueryError

from pattern_engine.fixes.analysis import Finding
from pattern_engine.fixes.sql.tree import Node, TooDeepError, deparse, parse


def written(statements: Sequence[Node], findings: list[Finding]) -> str:
    """Return statements as text, after checking that it parses into the same trees again."""
    try:
        prepared = ";\n".join(map(deparse, statements))
        again = parse(prepared)
    except (PgQueryError, TooDeepError) as failure:
        findings.append(Finding("rewrite", f"the script cannot be rewritten: {failure}"))
        return ""
    if again != list(statements):
        findings.append(Finding("rewrite", "rewriting the script would change its meaning"))
        return ""
    return prepared
