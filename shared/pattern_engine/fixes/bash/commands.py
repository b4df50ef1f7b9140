"""What each command may do with its arguments.

Commands that only read paths, or only write to them, are checked alike. Those with a language or a
meaning of their own have a check in `tools`, those of bash itself in `shell`; commands that run
others (`running`) hand those back to be checked.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from pattern_engine.fixes.analysis import Finding
from pattern_engine.fixes.bash import allowed
from pattern_engine.fixes.bash.options import READING, WRITING, Given, read_options
from pattern_engine.fixes.bash.paths import Where, shown, where
from pattern_engine.fixes.bash.running import RUNNERS
from pattern_engine.fixes.bash.shell import BUILTINS
from pattern_engine.fixes.bash.tools import TOOLS

if TYPE_CHECKING:
    from pattern_engine.fixes.bash.words import Value, Values

__all__ = ["Checker", "is_known"]

_CREDENTIALS: Final = re.compile(
    r"(?:^|/)(?:[^/]*\.env(?:\..*)?|\.ssh|\.aws|\.gnupg|\.pgpass|\.netrc|\.npmrc|\.docker|\.kube|\.git-credentials"
    r"|\.config|id_(?:rsa|dsa|ecdsa|ed25519)|shadow|.*\.pem)(?:/|$)"
)
#: What may go to /dev/null; to rename a file to that would be another thing.
_TO_DEVICES: Final = frozenset({"write", "empty", "tee", "dd", "tar"})
_DESTROYING: Final = frozenset({"rmdir", "unlink", "shred"})
_IDENTIFIER: Final = re.compile(r"[A-Za-z_]\w*")


@dataclass
class Checker:
    """Checks commands; collects what is found against them, and what they do."""

    functions: frozenset[str]
    findings: list[Finding] = field(default_factory=list)
    operations: list[str] = field(default_factory=list)
    destructive: list[str] = field(default_factory=list)
    at: str = ""
    """Where the script is being read, for people."""

    def refuse(self, rule: str, message: str) -> None:
        """Note a finding at the present place."""
        self.findings.append(Finding(rule, f"{self.at}: {message}"))

    def does(self, operation: str, *, destroys: bool = False) -> None:
        """Note what the script does."""
        self.operations.append(operation)
        if destroys:
            self.destructive.append(operation)

    def reads(self, value: Value) -> None:
        """Check a path that is read."""
        place = where(value)
        path = shown(value)
        if place in (Where.OUTSIDE, Where.HIDDEN) and not allowed.READABLE.fullmatch(path):
            self.refuse("read", f"reads {path}, {place.value}")
        elif _CREDENTIALS.search(path):
            self.refuse("credentials", f"reads {path}, where credentials are kept")

    def writes(self, value: Value, verb: str = "write", *, destroys: bool = False) -> None:
        """Check a path that is written to, or goes away."""
        place = where(value)
        if place is Where.DEVICE and verb in _TO_DEVICES:
            return
        if place is not Where.INSIDE:
            hint = ": put ./ before it" if place is Where.DATA and value else ""
            self.refuse("path", f"{verb} {shown(value)}: this leads {place.value}{hint}")
        self.does(f"{verb} {shown(value)}", destroys=destroys)

    def command(self, name: str, values: list[Value], given: Values) -> None:
        """Check a command with one of the argument lists that it may have.

        Args:
            name: The command.
            values: Its arguments.
            given: What it reads from its standard input.
        """
        if name in self.functions:
            return
        if rule := allowed.RULES.get(name):
            hint = ": the box has no network; an api_call reaches hosts" * (rule == "network")
            self.refuse(rule, f"{name} is never allowed in a fix{hint}")
        elif "/" in name:
            self.refuse("command", f"{name}: commands are named without a path")
        elif name in RUNNERS:
            RUNNERS[name](self, values, given)
        elif name in BUILTINS:
            BUILTINS[name](self, values)
        elif name in TOOLS:
            TOOLS[name](self, name, values)
        elif name in READING or name in WRITING:
            self._listed(name, values)
        else:
            self.refuse("command", f"{name} is not among the allowed commands")

    def options(self, name: str, values: list[Value], *, permuted: bool = True) -> Given:
        """Tell options and operands apart; refuse the options that are not listed."""
        given = read_options(name, values, permuted=permuted)
        for option in given.unknown:
            self.refuse("option", f"{name} {option} is not among the allowed options")
        return given

    def assigns(self, *names: str) -> None:
        """Check variables that are given a value."""
        for name in names:
            if not _IDENTIFIER.fullmatch(name):
                self.refuse("variable", f"assigns to {name!r}, which is no plain name")
            elif allowed.RESERVED.fullmatch(name):
                self.refuse("variable", f"assigns {name}, which changes what commands do")

    def _listed(self, name: str, values: list[Value]) -> None:
        """Check a command whose arguments are all paths."""
        given = self.options(name, values)
        if name in READING:
            for value in (*given.operands, *given.words_of("reference", "r")):
                self.reads(value)
        else:
            for value in (*given.operands, *given.words_of("target-directory", "t")):
                self.writes(value, name, destroys=name in _DESTROYING)


def is_known(name: str) -> bool:
    """Tell whether a name is a command's, allowed or not."""
    listed = (allowed.RULES, RUNNERS, BUILTINS, TOOLS, READING, WRITING)
    return any(name in names for names in listed)
