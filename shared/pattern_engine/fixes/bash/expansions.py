"""What `${…}` makes of the values of a variable."""

from __future__ import annotations

import fnmatch
import re
from typing import TYPE_CHECKING, Final

from pattern_engine.fixes.bash.paths import Where, where
from pattern_engine.fixes.bash.syntax import text
from pattern_engine.fixes.bash.words import Hole, Kind, Value, Values, literals

if TYPE_CHECKING:
    from tree_sitter import Node

    from pattern_engine.fixes.bash.values import Variables

__all__ = ["expanded", "indirect"]

_NAME: Final[Values] = frozenset({(Kind.NAME,)})
_HIDDEN: Final[Value] = (Kind.OPAQUE,)


def indirect(node: Node) -> bool:
    """Tell whether an expansion reads a variable that another one names, or lists variables."""
    return text(node).startswith("${!") and not re.fullmatch(r"\$\{!\w+\[[@*]\]\}", text(node))


def expanded(variables: Variables, node: Node, *, quoted: bool) -> Hole:
    """Return what an expansion may put into a word."""
    parts = node.children[1:-1]
    if not parts or indirect(node):
        return Hole(frozenset({_HIDDEN}), quoted)
    if parts[0].type in ("#", "!"):
        return Hole(_NAME, quoted)  # a length, or the indices of an array
    name = text(parts[0]).partition("[")[0]
    values = variables.variable(name, node)
    if len(parts) == 1:
        return Hole(values, quoted, name)
    if parts[1].type == ":" and re.fullmatch(r".*\[[@*]\]|[@*]", text(parts[0])):
        return Hole(values, quoted)  # some of a list
    return Hole(_operated(variables, values, parts[1].type, parts[2:]), quoted)


def _operated(variables: Variables, values: Values, operator: str, rest: list[Node]) -> Values:
    """Return the values after the operator of an expansion has done its work."""
    if operator in (":?", "?"):
        return values - {()} or frozenset({(Kind.DATA,)})
    if operator not in (":-", "-", ":=", "=", ":+", "+"):
        return frozenset(_changed(value, operator, rest) for value in values)
    operands = [part for part in rest if part.is_named]
    other: Values = frozenset({() if not operands else _HIDDEN})
    if len(operands) == 1:
        other = variables.joined(operands[0])
    return other | ({()} if "+" in operator else values - {()})


def _changed(value: Value, operator: str, rest: list[Node]) -> Value:
    """Return a value after something was cut from it or replaced in it."""
    operand = "".join(text(node) for node in rest)
    if not value:
        return value
    if operator in ("^", "^^", ",", ",,"):
        return _cased(value, operator) if not rest else value
    if operator in ("%", "%%", "#", "##"):
        return _cut(value, operator, operand)
    if operator in ("/", "//", "/#", "/%"):
        return _replaced(value, operator, operand)
    if operator == ":":
        return _part(value, operand)
    return _HIDDEN


def _cased(value: Value, operator: str) -> Value:
    change = str.upper if operator.startswith("^") else str.lower
    certain = literals([value])
    if certain and len(operator) == 1:
        whole = certain.pop()
        return (change(whole[:1]) + whole[1:],)
    return tuple(change(part) if isinstance(part, str) else part for part in value)


def _cut(value: Value, operator: str, pattern: str) -> Value:
    certain = literals([value])
    plain = pattern.strip("\"'")
    if certain and not re.search(r"[$`\\\[]", pattern):
        whole = certain.pop()
        sizes = range(len(whole) + 1)
        ends = {
            size: whole[:size] if "#" in operator else whole[len(whole) - size :] for size in sizes
        }
        fitting = [size for size, end in ends.items() if fnmatch.fnmatchcase(end, plain)]
        if not fitting:
            return value
        size = max(fitting) if len(operator) == 2 else min(fitting)
        left = whole[size:] if "#" in operator else whole[: len(whole) - size]
        return (left,) if left else ()
    if value[0] is Kind.PRIVATE:
        # The name below a private place, or the place itself.
        return (
            (Kind.INSIDE,)
            if pattern == "*/" and operator == "##"
            else value
            if "%" in operator
            else _HIDDEN
        )
    if _tame(value):
        keeps = "%" in operator or plain.endswith("/") or bool(re.match(r"[\w*]", plain))
        return (Kind.INSIDE,) if keeps else _HIDDEN
    return (Kind.DATA,) if Kind.OPAQUE not in value else _HIDDEN


def _replaced(value: Value, operator: str, operand: str) -> Value:
    pattern, _, new = operand.partition("/")
    certain = literals([value])
    if certain and not re.search(r"[$`\\\[*?\"']", operand):
        whole = certain.pop()
        if operator in ("/", "//"):
            return (whole.replace(pattern, new, -1 if operator == "//" else 1),)
        return _HIDDEN
    negated = re.fullmatch(r"\[[!^]([^/\\$`]*)\]", pattern)
    if operator == "//" and negated and re.fullmatch(r"[\w-]*", new):
        # Nothing is left but what the brackets name: `${name//[^a-z0-9]/_}`.
        return (Kind.NAME,) if "." not in negated[1] and new else (Kind.DATA,)
    if _tame(value) and re.fullmatch(r"[\w.-]*", new) and ".." not in new:
        return (Kind.INSIDE,)
    return (Kind.DATA,) if Kind.OPAQUE not in value and not certain else _HIDDEN


def _part(value: Value, operand: str) -> Value:
    numbers = re.fullmatch(r"\s*(\d+)(?:\s*:\s*(\d+))?\s*", operand)
    certain = literals([value])
    if certain and numbers:
        whole, start = certain.pop(), int(numbers[1])
        left = whole[start : start + int(numbers[2])] if numbers[2] else whole[start:]
        return (left,) if left else ()
    if value == (Kind.NAME,):
        return value
    if _tame(value):
        # Of a list of paths, some; of one path, its beginning or, hidden, what follows that.
        return (Kind.INSIDE,) if numbers and numbers[1] == "0" else _HIDDEN
    return (Kind.DATA,) if Kind.OPAQUE not in value and not certain else _HIDDEN


def _tame(value: Value) -> bool:
    """Tell whether a value is a path that stays inside."""
    return Kind.DATA not in value and where(value) is Where.INSIDE
