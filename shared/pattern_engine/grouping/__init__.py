"""Which errors are the same error: from an error to its group.

`grouping` is the way in; `rules` and `evidence` say what counts beside the message, `matching`
tries expressions; `v1` and `v2` are the algorithms.
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
