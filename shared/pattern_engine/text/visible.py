"""Showing text that others wrote, such as a logged message, on a terminal."""

import re
import unicodedata
from typing import Final

# Letters and signs without a form, beside those that are no text at all.
_UNSEEN: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\ufe00-\ufe0d\U000e0100-\U000e01ef]"
)


def visible(text: str) -> str:
    r"""Return a text in which each character that a terminal obeys or hides has a visible mark.

    Control characters, and with them ANSI sequences, marks that turn the direction of writing,
    spaces of no width, private characters and halves of surrogate pairs become `\x1b`, `\u202e` and
    their like. Line ends, tabs and spaces of any width are left alone.
    """
    written = text.replace("\n", "").replace("\t", "")
    if written.isprintable() and not _UNSEEN.search(written):
        return text
    lines = text.replace("\r\n", "\n")
    return "".join(char if _is_seen(char) else _marked(char) for char in lines)


def _is_seen(char: str) -> bool:
    if char.isprintable():
        return not _UNSEEN.match(char)
    return char in "\n\t" or unicodedata.category(char) == "Zs"


def _marked(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
