"""Reading the nodes of a syntax tree, and measuring without recursion how deeply they are nested.

Postgres' parser, its conversion to Python objects and the writer of `pglast` are recursive. The
second of them crashes the process on some ten thousand levels, which fit into 64 KiB (`select
1::int::int…`). So tokens are counted before a script is parsed, and levels before a tree is walked.
"""

from collections.abc import Iterator
from typing import Any, Final

from pglast import ast
from pglast.parser import scan

#: Any node, untyped: pglast declares each attribute of each node as optional, although Postgres'
#: grammar says which ones are set.
Node = Any

#: The most levels of nodes in a statement: the writer needs no more than Python's recursion limit.
MAX_DEPTH: Final = 80
#: The most operators, keywords and brackets that can be nested in each other.
MAX_TOKENS: Final = 1_000

# Tokens that add no depth: lists, and chains of AND or OR, are flat.
_FLAT: Final = frozenset(
    {
        "IDENT", "UIDENT", "SCONST", "USCONST", "ICONST", "FCONST", "BCONST", "XCONST", "PARAM",
        "ASCII_44", "ASCII_46", "AND", "OR", "SQL_COMMENT", "C_COMMENT",
    }
)  # fmt: skip
_OPENING: Final = frozenset({"ASCII_40", "ASCII_91"})
_CLOSING: Final = frozenset({"ASCII_41", "ASCII_93"})
_SEMICOLON: Final = "ASCII_59"


def may_be_too_deep(script: str) -> bool:
    """Tell whether a script may be nested too deeply to be parsed, by counting its tokens.

    Tokens count until the bracket or the statement that contains them ends.

    Raises:
        pglast.parser.ParseError: if a string or comment has no end.
    """
    levels = [0]
    total = 0
    for token in scan(script):
        if token.name == _SEMICOLON:
            levels, total = [0], 0
        elif token.name in _CLOSING:
            total -= levels.pop()
            levels = levels or [0]
        elif token.name in _OPENING:
            levels.append(1)
            total += 1
        elif token.name not in _FLAT:
            levels[-1] += 1
            total += 1
        if total > MAX_TOKENS:
            return True
    return False


def children(node: object) -> Iterator[object]:
    """Yield the values of a node, or the elements of a list of nodes."""
    if isinstance(node, tuple):
        yield from node
    elif isinstance(node, ast.Node):
        yield from (getattr(node, slot) for slot in node)


def deeper_than(node: ast.Node, limit: int) -> bool:
    """Tell whether a tree has more levels of nodes than the limit."""
    waiting: list[tuple[object, int]] = [(node, 1)]
    while waiting:
        current, depth = waiting.pop()
        if depth > limit:
            return True
        deeper = depth + isinstance(current, ast.Node)
        waiting += ((child, deeper) for child in children(current) if child is not None)
    return False


def is_a(node: object, *kinds: type) -> bool:
    """Tell whether a node is of one of these kinds.

    Unlike `isinstance`, it does not narrow the node's type, which stays `Any`: see `Node`.
    """
    return isinstance(node, kinds)
