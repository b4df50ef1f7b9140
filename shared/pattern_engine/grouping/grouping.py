"""The group of an error: its template and its signature.

`v2` is the current algorithm; `v1` is an older one whose signatures still lead to the patterns that
it made. `ops.pattern_signatures` stores each signature with its algorithm, so that one pattern can
have signatures of several. A released algorithm is never changed: a better one is a new module, and
the former one is added to `OLDER`.

What identifies an error, the first that applies:

1. an operator's rule that it matches; 2. a fingerprint that its application sent; 3. its stack
trace; 4. the kind of its exception with the message; 5. its message.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from pattern_engine.grouping import naming
from pattern_engine.grouping.naming import IDENTIFIERS
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
    "IDENTIFIERS",
    "OLDER",
    "Group",
    "Signature",
    "clean",
    "group",
    "group_messages",
    "normalize",
    "older_signatures",
    "signature_of",
    "wider_signatures",
]

ALGORITHM: Final = masking.NAME


class Signature(NamedTuple):
    """A signature of a pattern, and the algorithm that made it."""

    signature: str
    algorithm: str


class Group(NamedTuple):
    """The group of an error under the current algorithm."""

    algorithm: str
    """Its name; `/rule` or `/fingerprint` is added if one decided, which no message can imitate."""
    template: str
    signature: str
    leaf: str
    """A key that all similar templates share; empty if no template is similar to this one."""
    basis: str
    """What identified the error: rule, fingerprint, trace, exception or message."""
    text: str
    """The text that was read: the message, or the stack trace that was sent with it."""
    values: tuple[Value, ...]
    """The values at the template's variables; only for the bases message and exception."""
    known: str | None = None
    """The key of the catalogue's entry for the error; None for text of no catalogue."""
    symptom: str | None = None
    """What to look for instead, if the error only says that something else went wrong."""

    @property
    def captured(self) -> dict[str, str]:
        """The values of the error by name: constraint, table, status and so on."""
        return naming.named(self.template, self.values)

    @property
    def identifiers(self) -> dict[str, str]:
        """What of the captured values names an object; see `naming.IDENTIFIERS`."""
        return naming.identifiers(self.captured)


def group(
    message: str,
    *,
    rule: str | None = None,
    fingerprint: str | None = None,
    stack: str | None = None,
    exception: str | None = None,
) -> Group:
    """Return the group of one error under the current algorithm.

    `rule` is the fingerprint of a matching rule, `fingerprint` the one that the application sent,
    `stack` a stack trace that was sent with the message, `exception` the kind of the exception.
    """
    if rule is not None or fingerprint is not None:
        return _by_fingerprint(message, rule, fingerprint)
    masked, text = masking.mask(stack) if stack else None, stack or ""
    if masked is None or masked.basis != "trace":
        text = _without_kind(message, exception) if exception else message
        masked = masking.mask(text, exception=exception)
    return Group(
        ALGORITHM,
        masked.template,
        signature_of(masked.template, ALGORITHM),
        # A trace without the application's own frames is grouped like a message.
        leaf_of(masked.template),
        masked.basis,
        text,
        masked.values,
    )


def _without_kind(message: str, exception: str) -> str:
    """Remove a leading kind from a message if masking would not recognise it as one."""
    kind = f"{exception}:"
    if message.startswith(kind) and not masking.mask(message).template.startswith(kind):
        return message.removeprefix(kind).lstrip()
    return message


def _by_fingerprint(message: str, rule: str | None, fingerprint: str | None) -> Group:
    """Return the group of an error that a rule or a fingerprint identifies."""
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

    They lead to the patterns that those algorithms made. An error that matches a rule has none,
    because the rule is meant to move it to another pattern.
    """
    if group.basis == "rule":
        return []
    return [Signature(of_message(message), name) for name, of_message in OLDER.items()]


@lru_cache(maxsize=4096)
def wider_signatures(template: str) -> tuple[str, ...]:
    """Return the signatures of the wider templates, in which one more word is a variable.

    Two templates are similar if and only if one's signature is a wider signature of the other.
    """
    return tuple(signature_of(wide, ALGORITHM) for wide in wider_templates(template))
