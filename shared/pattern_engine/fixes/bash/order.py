"""Whether a variable has surely been assigned where it is used.

An unset variable is empty, and `"$unset/x"` is then an absolute path. The order is that of the
text: what stands in a branch, a loop or a function is sure only within it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING, Final, NamedTuple

from pattern_engine.fixes.bash.syntax import arguments, command_name, descendants, text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tree_sitter import Node

__all__ = ["Assignments"]


class _Assignment(NamedTuple):
    at: int
    start: int
    end: int
    """Where it is sure: from byte to byte."""


class Assignments:
    """Where variables are assigned."""

    def __init__(self, root: Node) -> None:
        self._places: dict[str, list[_Assignment]] = defaultdict(list)
        self._functions: list[Node] = []
        self._strict_from: int | None = None
        for node in descendants(root):
            if node.type == "function_definition":
                self._functions.append(node)
            for name in _assigned(node):
                scope = _scope(node)
                self._places[name].append(
                    _Assignment(node.start_byte, scope.start_byte, scope.end_byte)
                )
            if self._strict_from is None and _refuses_unset(node):
                self._strict_from = node.start_byte
        self._end = root.end_byte

    def surely_before(self, name: str, use: Node) -> bool:
        """Tell whether a variable has a value wherever a use of it is reached."""
        at = use.start_byte
        if self._strict_from is not None and self._strict_from < at:
            return True  # bash itself stops at an unset variable
        function = next(
            (one for one in self._functions if one.start_byte <= at < one.end_byte), None
        )
        return any(
            (place.start <= at < place.end and place.at < at)
            # A function is called later than what stands before and after it.
            or (function is not None and place.end - place.start >= self._end - place.start)
            for place in self._places.get(name, ())
        )


_READING: Final = frozenset({"read", "mapfile", "readarray", "getopts", "printf"})


def _assigned(node: Node) -> Iterator[str]:
    if node.type == "variable_assignment" and (name := command_name(node)):
        yield text(name).partition("[")[0]
    elif node.type == "for_statement" and (name := node.child_by_field_name("variable")):
        yield text(name)
    elif node.type == "command" and (name := command_name(node)) and text(name) in _READING:
        words = [text(one).strip("'\"") for one in arguments(node)]
        yield from (word for word in words if re.fullmatch(r"[A-Za-z_]\w*", word))


_BRANCHES: Final = frozenset(
    {"function_definition", "subshell", "command_substitution", "do_group", "case_item",
     "elif_clause", "else_clause", "pipeline", "for_statement"}
)  # fmt: skip


def _scope(node: Node) -> Node:
    """Return the innermost part of the script that runs as a whole, with what was assigned."""
    if node.type == "for_statement":
        return node
    current = node
    while current.parent is not None:
        parent = current.parent
        if parent.type in _BRANCHES:
            return _loop_of(parent)
        if parent.type in ("if_statement", "while_statement") and not _is_condition(
            parent, current
        ):
            return parent
        if parent.type == "while_statement":
            return _around(parent)
        if parent.type == "list" and current.start_byte != parent.start_byte:
            return parent
        current = parent
    return current


def _loop_of(branch: Node) -> Node:
    return branch.parent if branch.type == "do_group" and branch.parent is not None else branch


def _is_condition(statement: Node, part: Node) -> bool:
    conditions = statement.children_by_field_name("condition")
    return any(one.start_byte == part.start_byte for one in conditions)


def _around(loop: Node) -> Node:
    """Return the scope of a loop's condition: it runs at least once."""
    if any(
        part.type == "command" and text(part).startswith(("read", "IFS")) for part in loop.children
    ):
        return loop
    return _scope(loop)


def _refuses_unset(node: Node) -> bool:
    """Tell whether a command is `set -u` at the top of the script."""
    if node.type != "command" or node.parent is None or node.parent.type != "program":
        return False
    name = command_name(node)
    words = [text(one) for one in arguments(node)]
    return (
        name is not None
        and text(name) == "set"
        and any(re.fullmatch(r"-\w*u\w*|nounset", word) for word in words)
    )
