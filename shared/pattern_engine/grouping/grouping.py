"""Which errors are the same error: template and signature of a message.

`v2` is the current algorithm, `v1` an older one whose signatures still lead to the patterns that it
made. A signature names the algorithm that made it, so that several algorithms can serve one pattern
(`ops.pattern_signatures`). A released algorithm is never edited: a better one is a new module, and
the one before it joins `OLDER`.

What identifies an error, the first that applies:

1. an operator's rule that it matches; 2. a fingerprint that its application sent; 3. its stack
trace; 4. the kind of its exception with the message; 5. its message.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from pattern_engine.grouping.signatures import signature_of
from pattern_engine.grouping.v1 import normalizing
from pattern_engine.grouping.v1.normalizing import clean, normalize
from pattern_engine.grouping.v2 import masking
from pattern_engine.grouping.v2.leaf import leaf_of, wider_templates
from pattern_engine.grouping.v2.masking import Value, group_messages

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "ALGORITHM",
    "OLDER",
    "Group",
    "Signature",
    "clean",
    "group",
    "group_messages",
    "normalize",
    "older_signatures",
    "signature_of",
    "signatures_of",
    "wider_signatures",
]

ALGORITHM: Final = masking.NAME


class Signature(NamedTuple):
    """A key to a pattern, and the algorithm that made it."""

    signature: str
    algorithm: str


class Group(NamedTuple):
    """Where an error belongs under the current algorithm."""

    algorithm: str
    """Its name, with `/rule` or `/fingerprint` where one decided: no message imitates those."""
    template: str
    signature: str
    leaf: str
    """What all templates that may be alike have in common; empty where none ever is."""
    basis: str
    """rule, fingerprint, trace, exception or message."""
    text: str
    """What was read: the message, or the stack trace that came beside it."""
    values: tuple[Value, ...]
    """What stood where the template has a variable; none but for messages and exceptions."""


def group(
    message: str,
    *,
    rule: str | None = None,
    fingerprint: str | None = None,
    stack: str | None = None,
    exception: str | None = None,
) -> Group:
    """Return the group of one error under the current algorithm.

    `rule` is the fingerprint of a matching rule, `fingerprint` what the application sent, `stack` a
    stack trace beside the message, `exception` the kind of the exception.
    """
    if rule is not None or fingerprint is not None:
        return _told(message, rule, fingerprint)
    masked, text = masking.mask(stack) if stack else None, stack or ""
    if masked is None or masked.basis != "trace":
        text = _without_kind(message, exception) if exception else message
        masked = masking.mask(text, exception=exception)
    return Group(
        ALGORITHM,
        masked.template,
        signature_of(masked.template, ALGORITHM),
        # A trace without frames of the application's own is a message like others.
        leaf_of(masked.template),
        masked.basis,
        text,
        masked.values,
    )


def _without_kind(message: str, exception: str) -> str:
    """Return a message without the kind before it, where masking would not know it for one."""
    kind = f"{exception}:"
    if message.startswith(kind) and not masking.mask(message).template.startswith(kind):
        return message.removeprefix(kind).lstrip()
    return message


def _told(message: str, rule: str | None, fingerprint: str | None) -> Group:
    """Return the group of an error whose identity was told."""
    masked = masking.mask(message, rule=rule, fingerprint=fingerprint)
    algorithm = f"{ALGORITHM}/{masked.basis}"
    key = signature_of(masked.template, algorithm)
    return Group(algorithm, masked.template, key, "", masked.basis, message, ())


#: Older algorithm → the signature of a message under it.
OLDER: Final[dict[str, Callable[[str], str]]] = {
    normalizing.NAME: lambda message: signature_of(normalize(message), normalizing.NAME)
}


def older_signatures(message: str, group: Group) -> list[Signature]:
    """Return the signatures of a message under the older algorithms, the latest first.

    Patterns that they made keep their errors. A rule is different: an operator made it to move
    errors, and was shown which.
    """
    if group.basis == "rule":
        return []
    return [Signature(of_message(message), name) for name, of_message in OLDER.items()]


def signatures_of(
    message: str,
    *,
    rule: str | None = None,
    fingerprint: str | None = None,
    stack: str | None = None,
    exception: str | None = None,
) -> list[Signature]:
    """Return the signatures of an error under all algorithms in use, the current one first."""
    current = group(message, rule=rule, fingerprint=fingerprint, stack=stack, exception=exception)
    key = Signature(current.signature, current.algorithm)
    return [key, *older_signatures(message, current)]


@lru_cache(maxsize=4096)
def wider_signatures(template: str) -> tuple[str, ...]:
    """Return the signatures of a template with one word more a variable, for each that may be one.

    Two templates are alike if and only if the signature of one is among these of the other.
    """
    return tuple(signature_of(wide, ALGORITHM) for wide in wider_templates(template))
