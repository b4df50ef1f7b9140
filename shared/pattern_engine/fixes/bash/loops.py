"""Loops without an end, and functions that call themselves."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pattern_engine.fixes.analysis import Finding
from pattern_engine.fixes.bash import allowed
from pattern_engine.fixes.bash.shell import FILE_TEST
from pattern_engine.fixes.bash.syntax import arguments, command_name, descendants, place, text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tree_sitter import Node

__all__ = ["endless_loop", "recursion"]

#: Commands that answer the same whenever they are asked.
_CONSTANT: Final = frozenset(
    {":", "true", "false", "echo", "printf", "test", "sleep", "date", "wait", "["}
)
_LOOPS: Final = frozenset({"while_statement", "for_statement", "c_style_for_statement"})


def endless_loop(node: Node) -> Finding | None:
    """Return why a loop may run for ever; None if it may end.

    Its condition must be able to change: something that it reads is assigned within the loop, or it
    asks the world. Or the loop must be left from within.
    """
    body = node.child_by_field_name("body")
    if body is None or _leaves(body, 1):
        return None
    conditions = node.children_by_field_name("condition")
    why = None
    if node.type == "c_style_for_statement":
        why = _counting(conditions)
    if any(map(_reads_again, conditions)):
        why = "read begins anew each time: redirect the loop instead"
    if not why and node.type == "c_style_for_statement":
        steps = [body, *node.children_by_field_name("update")]
        moves = any(map(_asks, conditions)) or any(_changed(one, conditions) for one in steps)
        why = None if moves else "nothing in the loop changes its condition"
    elif not why and node.type != "for_statement":
        changes = any(map(_asks, conditions)) or _changed(node, conditions)
        why = None if changes else "nothing in the loop changes its condition"
    return Finding("loop", f"{place(node)}: {why}") if why else None


def _counting(conditions: list[Node]) -> str | None:
    if not conditions:
        return "the loop has no condition"
    numbers = [int(one) for part in conditions for one in re.findall(r"\b\d{1,20}\b", text(part))]
    if max(numbers, default=0) > allowed.MAX_COUNT:
        return f"the loop counts beyond {allowed.MAX_COUNT}"
    return None


def _leaves(body: Node, depth: int) -> bool:
    """Tell whether a loop's body can end it: exit, return, or break out of so many loops."""
    for child in body.children:
        if child.type == "command" and _leaving(child, depth):
            return True
        if child.type in ("function_definition", "subshell", "command_substitution", "pipeline"):
            continue  # what these leave is not the loop
        if _leaves(child, depth + (child.type in _LOOPS)):
            return True
    return False


def _leaving(command: Node, depth: int) -> bool:
    name = command_name(command)
    word = text(name) if name is not None else ""
    levels = text(arguments(command)[0]) if arguments(command) else "1"
    return word in ("exit", "return") or (
        word == "break" and levels.isdecimal() and int(levels) >= depth
    )


#: What changes by itself.
_MOVING: Final = re.compile(r"\$?\{?(?:SECONDS|RANDOM|SRANDOM|EPOCHSECONDS|EPOCHREALTIME)\}?")


def _asks(condition: Node) -> bool:
    """Tell whether a condition asks something that the script does not decide."""
    for part in descendants(condition):
        name = command_name(part) if part.type == "command" else None
        if name is not None and not _within_substitution(part, condition):
            files = any(map(FILE_TEST.fullmatch, map(text, arguments(part))))
            if text(name) not in _CONSTANT or (text(name) == "test" and files):
                return True
        elif name is not None and (text(name) not in _CONSTANT or text(name) == "date"):
            return True
        if part.type == "test_operator" and FILE_TEST.fullmatch(text(part)):
            return True
        if _MOVING.fullmatch(text(part)):
            return True
    return False


def _within_substitution(node: Node, top: Node) -> bool:
    current = node.parent
    while current is not None and current != top:
        if current.type == "command_substitution":
            return True
        current = current.parent
    return False


def _reads_again(condition: Node) -> bool:
    """Tell whether a read has its own file, of which it gets the first line over and over."""
    for part in descendants(condition):
        if part.type != "command" or (name := command_name(part)) is None or text(name) != "read":
            continue
        around = part.parent
        sources = list(part.children)
        if around is not None and around.type == "redirected_statement":
            sources += around.children
        for one in sources:
            if one.type == "herestring_redirect" or (
                one.type == "file_redirect" and any(child.type == "<" for child in one.children)
            ):
                return True
    return False


_ASSIGNING: Final = frozenset(
    {"++", "--", "=", "+=", "-=", "*=", "/=", "%=", "<<=", ">>=", "&=", "|=", "^=", "**="}
)
_READING: Final = frozenset({"read", "mapfile", "readarray", "getopts", "printf", "let"})


def _changed(loop: Node, conditions: list[Node]) -> bool:
    """Tell whether a variable that a condition reads may change within the loop."""
    read = {
        text(part).partition("[")[0]
        for condition in conditions
        for part in descendants(condition)
        if part.type in ("variable_name", "word", "special_variable_name")
    }
    return any(read & set(_given_values(part)) for part in descendants(loop))


def _given_values(node: Node) -> Iterator[str]:
    """Yield the names that a node itself gives values to."""
    name = command_name(node)
    if node.type == "variable_assignment" and name is not None:
        yield text(name).partition("[")[0]
    elif node.type == "command" and name is not None and text(name) == "shift":
        yield from ("#", "1", "@", "*")
    elif node.type == "command" and name is not None and text(name) in _READING:
        yield from (re.split(r"\W", text(one).strip("'\""))[0] for one in arguments(node))
    elif node.type.endswith("_expression") and {child.type for child in node.children} & _ASSIGNING:
        yield from (text(child) for child in node.children if child.is_named)


def recursion(functions: Mapping[str, Node]) -> Finding | None:
    """Return the function that calls itself, by itself or through others."""
    calls = {
        name: {
            text(called)
            for part in descendants(node)
            if part.type == "command"
            and (called := command_name(part))
            and text(called) in functions
        }
        for name, node in functions.items()
    }
    for name, node in functions.items():
        reached: set[str] = set()
        waiting = list(calls[name])
        while waiting:
            one = waiting.pop()
            if one not in reached:
                reached.add(one)
                waiting += calls[one]
        if name in reached:
            return Finding("recursion", f"{place(node)}: the function {name} calls itself")
    return None
