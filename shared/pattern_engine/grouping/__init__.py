"""Which errors are the same error: template and signature of a message.

`v1` is the current algorithm. A signature names the algorithm that made it, so that several
algorithms can serve one pattern (`ops.pattern_signatures`).
"""

import hashlib
from typing import Final, NamedTuple

from pattern_engine.grouping import v1
from pattern_engine.grouping.v1 import clean, normalize

__all__ = ["ALGORITHM", "Group", "clean", "group", "group_messages", "normalize", "signature"]

ALGORITHM: Final = v1.NAME
_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"


class Group(NamedTuple):
    """Where a message belongs: the algorithm's name, the template, the signature."""

    algorithm: str
    template: str
    signature: str


def group(message: str) -> Group:
    """Return the group of one message under the current algorithm."""
    template = normalize(message)
    return Group(ALGORITHM, template, signature(template))


def signature(normalized: str, algorithm: str = ALGORITHM) -> str:
    """Return `pattern_` and the first 64 bits of a SHA-256 over algorithm and template, in base 36.

    The specification's own 32-bit hash collides after some tens of thousands of patterns, and it
    says itself that production should use a digest.
    """
    digest = hashlib.sha256(f"{algorithm}\n{normalized}".encode()).digest()
    return f"pattern_{_base36(int.from_bytes(digest[:8], 'big'))}"


def group_messages(messages: list[str]) -> list[str]:
    """Return the signature each message ends up under when they are learned in this order."""
    known: dict[str, str] = {}
    for message in messages:
        if message not in known:
            known[message] = group(message).signature
    return [known[message] for message in messages]


def _base36(number: int) -> str:
    digits = []
    while number:
        number, digit = divmod(number, 36)
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits)) or "0"
