"""Walking over the nodes of a syntax tree, and telling beforehand how deep it may be.

Postgres' parser is recursive, and so is what carries its tree over to Python. They would crash the
process on some ten thousand levels, which fit into 64 KiB (`select 1::int::int…`). So tokens are
counted before a script is parsed.
"""

from collections.abc import Iterator
from typing import Final

from pattern_engine.fixes.sql.tree import TreeNode, scan

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
        PgQueryError: if a string or comment has no end.
    """
    levels = [0]
    total = 0
    for token in scan(script):
        if token == _SEMICOLON:
            levels, total = [0], 0
        elif token in _CLOSING:
            total -= levels.pop()
            levels = levels or [0]
        elif token in _OPENING:
            levels.append(1)
            total += 1
        elif token not in _FLAT:
            levels[-1] += 1
            total += 1
        if total > MAX_TOKENS:
            return True
    return False


def children(node: object) -> Iterator[object]:
    """Yield the values of a node, or the elements of a list of nodes."""
    if isinstance(node, tuple):
        yield from node
    elif isinstance(node, TreeNode):
        yield from (getattr(node, slot) for slot in node)


def is_a(node: object, *kinds: type) -> bool:
    """Tell whether a node is of one of these kinds.

    Unlike `isinstance`, it does not narrow the node's type, which stays `Any`: see `Node`.
    """
    return isinstance(node, kinds)
