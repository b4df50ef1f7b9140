"""Writing a script from its syntax tree."""

from collections.abc import Sequence

from pglast import parse_sql
from pglast.parser import ParseError
from pglast.stream import RawStream

from pattern_engine.fixes.analysis import Finding
from pattern_engine.fixes.sql.nodes import Node


class _Writer(RawStream):
    """Writes SQL that PostgreSQL 15 and later read alike, whatever their settings."""

    def write(self, text: str) -> int:
        """Leave out BY TARGET, which is new in PostgreSQL 17 and changes nothing."""
        return int(super().write("NOT MATCHED" if text == "NOT MATCHED BY TARGET" else text) or 0)

    def write_quoted_string(self, text: str) -> None:
        r"""Write backslashes as E'\\', which does not depend on `standard_conforming_strings`."""
        if "\\" in text:
            escaped = text.replace("\\", "\\\\").replace("'", "''")
            self.write(f"E'{escaped}'")
        else:
            super().write_quoted_string(text)


def written(statements: Sequence[Node], findings: list[Finding]) -> str:
    """Return statements as text, after checking that it parses into the same trees again."""
    try:
        prepared = ";\n".join(_Writer()(statement) for statement in statements)
        again = [raw.stmt for raw in parse_sql(prepared)]
    except (ParseError, RecursionError, NotImplementedError) as failure:
        findings.append(Finding("rewrite", f"the script cannot be rewritten: {failure}"))
        return ""
    if again != list(statements):
        findings.append(Finding("rewrite", "rewriting the script would change its meaning"))
        return ""
    return prepared
