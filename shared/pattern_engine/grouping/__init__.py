"""Deciding which errors belong together, by a template and a signature for each error.

`grouping` is the main module. `identity` says what an error is, from what was read of it, and
`captures` names its values. `rules` and `evidence` provide what counts more than the message,
`matching` tries the expressions of patterns, and `v1` and `v2` are the algorithms.
"""

from pattern_engine.grouping.grouping import (
    ALGORITHM,
    Group,
    clean,
    group,
    group_messages,
    normalize,
    older_signatures,
    signature_of,
    wider_signatures,
)

__all__ = [
    "ALGORITHM",
    "Group",
    "clean",
    "group",
    "group_messages",
    "normalize",
    "older_signatures",
    "signature_of",
    "wider_signatures",
]
