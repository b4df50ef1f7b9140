"""Functions that run the command they are given, as in `retry rm -f lock` with `"$@"` inside."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pattern_engine.fixes.bash.syntax import arguments, command_name, descendants, text

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    from tree_sitter import Node

__all__ = ["calls_functions", "passed_from", "passes_on"]


def passes_on(command: Node, functions: Mapping[str, Node]) -> bool:
    """Tell whether a command is `"$@"` in a function, so that the callers tell what runs.

    Of a function that is defined twice it cannot be told which one a caller means.
    """
    around = command.parent
    while around is not None and around.type != "function_definition":
        around = around.parent
    if around is None or not _is_passing(command) or passed_from(around) is None:
        return False
    return functions.get(_name(around)) == around


def passed_from(function: Node) -> int | None:
    """Return how many arguments a function shifts away before it runs the rest.

    None if it runs none of them, or if what is left of them cannot be told: they are shifted within
    a branch or a loop, or after they ran, or set anew.
    """
    commands = [part for part in descendants(function) if part.type == "command"]
    passing = [part.start_byte for part in commands if _is_passing(part)]
    if not passing:
        return None
    shifted = 0
    for part in commands:
        name = _name(part)
        if name == "set" and any(text(one) == "--" for one in arguments(part)):
            return None
        if name != "shift":
            continue
        count = text(arguments(part)[0]) if arguments(part) else "1"
        body = function.child_by_field_name("body")
        if part.parent != body or part.start_byte > passing[0] or not count.isdecimal():
            return None
        shifted += int(count)
    return shifted


def calls_functions(function: Node, functions: Container[str]) -> bool:
    """Tell whether a function calls another, or what it is given."""
    return any(
        _is_passing(part) or _name(part) in functions
        for part in descendants(function)
        if part.type == "command"
    )


def _name(command: Node) -> str:
    name = command_name(command)
    return text(name) if name is not None else ""


def _is_passing(command: Node) -> bool:
    return _name(command) == '"$@"'
