"""Reading gettext's compiled catalogues (`.mo`) and the printf forms in their messages.

The format is described in the manual of GNU gettext, section "The Format of GNU MO Files".
"""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Message", "Printf", "messages", "printf"]

_MAGIC: Final = 0x950412DE
_CONVERSION: Final = re.compile(
    r"%(?:(?P<place>\d+)\$)?[-+ #0]*(?:\d+|\*(?:\d+\$)?)?(?:\.(?P<precision>\d+|\*(?:\d+\$)?)?)?"
    r"(?:hh|h|ll|l|z|j|t)?(?P<kind>[diouxXeEfgGcspm%])"
)
_NUMBERS: Final = frozenset("diouxXeEfgG")


class Message(NamedTuple):
    """A message in English, its plural after its singular, with its translations."""

    english: tuple[str, ...]
    translated: tuple[str, ...]


class Printf(NamedTuple):
    """A printf form: its literal texts, and the place and kind of the argument between each two.

    A kind is `n` for a number, `m` for the text of the operating system's error, else empty.
    """

    literals: tuple[str, ...]
    arguments: tuple[tuple[int, str], ...]


def messages(path: Path) -> list[Message]:
    """Return the messages of a compiled catalogue in the order of the file, without its header."""
    raw = path.read_bytes()
    magic, _, count, originals, translations = struct.unpack_from("<5I", raw)
    if magic != _MAGIC:
        raise ValueError(f"{path} is no .mo file with the lowest byte first")
    pairs = (
        Message(_texts(raw, originals + 8 * place), _texts(raw, translations + 8 * place))
        for place in range(count)
    )
    return [pair for pair in pairs if pair.english != ("",)]


def _texts(raw: bytes, place: int) -> tuple[str, ...]:
    length, start = struct.unpack_from("<2I", raw, place)
    return tuple(raw[start : start + length].decode().split("\0"))


def printf(text: str) -> Printf:
    """Return the parts of a printf form; `%%` is a literal."""
    literals, arguments, following, end = [""], [], 0, 0
    for found in _CONVERSION.finditer(text):
        literals[-1] += text[end : found.start()]
        end = found.end()
        kind = found["kind"]
        if kind == "%":
            literals[-1] += "%"
            continue
        place = int(found["place"] or following + 1) - 1
        if kind != "m":
            following = place + 1
        arguments.append((-1 if kind == "m" else place, _kind(kind)))
        literals.append("")
    literals[-1] += text[end:]
    return Printf(tuple(literals), tuple(arguments))


def _kind(conversion: str) -> str:
    return "n" if conversion in _NUMBERS else "m" if conversion == "m" else ""
