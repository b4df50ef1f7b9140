"""The tree of a bash script, as tree-sitter reads it."""

from __future__ import annotations

import functools
import re
import unicodedata
from typing import TYPE_CHECKING, Final

from pattern_engine.fixes.analysis import Finding, unreadable
from pattern_engine.fixes.bash.language import NODES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tree_sitter import Node, Parser

__all__ = ["arguments", "around", "descendants", "name_of", "parse", "place", "text"]

_MAX_NODES: Final = 30_000
_MAX_DEPTH: Final = 60
_MAX_BRACKETS: Final = 2_000
_HIDDEN: Final = ("Cc", "Cf", "Co", "Cn", "Zl", "Zp", "Zs")


@functools.lru_cache(maxsize=64)
def parse(script: str) -> tuple[Node | None, tuple[Finding, ...]]:
    """Return the tree of a script, or why it is not in the language of fixes."""
    problem = unreadable(script)
    if problem is None:
        root = _parser().parse(script.encode()).root_node
        problem = _not_understood(script, root)
    return (None, (problem,)) if problem else (root, ())


def text(node: Node) -> str:
    """Return the source of a node."""
    return (node.text or b"").decode()


def place(node: Node) -> str:
    """Tell where a node begins, for people."""
    return f"line {node.start_point[0] + 1}, column {node.start_point[1] + 1}"


def descendants(node: Node) -> Iterator[Node]:
    """Yield a node and all below it, in the order of the text."""
    waiting = [node]
    while waiting:
        yield (current := waiting.pop())
        waiting += reversed(current.children)


def around(node: Node, *kinds: str) -> Node | None:
    """Return the nearest node of some kinds around another."""
    parent = node.parent
    while parent is not None and parent.type not in kinds:
        parent = parent.parent
    return parent


def name_of(node: Node) -> str:
    """Return the name of a command, a function or a variable as it is written, or nothing."""
    name = node.child_by_field_name("name") or node.child_by_field_name("variable")
    return text(name) if name is not None else ""


def arguments(node: Node) -> list[Node]:
    """Return the nodes of a command's arguments, redirections left out."""
    return [*node.children_by_field_name("argument")]


@functools.cache
def _parser() -> Parser:
    from tree_sitter import Language, Parser  # noqa: PLC0415  loaded when a script is met
    from tree_sitter_bash import language  # noqa: PLC0415  as above

    return Parser(Language(language()))


def _not_understood(script: str, root: Node) -> Finding | None:
    """Find what nobody sees, what cannot be read, and what is not in the language."""
    hidden = {one for one in script if one not in "\t\n " and unicodedata.category(one) in _HIDDEN}
    if hidden:
        return Finding("character", f"delete {min(hidden)!a}: nobody sees it")
    if script.count("(") + script.count("{") > _MAX_BRACKETS:
        return Finding("depth", f"more than {_MAX_BRACKETS} brackets: split the script up")
    waiting, seen = [(root, 1)], 0
    while waiting:
        node, depth = waiting.pop()
        waiting += [(child, depth + 1) for child in reversed(node.children)]
        seen += 1
        if seen > _MAX_NODES or depth > _MAX_DEPTH:
            most = f"{_MAX_NODES} words, or is nested deeper than {_MAX_DEPTH}"
            return Finding("size", f"{place(node)}: the script has more than {most}: shorten it")
        if node.is_error or node.is_missing:
            return Finding("syntax", f"{place(node)}: not understood; write it more simply")
        if node.is_named and node.type not in NODES:
            reason = f"{node.type} is not in the language of fixes: use if, for, case and commands"
            return Finding("construct", f"{place(node)}: {reason}")
        if node.type == "heredoc_redirect" and re.match(r"<<-?\s*\w+\b(?s:.*)(?<!\\)`", text(node)):
            return Finding("syntax", f"{place(node)}: write $(…) in place of `…`")
    return None
