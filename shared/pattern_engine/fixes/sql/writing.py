"""A script written anew from its tree."""

from collections.abc import Sequence
from typing import Any

from pglast import parse_sql
from pglast.parser import ParseError
from pglast.stream import RawStream

from pattern_engine.fixes.analysis import Finding

__all__ = ["written"]

# pglast declares each attribute of each node as optional; which ones are set, the grammar says.
Node = Any


class _Writer(RawStream):
    """Writes what PostgreSQL 15 reads as well, and reads the same whatever its settings."""

    def write(self, text: str) -> int:
        """Leave out BY TARGET, which PostgreSQL 17 brought and which changes nothing."""
        return int(super().write("NOT MATCHED" if text == "NOT MATCHED BY TARGET" else text) or 0)

    def write_quoted_string(self, text: str) -> None:
        r"""Write backslashes as E'\\': without it, `standard_conforming_strings` decides."""
        if "\\" in text:
            escaped = text.replace("\\", "\\\\").replace("'", "''")
            self.write(f"E'{escaped}'")
        else:
            super().write_quoted_string(text)


def written(statements: Sequence[Node], findings: list[Finding]) -> str:
    """Write statements, and make sure that they read back as the same trees."""
    try:
        prepared = ";\n".join(_Writer()(statement) for statement in statements)
        again = [raw.stmt for raw in parse_sql(prepared)]
    except (ParseError, RecursionError, NotImplementedError) as failure:
        findings.append(Finding("rewrite", f"cannot be written anew: {failure}"))
        return ""
    if again != list(statements):
        findings.append(Finding("rewrite", "cannot be written anew without changing its meaning"))
        return ""
    return prepared
