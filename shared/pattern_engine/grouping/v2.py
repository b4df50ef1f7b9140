"""Grouping algorithm "grouping/v2": every message's template is a function of that message alone.

How a message is identified, the first that applies:

1. a rule of the operator, 2. the client's own fingerprint, 3. its stack trace, 4. the kind of its
exception with its masked message, 5. its masked message.

Masking reads at most `v2_marks.MAX_LENGTH` characters, marks words that vary by themselves
(`v2_words`), then those that their neighbours give away (`v2_rules`), and keeps protected codes
(`v2_codes`). What only other messages can tell is left to `v2_leaf`. A released algorithm is never
edited.
"""

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from pattern_engine.grouping.signatures import signature_of
from pattern_engine.grouping.v2_codes import Slot, decide, fill
from pattern_engine.grouping.v2_kinds import kind_of
from pattern_engine.grouping.v2_leaf import joined, leaf_of
from pattern_engine.grouping.v2_marks import CODE, DIGITS, PLURAL, VARIABLE, WILDCARD, bound
from pattern_engine.grouping.v2_rules import apply_rules
from pattern_engine.grouping.v2_traces import Trace, read_trace
from pattern_engine.grouping.v2_words import Words, fold, keep_codes, marked_words, quoted, restored

__all__ = ["NAME", "Masked", "Masker", "Value", "group_messages", "mask", "signature"]

NAME: Final = "grouping/v2"


class Value(NamedTuple):
    """What stood where a template has a wildcard; its kind is of `v2_kinds.KINDS`, or `text`."""

    kind: str
    text: str


class Masked(NamedTuple):
    """What identifies a message, and what varies in it."""

    template: str
    #: Where candidates to join are looked for; empty if the template is never joined by evidence.
    leaf: str
    #: One for each wildcard of the template; none for a trace, a rule or a fingerprint.
    values: tuple[Value, ...]
    #: rule, fingerprint, trace, exception or message.
    basis: str


#: Template, slots for codes, marked words.
_Known = tuple[str, tuple[Slot, ...], str]


class Masker:
    """Masks messages and remembers words and sequences of words it has seen, within bounds."""

    #: Sequences of marked words whose template is remembered.
    LIMIT: Final = 20_000

    def __init__(self) -> None:
        self._words = Words()
        self._shapes: dict[bytes, _Known] = {}
        self._templates: dict[str, _Known] = {}

    def template(self, message: str) -> str:
        """Return the template of a message: of its stack trace, if it has one, else of its text."""
        text = bound(message)
        if "\n" in text:
            trace = read_trace(text)
            if trace is not None:
                return self._trace_template(trace)
        return self.text_template(text)

    def text_template(self, text: str) -> str:
        """Return the template of a bounded text that is not a stack trace."""
        marked = quoted(text) if '"' in text or "'" in text or "`" in text else text
        if "_" in marked and ("code" in marked or "rr" in marked or "reason" in marked):
            marked = keep_codes(marked)
        shape = fold(marked)
        known = self._shapes.get(shape)
        if known is None:
            known = self._read(shape)
        template, slots, words = known
        if slots:
            return fill(template, slots, words, marked).replace(VARIABLE, WILDCARD)
        return template if template != WILDCARD else _bare(text)

    def _read(self, shape: bytes) -> _Known:
        """Mask a shape, or find that its words were masked before, and remember it."""
        if len(self._shapes) > self.LIMIT:
            self._shapes.clear()
        words = marked_words(shape, self._words)
        known = self._templates.get(words)
        if known is None:
            known = self._mask(words)
        self._shapes[shape] = known
        return known

    def _mask(self, words: str) -> _Known:
        if len(self._templates) > self.LIMIT:
            self._templates.clear()
        separate = words.split(" ")
        slots = decide(separate) if DIGITS in words or CODE in words else ()
        unruled = " ".join(separate)
        template = restored(apply_rules(separate))
        if template.count(DIGITS) + template.count(CODE) != len(slots):
            # A rule took a code away, for a list or a call: the code matters more.
            template = restored(unruled)
        if not slots:
            template = template.replace(VARIABLE, WILDCARD)
        known = self._templates[words] = (template, slots, words)
        return known

    def _trace_template(self, trace: Trace) -> str:
        head = " > ".join(trace.types)
        message = self.text_template(trace.message) if trace.message else ""
        told = not head or message.startswith(trace.types[0])
        lines = [message if message and told else f"{head}: {message}" if message else head]
        return "\n".join(lines + [f"  at {frame}" for frame in trace.frames])


#: Remembers only what is a function of its words, so every caller of the process may share it.
_MASKER: Final = Masker()

_HOLE: Final = re.compile(f"({re.escape(WILDCARD)}|{PLURAL})")
_BARE: Final = re.compile(r"([A-Za-z]{4,}[-_.]?)?[0-9A-Fa-f-]*[0-9][\w.-]*")


def _bare(text: str) -> str:
    """Return a template for a message without a literal word: only what holds digits goes."""
    return " ".join(_BARE.sub(lambda found: f"{found[1] or ''}{WILDCARD}", text).split())


def mask(
    message: str,
    *,
    rule: str | None = None,
    fingerprint: str | None = None,
    exception: str | None = None,
) -> Masked:
    """Return what identifies a message.

    `rule` is the name that a matching rule of the operator gives, `fingerprint` what the client
    sent, `exception` the kind of exception, if it is known beside the message.
    """
    if rule is not None or fingerprint is not None:
        basis = "rule" if rule is not None else "fingerprint"
        return Masked(f"{basis} {rule if rule is not None else fingerprint}", "", (), basis)
    text = bound(message)
    if "\n" in text and read_trace(text) is not None:
        return Masked(_MASKER.template(message), "", (), "trace")
    template = _MASKER.text_template(text)
    values = values_of(template, text)
    if exception and not template.startswith(f"{exception}:"):
        template = f"{exception}: {template}"
    return Masked(template, leaf_of(template), values, "exception" if exception else "message")


def values_of(template: str, text: str) -> tuple[Value, ...]:
    """Return what stands in a text for each wildcard of its template, in order."""
    parts = _HOLE.split(template)
    text = " ".join(text.split())
    values: list[Value] = []
    position = len(parts[0])
    for hole, literal in zip(parts[1::2], parts[2::2], strict=True):
        end = _end_of_hole(
            text, literal, position, last=len(values) + 1 == template.count(WILDCARD)
        )
        if hole == WILDCARD:
            value = text[position:end].strip()
            values.append(Value(kind_of(value), value))
        position = end + len(literal)
    return tuple(values)


def _end_of_hole(text: str, literal: str, position: int, *, last: bool) -> int:
    if not literal:
        return len(text) if last else position
    return max(position, text.rfind(literal, position) if last else text.find(literal, position))


def signature(template: str) -> str:
    """Return the signature of a template under this algorithm."""
    return signature_of(template, NAME)


def group_messages(messages: list[str]) -> list[str]:
    """Return the signature each message ends up under when they are learned in this order."""
    template = _MASKER.template
    templates: dict[str, str] = {}
    for message in messages:
        if message not in templates:
            templates[message] = template(message)
    signatures = _signatures(templates.values())
    return [signatures[templates[message]] for message in messages]


def _signatures(templates: Iterable[str]) -> dict[str, str]:
    return {
        template: signature(pattern)
        for template, pattern in joined(dict.fromkeys(templates)).items()
    }
