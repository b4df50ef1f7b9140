"""The group of an error: its template and its signature.

An error is read out of its envelopes (`reading`), then it is named by the catalogue, by the place
that threw it, or by a template of its wording (`identity`).

`v2` makes the templates; `v1` is an older algorithm whose signatures still lead to the patterns
that it made, and are computed only where the database holds some. `ops.pattern_signatures` stores
each signature with its algorithm, so that one pattern can have signatures of several. A released
algorithm is never changed: a better one is a new module, and the former one is added to `OLDER`.

What identifies an error, the first that applies:

1. an operator's rule that it matches; 2. a fingerprint that its application sent; 3. the root error
that its text, its stack trace and its fields tell.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from pattern_engine import reading
from pattern_engine.grouping import captures, identity
from pattern_engine.grouping.signatures import signature_of
from pattern_engine.grouping.v1 import normalizing
from pattern_engine.grouping.v1.normalizing import clean, normalize
from pattern_engine.grouping.v2 import masking
from pattern_engine.grouping.v2.leaf import joined, leaf_of, wider_templates
from pattern_engine.grouping.v2.marks import bound
from pattern_engine.reading.places import place_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from pattern_engine.grouping.identity import Identity
    from pattern_engine.reading import ReadError

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
    """The message of the root error."""
    captured: dict[str, str]
    """The values of the error by name: constraint, table, status, frame and so on."""
    known: str | None = None
    """The key of the catalogue's entry for the error; None for text of no catalogue."""
    symptom: str | None = None
    """What to look for instead, if the error only says that something else went wrong."""
    type: str | None = None
    """The type of a known error: rls, stripe, deployment, database or api."""
    severity: str | None = None
    """The severity of a known error, if its message alone tells it."""

    @property
    def identifiers(self) -> dict[str, str]:
        """What of the captured values names an object; see `pattern_engine.identifiers`."""
        return captures.identifiers(self.captured)


def group(  # noqa: PLR0913  an error may be identified in this many ways
    message: str,
    *,
    rule: str | None = None,
    fingerprint: str | None = None,
    stack: str | None = None,
    exception: str | None = None,
    fields: Mapping[str, object] | None = None,
) -> Group:
    """Return the group of one error under the current algorithm.

    `rule` is the fingerprint of a matching rule, `fingerprint` the one that the application sent,
    `stack` a stack trace that was sent with the message, `exception` the kind of the exception, and
    `fields` what the application sent of its error beside the message, such as its code.
    """
    error = reading.read(message, stack=stack, exception=exception, fields=fields)
    found = identity.identify(error, _mask)
    known = found.known
    named = Group(
        ALGORITHM,
        found.template,
        "",
        "" if known or found.basis == "trace" else leaf_of(found.template),
        found.basis,
        found.text,
        _captured(error, found),
        known.key if known else None,
        known.symptom if known else None,
        known.type if known else None,
        known.severity if known else None,
    )
    if rule is not None or fingerprint is not None:
        basis = "rule" if rule is not None else "fingerprint"
        template = f"{basis} {rule if rule is not None else fingerprint}"
        named = named._replace(
            algorithm=f"{ALGORITHM}/{basis}", template=template, leaf="", basis=basis
        )
    return named._replace(signature=signature_of(named.template, named.algorithm))


def _mask(text: str) -> str:
    return masking.MASKER.text_templates([bound(text)])[0] if text else ""


def _captured(error: ReadError, found: Identity) -> dict[str, str]:
    """Return the values of an error by name; its text comes before its fields."""
    values = dict(found.known.values) if found.known else captures.named(found.text)
    for name, value in (error.objects | captures.of_sections(error)).items():
        values.setdefault(name, value)
    for name, value in captures.of_outer(_outer(error, found.text)).items():
        values.setdefault(name, value)
    code = error.code or (found.known.code if found.known else None)
    beside = {"code": code, "status": error.status, "frame": place_of(error)}
    return values | {name: value for name, value in beside.items() if value and name not in values}


def _outer(error: ReadError, message: str) -> Iterator[str]:
    """Yield the texts around an error's message, the innermost first."""
    if len(message) < len(error.message) and (parts := error.message.split(message, 1))[1:]:
        yield from filter(None, parts)
    yield from reversed(error.chain)


def group_messages(messages: list[str]) -> list[str]:
    """Return the signature each message ends up under when they are learned in this order."""
    distinct = list(dict.fromkeys(messages))
    named = _TEMPLATES.of(distinct)
    patterns = joined([template for template, is_free in named if is_free])
    keys = {
        template: signature_of(patterns[template] if is_free else template, ALGORITHM)
        for template, is_free in dict.fromkeys(named)
    }
    signatures = {
        message: keys[template] for message, (template, _) in zip(distinct, named, strict=True)
    }
    return [signatures[message] for message in messages]


class _Unknown(NamedTuple):
    """A message of no catalogue, whose template masking makes."""

    message: str
    text: str
    """The message of the root error."""
    error: ReadError | None
    """None where nothing was read of the message."""


class _Templates:
    """Templates of messages, and whether evidence may join them; the latest are remembered.

    Digits seldom decide what a message is. Where nothing is to be read of a message or known of it,
    whatever its digits are, only masking is left to do for those that differ from it in digits.
    """

    LIMIT: Final = 20_000
    """Messages and forms that are remembered; beyond it the memory starts anew."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[str, bool]] = {}
        self._plain: dict[str, bool] = {}

    def of(self, messages: list[str]) -> list[tuple[str, bool]]:
        """Return the template of each message, and whether it is free to be joined."""
        for memory in (self._seen, self._plain):
            if len(memory) > self.LIMIT:
                memory.clear()
        unknown = [
            found
            for message in messages
            if message not in self._seen and (found := self._look_at(message)) is not None
        ]
        templates = masking.MASKER.templates([each.text for each in unknown])
        for (message, text, error), template in zip(unknown, templates, strict=True):
            self._seen[message] = (
                (template, True)
                if error is None
                else _of(identity.of_masked(error, text, template if text else ""))
            )
        return [self._seen[message] for message in messages]

    def _look_at(self, message: str) -> _Unknown | None:
        """Note the template of a known message; return what is left to be masked of any other."""
        form = _form_of(message)
        if form is not None and self._plain.get(form):
            return _Unknown(message, message, None)
        error = reading.read(message)
        known, text = identity.known_whole(error), error.message
        if known is None:
            if form is not None and form not in self._plain:
                self._plain[form] = not error.layers and _is_plain(form)
                if self._plain[form]:
                    return _Unknown(message, message, None)
            known, text = identity.known_part(error)
        if known is None:
            return _Unknown(message, text, error)
        self._seen[message] = _of(identity.of_known(error, known, text))
        return None


MAX_PLAIN: Final = 512
"""Characters of a message that can be plain."""
_DIGITS: Final = str.maketrans("123456789", "0" * 9)
_TEMPLATES: Final = _Templates()


def _of(found: Identity) -> tuple[str, bool]:
    return found.template, not found.known and found.basis != "trace"


def _form_of(message: str) -> str | None:
    """Return a message with its digits 0; None where its digits may decide how it is read.

    A text of several lines may be a stack trace, and one with a brace an object, which are parsed.
    """
    if len(message) > MAX_PLAIN or "{" in message or not message.isprintable():
        return None
    form = message.translate(_DIGITS)
    return form if form == form.strip() else None


def _is_plain(form: str) -> bool:
    """Return whether nothing is to be read of a message of a form or known of it.

    To the expressions that read, all digits are alike, and 0 stands for any.
    """
    error = reading.read(form)
    return not error.layers and not identity.may_be_known(error)


#: Older algorithm → the signature of a message under it.
OLDER: Final[dict[str, Callable[[str], str]]] = {
    normalizing.NAME: lambda message: signature_of(normalize(message), normalizing.NAME)
}


def older_signatures(message: str, group: Group, algorithms: Sequence[str]) -> list[Signature]:
    """Return the signatures of a message under these older algorithms, the latest first.

    They lead to the patterns that those algorithms made. An error that matches a rule has none,
    because the rule is meant to move it to another pattern.
    """
    if group.basis == "rule":
        return []
    return [
        Signature(of_message(message), name)
        for name, of_message in OLDER.items()
        if name in algorithms
    ]


@lru_cache(maxsize=4096)
def wider_signatures(template: str) -> tuple[str, ...]:
    """Return the signatures of the wider templates, in which one more word is a variable.

    Two templates are similar if and only if one's signature is a wider signature of the other.
    """
    return tuple(signature_of(wide, ALGORITHM) for wide in wider_templates(template))
