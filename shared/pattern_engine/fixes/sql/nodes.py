"""Nodes of a syntax tree, and how deep a script is nested, found without recursion.

Postgres' parser, its conversion to Python objects and the writer of `pglast` are recursive; the
second of them crashes the process, with no exception, on some ten thousand levels, which fit in 64
KiB (`select 1::int::int…`). So the words are counted before anything is parsed, and the tree's
levels before anything walks it.
"""

from collections.abc import Iterator
from typing import Final

from pglast import ast
from pglast.parser import scan

__all__ = ["MAX_DEPTH", "MAX_WORDS", "children", "deeper_than", "is_a", "too_many_words"]

#: Levels of nodes in a statement's tree: what the writer can do within Python's recursion limit.
MAX_DEPTH: Final = 80
#: Operators, keywords and brackets in reach of each other, which bounds the depth before parsing.
MAX_WORDS: Final = 1_000

# These stand side by side however many they are: lists, and chains of AND or OR, are flat.
_FLAT: Final = frozenset(
    {
        "IDENT", "UIDENT", "SCONST", "USCONST", "ICONST", "FCONST", "BCONST", "XCONST", "PARAM",
        "ASCII_44", "ASCII_46", "AND", "OR", "SQL_COMMENT", "C_COMMENT",
    }
)  # fmt: skip
_OPENING: Final = frozenset({"ASCII_40", "ASCII_91"})
_CLOSING: Final = frozenset({"ASCII_41", "ASCII_93"})
_SEMICOLON: Final = "ASCII_59"


def too_many_words(script: str) -> bool:
    """Tell whether a script may be too deep to parse.

    What a closed bracket held no longer counts, nor does a statement that has ended.

    Raises:
        pglast.parser.ParseError: a string or comment has no end.
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
        if total > MAX_WORDS:
            return True
    return False


def children(node: object) -> Iterator[object]:
    """Yield what a node or a list of nodes holds."""
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

    Unlike `isinstance`, it leaves the node's type open: see `Node`.
    """
    return isinstance(node, kinds)
