"""What the static analysis of a script says, whatever its type."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

__all__ = ["MAX_BYTES", "Analysis", "Finding", "Sample", "unreadable"]

#: Size of a script in bytes of UTF-8.
MAX_BYTES = 64 * 1024


class Finding(NamedTuple):
    """Why a script is refused: a stable rule name, and a sentence for people."""

    rule: str
    message: str


class Sample(NamedTuple):
    """How to look at rows that a script is about to change."""

    table: str
    """The one table whose rows it changes, with its schema."""
    before: str
    """SQL with the script's own `$1` and `$2`: at most five of them, as jsonb, in column `row`."""


@dataclass(frozen=True, slots=True)
class Analysis:
    """What a script does, and what stands against it.

    With findings, `prepared_script` is empty and the rest tells as much as could be read.
    """

    prepared_script: str
    """What runs."""
    findings: tuple[Finding, ...] = ()
    operations: tuple[str, ...] = ()
    """What is done, in order, as in `update public.users` or `POST https://api.example.com/x`."""
    destructive: tuple[str, ...] = ()
    """Those of them that lose something that cannot be made again: a delete, a file removed."""
    tables: tuple[str, ...] = ()
    """Tables read or written, with schema, sorted."""
    written_tables: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    """Hosts that it may reach, sorted."""
    secrets: tuple[str, ...] = ()
    """Names of the Vault secrets that it uses, sorted."""
    sample: Sample | None = None
    """How to look at rows before and after; None where that is not one table's affair."""

    @property
    def accepted(self) -> bool:
        """Whether nothing was found against the script."""
        return not self.findings

    @property
    def writes(self) -> bool:
        """Whether the script changes rows."""
        return bool(self.written_tables)

    def as_dict(self) -> dict[str, list[str]]:
        """What the script does, as JSON."""
        return {
            "operations": list(self.operations),
            "destructive": list(self.destructive),
            "tables": list(self.tables),
            "written_tables": list(self.written_tables),
            "hosts": list(self.hosts),
            "secrets": list(self.secrets),
        }


def unreadable(script: str) -> Finding | None:
    """Return why a script cannot even be parsed: its size, or characters no parser agrees on."""
    try:
        size = len(script.encode())
    except UnicodeEncodeError:
        return Finding("encoding", "the script holds half of a surrogate pair")
    if size > MAX_BYTES:
        return Finding("size", f"the script has {size} bytes, {MAX_BYTES} are allowed")
    if "\0" in script:
        return Finding("encoding", "the script holds a NUL character")
    return None if script.strip() else Finding("empty", "the script is blank")
