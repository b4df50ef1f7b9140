"""Templates of messages: literal texts with variables between them, and matching them.

A template is written `relation "<table>" does not exist`. `<name>` is a variable; `<name:kind>`
says what it may hold:

- `_` as the name: what it holds is of no interest;
- no kind: at least one character, at most `LONGEST`, no line break;
- `word`: the same without white space;
- `number`: digits, with a sign, a point or letters of a hexadecimal number;
- `type`: letters, digits and what stands in the name of a type of PostgreSQL;
- `keyword`: one word, or several of which the first has no small letter, such as `DROP TABLE`;
- `quoted`: anything, also nothing; a variable between two quotes is always of this kind;
- `rest`: anything but nothing.

Quotes differ between languages and versions, so every quotation mark matches every other one, and
every kind of space matches a space.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["LONGEST", "QUOTES", "Template", "Variable", "made", "parse", "plain", "shape", "shown"]

LONGEST: Final = 1_000
"""Characters of a variable without a kind."""
STEPS: Final = 64
"""Places that matching tries for the literals of one template, so that it stays linear."""
QUOTES: Final = (
    "'`\u00b4\u2018\u2019\u201a\u201b\u201c\u201d\u201e"
    "\u201f«»\u2039\u203a\u300c\u300d\u300e\u300f\u301d\u301e\uff02\uff07"
)
"""What counts as `"`, beside it."""
_SPACES: Final = "\u00a0\u202f\u2009\u3000"
_VARIABLE: Final = re.compile(r"<([a-z_][a-z0-9_]*)(?::([a-z]+))?>")
_HAS_DIGIT: Final = re.compile("[0-9]").search
_NUMBER: Final = frozenset("0123456789abcdefABCDEFxX+-.,/")
_KINDS: Final = frozenset({None, "word", "number", "type", "keyword", "quoted", "rest"})
_TYPE: Final = re.compile(r"[\w .,()\[\]\"$-]{1,100}").fullmatch
_FREE: Final = frozenset({"quoted", "rest"})


class Variable(NamedTuple):
    """A variable of a template."""

    name: str
    kind: str = ""

    def accepts(self, value: str) -> bool:
        """Return whether a text may stand for this variable."""
        if self.kind in _FREE:
            return bool(value) or self.kind == "quoted"
        if not value or len(value) > LONGEST or "\n" in value:
            return False
        return not self.kind or self._has_form(value)

    def _has_form(self, value: str) -> bool:
        if self.kind == "number":
            return _NUMBER.issuperset(value)
        if self.kind == "type":
            return _TYPE(value) is not None
        first, *further = value.split(None, 1) or [""]
        if self.kind == "keyword":
            return not further or first == first.upper()
        return first == value


class Template(NamedTuple):
    """Literal texts, and the variables between them: one fewer than there are literals."""

    literals: tuple[str, ...]
    variables: tuple[Variable, ...]

    @property
    def weight(self) -> int:
        """The number of literal characters; the template with the most decides."""
        return sum(map(len, self.literals))

    @property
    def has_digits(self) -> bool:
        """Whether the literal texts have any digit."""
        return any(map(_HAS_DIGIT, self.literals))

    def match(self, text: str) -> list[tuple[int, int]] | None:
        """Return where the variables stand in a plain text that matches whole, or None."""
        first, last = self.literals[0], self.literals[-1]
        if not self.variables:
            return [] if text == first else None
        end = len(text) - len(last)
        if end < len(first) or not text.startswith(first) or not text.endswith(last):
            return None
        return self._spans(text, 0, len(first), end, [STEPS])

    def _spans(
        self, text: str, place: int, start: int, end: int, steps: list[int]
    ) -> list[tuple[int, int]] | None:
        """Return the spans of the variables from the one at `place`, the shortest first."""
        variable = self.variables[place]
        if place == len(self.variables) - 1:
            return [(start, end)] if variable.accepts(text[start:end]) else None
        literal = self.literals[place + 1]
        found = text.find(literal, start, end)
        while found >= 0 and steps[0] > 0:
            steps[0] -= 1
            if variable.accepts(text[start:found]):
                further = self._spans(text, place + 1, found + len(literal), end, steps)
                if further is not None:
                    return [(start, found), *further]
            found = text.find(literal, found + 1, end)
        return None


def plain(text: str) -> str:
    """Return a text of the same length with one kind of quotation mark and of space."""
    text = text.replace("'", '"').replace("`", '"')
    if not text.isascii():
        text = text.translate(_PLAIN)
    return text


_PLAIN: Final = dict.fromkeys(map(ord, QUOTES), '"') | dict.fromkeys(map(ord, _SPACES), " ")


def shape(text: str) -> bytes:
    """Return the bytes of a text with all its digits 0."""
    return text.encode(errors="replace").translate(_ZEROS)


_ZEROS: Final = bytes.maketrans(b"123456789", b"000000000")


def parse(text: str) -> tuple[tuple[str, ...], tuple[Variable, ...]]:
    """Return the literal texts and the variables as written; a name may stand twice."""
    parts = _VARIABLE.split(text)
    if unknown := set(parts[2::3]) - _KINDS:
        raise ValueError(f"{text!r} has variables of unknown kinds: {unknown}")
    variables = zip(parts[1::3], parts[2::3], strict=True)
    return tuple(parts[::3]), tuple(Variable(name, kind or "") for name, kind in variables)


def made(literals: tuple[str, ...], variables: Iterable[Variable]) -> Template:
    """Return the template of literal texts as written; a variable between quotes is `quoted`."""
    texts = tuple(map(plain, literals))
    return Template(
        texts,
        tuple(
            each if each.kind or not _is_quoted(before, after) else each._replace(kind="quoted")
            for each, before, after in zip(variables, texts, texts[1:], strict=False)
        ),
    )


def shown(literals: tuple[str, ...], variables: Iterable[Variable]) -> str:
    """Return a template as a person reads it, its variables without their kinds."""
    names = (f"<{each.name}>{text}" for each, text in zip(variables, literals[1:], strict=True))
    return literals[0] + "".join(names)


def _is_quoted(before: str, after: str) -> bool:
    return before.rstrip(" ").endswith('"') and after.lstrip(" ").startswith('"')
