"""The result of a static analysis, for scripts of every type."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The largest size of a script, in bytes of UTF-8.
MAX_BYTES = 64 * 1024


class Finding(NamedTuple):
    """Why a script is refused: the stable name of a rule, and a message for people."""

    rule: str
    message: str


class Sample(NamedTuple):
    """A query that shows rows which a script is about to change."""

    table: str
    """The table whose rows the script changes, with its schema."""
    before: str
    """SQL with the script's `$1` and `$2`; returns up to five rows as jsonb, in column `row`."""


@dataclass(frozen=True, slots=True)
class Analysis:
    """What a script does, and why it is refused.

    If there are findings, `prepared_script` is empty and the other fields may be incomplete.
    """

    prepared_script: str
    """The script in the form that runs."""
    findings: tuple[Finding, ...] = ()
    operations: tuple[str, ...] = ()
    """What the script does, in order: `update public.users`, `POST https://api.example.com/x`."""
    destructive: tuple[str, ...] = ()
    """The operations that destroy data: a delete, the removal of a file."""
    tables: tuple[str, ...] = ()
    """The tables that the script reads or writes, with schema, sorted."""
    written_tables: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    """The hosts that the script may reach, sorted."""
    secrets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The Vault secrets that the script uses, by name, each with the hosts that it is sent to."""
    warnings: tuple[str, ...] = ()
    """What a reviewer should know before approving the script; it refuses nothing."""
    sample: Sample | None = None
    """How to see rows before and after the script; None unless it is one UPDATE or DELETE."""

    @property
    def accepted(self) -> bool:
        """Whether there are no findings, so that the script may be approved."""
        return not self.findings

    @property
    def writes(self) -> bool:
        """Whether the script changes rows."""
        return bool(self.written_tables)

    def as_dict(self) -> dict[str, list[str] | dict[str, list[str]]]:
        """Return what the script does, as JSON."""
        return {
            "operations": list(self.operations),
            "destructive": list(self.destructive),
            "tables": list(self.tables),
            "written_tables": list(self.written_tables),
            "hosts": list(self.hosts),
            "secrets": {name: list(hosts) for name, hosts in self.secrets.items()},
        }


def unreadable(script: str) -> Finding | None:
    """Return why a script cannot be parsed: it is too large, blank, or has forbidden characters."""
    try:
        size = len(script.encode())
    except UnicodeEncodeError:
        return Finding(
            "encoding", "the script contains half of a surrogate pair; write it in valid UTF-8"
        )
    if size > MAX_BYTES:
        return Finding("size", f"the script has {size} bytes; the limit is {MAX_BYTES}")
    if "\0" in script:
        return Finding("encoding", "the script contains a NUL character; remove it")
    return None if script.strip() else Finding("empty", "the script is blank")
