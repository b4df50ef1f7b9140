"""Masking of "grouping/v2": the template of a message is a function of that message alone.

Masking reads at most `marks.MAX_LENGTH` characters, marks words that vary by themselves
(`words`), then those that their neighbours give away (`neighbours`), and keeps protected codes
(`codes`). What only other messages can tell is left to `leaf`.
"""

import re
from typing import Final, NamedTuple

from pattern_engine.grouping.v2.codes import Slot, decide, fill, parted
from pattern_engine.grouping.v2.kinds import kind_of
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
from pattern_engine.grouping.v2.words import FOLD, Words, keep_codes, marked_words, quoted, restored

__all__ = ["MASKER", "NAME", "Masked", "Masker", "Value", "mask"]

NAME: Final = "grouping/v2"


class Value(NamedTuple):
    """What stood where a template has a wildcard; its kind is of `kinds.KINDS`, or `text`."""

    kind: str
    text: str


class Masked(NamedTuple):
    """The template of a message, and what varies in it."""

    template: str
    #: One for each wildcard of the template.
    values: tuple[Value, ...]


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
        """Return the template of each message."""
        found: list[str] = []
        for start in range(0, len(messages), self.BATCH):
            batch = messages[start : start + self.BATCH]
            found += self.text_templates(
                # Most messages are short and on one line.
                [
                    message
                    if message.isprintable() and len(message) <= MAX_LENGTH
                    else bound(message)
                    for message in batch
                ]
            )
        return found

    def text_templates(self, texts: list[str]) -> list[str]:
        """Return the templates of a batch of bounded texts."""
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


#: Remembers only what is a function of its words, so every caller of the process may share it.
MASKER: Final = Masker()

_HOLE: Final = re.compile(f"({re.escape(WILDCARD)}|{PLURAL})")
_BARE: Final = re.compile(r"([A-Za-z]{4,}[-_.]?)?[0-9A-Fa-f-]*[0-9][\w.-]*")


def _bare(text: str) -> str:
    """Return a template for a message without a literal word: only what holds digits goes."""
    return " ".join(_BARE.sub(lambda found: f"{found[1] or ''}{WILDCARD}", text).split())


def mask(message: str) -> Masked:
    """Return the template of a message and the values at its wildcards."""
    text = bound(message)
    (template,) = MASKER.text_templates([text]) if text else ("",)
    return Masked(template, _values_of(template, text))


def _values_of(template: str, text: str) -> tuple[Value, ...]:
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
