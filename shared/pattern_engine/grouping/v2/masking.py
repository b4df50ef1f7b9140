"""Grouping algorithm "grouping/v2": every message's template is a function of that message alone.

How a message is identified, the first that applies:

1. a rule of the operator, 2. the client's own fingerprint, 3. its stack trace, 4. the kind of its
exception with its masked message, 5. its masked message.

Masking reads at most `marks.MAX_LENGTH` characters, marks words that vary by themselves
(`words`), then those that their neighbours give away (`neighbours`), and keeps protected codes
(`codes`). What only other messages can tell is left to `leaf`. A released algorithm is never
edited.
"""

import re
from typing import Final, NamedTuple

from pattern_engine.grouping.signatures import signature_of
from pattern_engine.grouping.v2.codes import Slot, decide, fill, parted
from pattern_engine.grouping.v2.kinds import kind_of
from pattern_engine.grouping.v2.leaf import joined, leaf_of
from pattern_engine.grouping.v2.marks import (
    CODE,
    DIGITS,
    MAX_LENGTH,
    PLURAL,
    VARIABLE,
    WILDCARD,
    bound,
)
from pattern_engine.grouping.v2.neighbours import apply_rules
from pattern_engine.grouping.v2.traces import Trace, read_trace
from pattern_engine.grouping.v2.words import FOLD, Words, keep_codes, marked_words, quoted, restored

__all__ = ["NAME", "Masked", "Masker", "Value", "group_messages", "mask", "signature"]

NAME: Final = "grouping/v2"


class Value(NamedTuple):
    """What stood where a template has a wildcard; its kind is of `kinds.KINDS`, or `text`."""

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


#: Template, slots for codes, and what of the template stands around them.
_Known = tuple[str, tuple[Slot, ...], list[str]]


class Masker:
    """Masks messages and remembers words and sequences of words it has seen, within bounds.

    Each step is taken for all messages of a batch before the next one: the same code over many
    texts is faster than much code over one text, by a fifth where none was seen before.
    """

    #: Messages that go through the steps together.
    BATCH: Final = 1024
    #: Sequences of marked words whose template is remembered; a batch may go beyond it.
    LIMIT: Final = 20_000

    def __init__(self) -> None:
        self._words = Words()
        self._shapes: dict[bytes, _Known] = {}
        self._templates: dict[str, _Known] = {}

    def templates(self, messages: list[str]) -> list[str]:
        """Return the template of each message: of its stack trace, if it has one, or its text."""
        found: list[str] = []
        for start in range(0, len(messages), self.BATCH):
            batch = messages[start : start + self.BATCH]
            found += self._templates_of(
                # Most messages are short and on one line.
                [
                    message
                    if message.isprintable() and len(message) <= MAX_LENGTH
                    else bound(message)
                    for message in batch
                ]
            )
        return found

    def _templates_of(self, texts: list[str]) -> list[str]:
        traces = {
            place: trace
            for place, text in enumerate(texts)
            if "\n" in text and (trace := read_trace(text)) is not None
        }
        for place, trace in traces.items():
            texts[place] = trace.message
        templates = self.text_templates(texts)
        for place, trace in traces.items():
            templates[place] = _trace_template(trace, templates[place])
        return templates

    def text_templates(self, texts: list[str]) -> list[str]:
        """Return the templates of a batch of bounded texts that are not stack traces."""
        marked = [
            quoted(text) if '"' in text or "'" in text or "`" in text else text for text in texts
        ]
        marked = [
            keep_codes(text)
            if "_" in text and ("code" in text or "rr" in text or "reason" in text)
            else text
            for text in marked
        ]
        shapes = [text.encode("utf-8", "surrogatepass").translate(FOLD) for text in marked]
        self._read(shapes)
        known = map(self._shapes.__getitem__, shapes)
        return [
            template
            if not slots and template != WILDCARD
            else fill(literals, slots, words.split()).replace(VARIABLE, WILDCARD)
            if slots
            else _bare(text)
            for (template, slots, literals), text, words in zip(known, texts, marked, strict=True)
        ]

    def _read(self, shapes: list[bytes]) -> None:
        """Mask the shapes that are not known, or find that their words were masked before."""
        if len(self._shapes) > self.LIMIT:
            self._shapes.clear()
        if len(self._templates) > self.LIMIT:
            self._templates.clear()
        words = {
            shape: marked_words(shape, self._words)
            for shape in dict.fromkeys(shapes)
            if shape not in self._shapes
        }
        for sequence in dict.fromkeys(words.values()):
            if sequence not in self._templates:
                self._templates[sequence] = _mask(sequence)
        for shape, sequence in words.items():
            self._shapes[shape] = self._templates[sequence]


def _mask(words: str) -> _Known:
    separate = words.split(" ")
    if DIGITS not in words and CODE not in words:
        return restored(apply_rules(separate)).replace(VARIABLE, WILDCARD), (), []
    slots = decide(separate)
    unruled = " ".join(separate)
    template = restored(apply_rules(separate))
    literals = parted(template)
    if len(literals) != len(slots) + 1:
        # A rule took a code away, for a list or a call: the code matters more.
        template = restored(unruled)
        literals = parted(template)
    return template if slots else template.replace(VARIABLE, WILDCARD), slots, literals


def _trace_template(trace: Trace, message: str) -> str:
    """Return the template of a trace, the message in it masked."""
    head = " > ".join(trace.types)
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
        return Masked(_MASKER.templates([message])[0], "", (), "trace")
    (template,) = _MASKER.text_templates([text])
    values = values_of(template, text)
    if exception and not template.startswith(f"{exception}:"):
        template = f"{exception}: {template}"
    return Masked(template, leaf_of(template), values, "exception" if exception else "message")


def values_of(template: str, text: str) -> tuple[Value, ...]:
    """Return what stands in a text for each wildcard of its template, in order."""
    parts = _HOLE.split(template)
    variables = template.count(WILDCARD)
    text = " ".join(text.split())
    values: list[Value] = []
    position = len(parts[0])
    for hole, literal in zip(parts[1::2], parts[2::2], strict=True):
        end = _end_of_hole(text, literal, position, last=len(values) + 1 == variables)
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
    distinct = list(dict.fromkeys(messages))
    templates = dict(zip(distinct, _MASKER.templates(distinct), strict=True))
    patterns = joined(templates.values())
    keys = {pattern: signature(pattern) for pattern in set(patterns.values())}
    signatures = {template: keys[pattern] for template, pattern in patterns.items()}
    return [signatures[templates[message]] for message in messages]
