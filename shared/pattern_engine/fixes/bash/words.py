"""Words of a script as what they may become: text that is certain, and holes that are filled later.

A word is read as bash reads it: quotes and backslashes are taken away, braces expanded. What an
expansion puts in stands as a `Hole` with the values that it may have. A value again is a row of
texts and kinds: a kind stands for text of which only something is known.
"""

from __future__ import annotations

import enum
import itertools
import re
from typing import TYPE_CHECKING, Final, NamedTuple

from pattern_engine.fixes.bash.syntax import text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from tree_sitter import Node

__all__ = [
    "ANYTHING",
    "MAX_VALUES",
    "BraceError",
    "Hole",
    "Kind",
    "Text",
    "Value",
    "Values",
    "Word",
    "alternatives",
    "fields",
    "joined",
    "literal",
    "literals",
    "merged",
    "read_word",
    "split_texts",
    "unescaped",
]

MAX_VALUES: Final = 24
"""Values that are told apart; more of them are anything."""
_MAX_PIECES: Final = 12
_MAX_WORDS: Final = 200


class Kind(enum.Enum):
    """What is known of text that is not known."""

    NAME = "a number, a date, a word: not empty, without slash, and no name made of dots"
    INSIDE = "a relative path that stays below where it starts; not empty"
    PRIVATE = "an absolute path to what mktemp made, or to the working directory"
    DATA = "what a parameter, the error or a file of the script holds"
    OPAQUE = "text that was hidden: decoded, reversed, put together"


Value = tuple["str | Kind", ...]
Values = frozenset[Value]
ANYTHING: Final[Values] = frozenset({(Kind.DATA,)})


class Text(NamedTuple):
    """Text of a word as bash sees it after taking quotes away."""

    text: str
    quoted: bool


class Hole(NamedTuple):
    """A place of a word that an expansion fills."""

    values: Values
    quoted: bool
    name: str = ""
    """The variable's name, if it is one."""


Word = tuple["Text | Hole", ...]


class BraceError(Exception):
    """The braces of a word make more words than a script needs."""


def read_word(node: Node, fill: Callable[[Node, bool], Hole]) -> list[Word]:
    """Return the words that a node makes: one, or more where it has braces.

    Raises:
        BraceError: for more than a script needs.
    """
    pieces = tuple(_pieces(node, fill, quoted=False))
    return [_word(word) for word in _braces(list(_characters(pieces)))]


def literal(word: Word) -> str | None:
    """Return the text of a word without holes; None if it has one."""
    if all(isinstance(piece, Text) for piece in word):
        return "".join(piece.text for piece in word if isinstance(piece, Text))
    return None


def literals(values: Iterable[Value]) -> set[str] | None:
    """Return values that are certain to the letter; None if one of them is not."""
    texts = set()
    for value in values:
        if any(isinstance(part, Kind) for part in value):
            return None
        texts.add("".join(map(str, value)))
    return texts


def split_texts(values: Values, separator: str) -> Values:
    """Return values with those that are certain cut at a separator, as read cuts lines."""
    parts: set[Value] = set()
    for value in values:
        if len(value) == 1 and isinstance(value[0], str):
            parts |= {(part,) if part else () for part in re.split(separator, value[0])}
        else:
            parts.add(value)
    return frozenset(parts)


def fields(word: Word) -> list[Value]:
    """Return all values that a word, or a part of it after splitting, may have."""
    return [part for parts in alternatives(word) for part in parts]


def alternatives(word: Word) -> list[list[Value]]:
    """Return what a word may become, each time as the arguments that it is split into."""
    return [_split(value) for value in _filled(word, split=True)]


def joined(word: Word) -> Values:
    """Return the values that a word may have where it is not split, as on the right of a `=`."""
    return frozenset(_filled(word, split=False))


def _filled(word: Word, *, split: bool) -> list[Value]:
    choices: list[list[Value]] = []
    for index, piece in enumerate(word):
        if isinstance(piece, Hole):
            marked = split and not piece.quoted
            choices.append([_marked(value) if marked else value for value in piece.values])
        else:
            content = piece.text
            if index == 0 and not piece.quoted and content.startswith("~"):
                content = f"/{content}"  # somebody's home: absolute, whosever it is
            choices.append([(content,)])
    if any(not choice for choice in choices):
        return []  # not known yet
    size = 1
    for choice in choices:
        size *= len(choice)
    if size > MAX_VALUES:
        choices = [choice if len(choice) == 1 else [_widest(choice)] for choice in choices]
    return [merged(itertools.chain(*chosen)) for chosen in itertools.product(*choices)]


_BLANK: Final = "\0"
"""Stands where bash would split a value into words."""


def _marked(value: Value) -> Value:
    return tuple(
        re.sub(r"[ \t\n]+", _BLANK, part) if isinstance(part, str) else part for part in value
    )


def _split(value: Value) -> list[Value]:
    parts: list[list[str | Kind]] = [[]]
    for part in value:
        if isinstance(part, Kind):
            parts[-1].append(part)
            continue
        first, *others = part.split(_BLANK)
        parts[-1].append(first)
        parts += [[other] for other in others]
    return [merged(part) for part in parts]


def merged(parts: Iterable[str | Kind]) -> Value:
    """Return parts as a value: neighbouring texts are one, and none is empty."""
    value: list[str | Kind] = []
    for part in parts:
        if part == "":
            continue
        if isinstance(part, str) and value and isinstance(value[-1], str):
            value[-1] += part
        else:
            value.append(part)
    return tuple(value) if len(value) <= _MAX_PIECES else (Kind.DATA,)


def _widest(values: Sequence[Value]) -> Value:
    """Return one value that stands for many."""
    kinds = {
        value[0] if len(value) == 1 and isinstance(value[0], Kind) else None for value in values
    }
    if len(kinds) == 1 and (kind := kinds.pop()) is not None:
        return (kind,)
    if Kind.OPAQUE in {part for value in values for part in value}:
        return (Kind.OPAQUE,)
    return (Kind.DATA,)


def _word(items: Sequence[Text | Hole]) -> Word:
    word: list[Text | Hole] = []
    for item in items:
        last = word[-1] if word else None
        if isinstance(item, Text) and isinstance(last, Text) and item.quoted == last.quoted:
            word[-1] = Text(last.text + item.text, item.quoted)
        else:
            word.append(item)
    return tuple(word)


def _pieces(
    node: Node, fill: Callable[[Node, bool], Hole], *, quoted: bool
) -> Iterator[Text | Hole]:
    match node.type:
        case "raw_string":
            yield Text(text(node)[1:-1], quoted=True)
        case "ansi_c_string":
            yield Text(unescaped(text(node)[2:-1]), quoted=True)
        case "string":
            yield Text("", quoted=True)
            yield from _children(node, fill, quoted=True)
        case "string_content":
            yield Text(re.sub(r"\\([$`\"\\])|\\\n", r"\1", text(node)), quoted=True)
        case "concatenation" | "command_name":
            yield from _children(node, fill, quoted=False)
        case (
            "simple_expansion"
            | "expansion"
            | "command_substitution"
            | "arithmetic_expansion"
            | "process_substitution"
        ):
            # tree-sitter counts blanks before an expansion in a string to the expansion.
            lead = re.match(r"[^$`<>]*", text(node))
            yield Text(lead.group() if lead else "", quoted)
            yield fill(node, quoted)
        case "number" if node.child_count:
            yield from _children(node, fill, quoted=quoted)
        case _:
            yield from _backslashes(text(node), quoted=quoted)


def _children(
    node: Node, fill: Callable[[Node, bool], Hole], *, quoted: bool
) -> Iterator[Text | Hole]:
    """Read the parts of a node, and what the parser left out between them."""
    source, at = node.text or b"", 0
    for child in node.children:
        start = child.start_byte - node.start_byte
        between = source[at:start].decode(errors="replace")
        if between:
            yield Text(re.sub(r"\\([$`\"\\])|\\\n", r"\1", between), quoted)
        if child.type != '"' or not quoted:
            yield from _pieces(child, fill, quoted=quoted)
        at = child.end_byte - node.start_byte


def _backslashes(source: str, *, quoted: bool) -> Iterator[Text]:
    if quoted:
        yield Text(source, quoted=True)
        return
    for plain, escaped in re.findall(r"([^\\]+)|\\(.|\n|$)", source):
        if plain:
            yield Text(plain, quoted=False)
        elif escaped != "\n":
            yield Text(escaped, quoted=True)


_ESCAPES: Final = {
    "a": "\a", "b": "\b", "e": "\x1b", "E": "\x1b", "f": "\f", "n": "\n", "r": "\r", "t": "\t",
    "v": "\v",
}  # fmt: skip


def unescaped(source: str) -> str:
    r"""Return text with its escapes read as in `$'…'`, by echo -e and by printf."""

    def one(match: re.Match[str]) -> str:
        code = match[1]
        if code[0] in "xuU" and len(code) > 1:
            number = int(code[1:], 16)
            return chr(number) if number < 0x11_0000 else ""
        if code[0] in "01234567":
            return chr(int(code, 8) & 0xFF)
        if code[0] == "c" and len(code) > 1:
            return chr(ord(code[1]) & 0x1F)
        return _ESCAPES.get(code, code)

    known = r"\\(x[0-9A-Fa-f]{1,2}|u[0-9A-Fa-f]{1,4}|U[0-9A-Fa-f]{1,8}|0?[0-7]{1,3}|c.|.)"
    return re.sub(known, one, source, flags=re.DOTALL)


def _characters(pieces: Iterable[Text | Hole]) -> Iterator[Text | Hole]:
    for piece in pieces:
        if isinstance(piece, Hole):
            yield piece
        elif piece.text:
            yield from (Text(character, piece.quoted) for character in piece.text)
        else:
            yield piece


def _braces(items: list[Text | Hole]) -> list[list[Text | Hole]]:
    """Expand the first pair of braces, and what remains, as bash does before anything else."""
    for start, item in enumerate(items):
        if item != Text("{", quoted=False) or (start and _is_dollar(items[start - 1])):
            continue
        parts, end = _alternatives(items, start)
        if end is None:
            continue
        after = _braces(items[end + 1 :])
        if not after:
            return []
        heads = [head for part in parts for head in _braces(part)]
        if len(heads) * len(after) > _MAX_WORDS:
            raise BraceError
        return [items[:start] + head + tail for head in heads for tail in after]
    return [items]


def _is_dollar(item: Text | Hole) -> bool:
    return isinstance(item, Text) and item.text == "$" and not item.quoted


def _alternatives(
    items: list[Text | Hole], start: int
) -> tuple[list[list[Text | Hole]], int | None]:
    """Return what the brace at a place offers, and where it ends; None if it is but a brace."""
    parts: list[list[Text | Hole]] = [[]]
    depth = 0
    for index in range(start + 1, len(items)):
        item = items[index]
        plain = item.text if isinstance(item, Text) and not item.quoted else None
        if plain == "}" and depth == 0:
            if len(parts) > 1:
                return parts, index
            counted = _range(parts[0])
            return ([counted], index) if counted is not None else ([], None)
        depth += (plain == "{") - (plain == "}")
        if plain == "," and depth == 0:
            parts.append([])
        else:
            parts[-1].append(item)
    return [], None


def _range(items: list[Text | Hole]) -> list[Text | Hole] | None:
    """Return what stands for the words of `{1..9}`; None if it is no such range."""
    inside = "".join(item.text if isinstance(item, Text) else "\0" for item in items)
    if match := re.fullmatch(r"(-?\d+)\.\.(-?\d+)(?:\.\.-?\d+)?", inside):
        if max(len(match[1]), len(match[2])) > 12 or abs(int(match[1]) - int(match[2])) > 100_000:
            raise BraceError
        return [Hole(frozenset({(Kind.NAME,)}), quoted=True)]
    if re.fullmatch(r"[a-z]\.\.[a-z](?:\.\.-?\d+)?|[A-Z]\.\.[A-Z](?:\.\.-?\d+)?", inside):
        return [Hole(frozenset({(Kind.NAME,)}), quoted=True)]
    if re.fullmatch(r".\.\..(?:\.\.-?\d+)?", inside):
        return [Hole(frozenset({(Kind.OPAQUE,)}), quoted=True)]
    return None
