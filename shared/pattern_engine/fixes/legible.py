"""What a reviewer cannot see in a script or its parameters, or would read differently.

A person approves what a screen shows. Characters that are invisible, that reorder a line or that
end one only for some programs are refused, in scripts and in parameters; so are lines too long to
be seen, and numbers that programs read differently. Words that mix alphabets, or that only look
like Latin words, are told as warnings, because a text in another language is legitimate.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Final

from pattern_engine.fixes.analysis import Finding
from pattern_engine.text.strict_json import RoundedFloat

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAX_LINE: Final = 1_000
"""The most characters of a line, in a script and in a text of the parameters."""
MAX_INTEGER: Final = 2**53 - 1
"""The largest whole number that JavaScript and so the gateway of many a project reads exactly."""
_HIDDEN_CATEGORIES: Final = frozenset({"Cc", "Cf", "Zl", "Zp"})
#: Characters of other categories that are shown as nothing, or as a space.
_BLANK: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0"
    "\U000e0100-\U000e01ef]"
)
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_WORD: Final = re.compile(r"\w+")
#: Letters of other alphabets that look like those of the Latin one.
_LATIN_LOOKALIKES: Final = frozenset(
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0458\u0455\u04bb\u0501\u051b\u051d"
    "\u04cf\u04af\u0410\u0412\u0415\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0423\u0425"
    "\u0406\u0408\u0405\u04ae\u0391\u0392\u0395\u0396\u0397\u0399\u039a\u039c\u039d\u039f"
    "\u03a1\u03a4\u03a5\u03a7\u03bf\u03bd\u03c1\u03b9"
)
_EAST_ASIAN: Final = frozenset({"CJK", "HIRAGANA", "KATAKANA", "HANGUL", "BOPOMOFO", "IDEOGRAPHIC"})
_LAST_LATIN: Final = "\u024f"


def hidden(text: str, where: str) -> Iterator[Finding]:
    """Yield what a reviewer cannot see in a text."""
    found = _first_hidden(text)
    if found is not None:
        line = text.count("\n", 0, found) + 1
        character = text[found]
        name = unicodedata.name(character, "a control character")
        yield Finding(
            "character",
            f"{where} contains U+{ord(character):04X} ({name}) in line {line}, which a reviewer"
            " cannot see; remove it, or write it as an escape; lines end with LF alone",
        )
    longest = max(map(len, text.split("\n")))
    if longest > MAX_LINE:
        yield Finding(
            "line",
            f"{where} has a line of {longest} characters; a reviewer sees at most {MAX_LINE}, so"
            " break it",
        )


def _first_hidden(text: str) -> int | None:
    if text.isascii():
        found = _CONTROL.search(text)
        return found.start() if found else None
    for place, character in enumerate(text):
        if character in "\n\t" or " " <= character <= "~":
            continue
        if unicodedata.category(character) in _HIDDEN_CATEGORIES or _BLANK.match(character):
            return place
    return None


def hidden_in_json(value: object, where: str) -> Iterator[Finding]:
    """Yield what a reviewer cannot see, or what programs read differently, at any depth of JSON."""
    if isinstance(value, str):
        yield from hidden(value, where)
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from hidden(str(key), f"a key of {where}")
            yield from hidden_in_json(each, f"{where}.{key}"[:100])
    elif isinstance(value, list | tuple):
        for each in value:
            yield from hidden_in_json(each, where)
    elif isinstance(value, RoundedFloat):
        yield _number(where, value.text)
    elif isinstance(value, int | float) and abs(value) > MAX_INTEGER:
        yield _number(where, str(value))


def _number(where: str, text: str) -> Finding:
    return Finding(
        "number",
        f"{where} is {text[:60]}: not every program reads this number exactly (whole numbers up to"
        " 2^53 - 1 and decimals of 15 digits are safe); write it as a text in quotes",
    )


def suspicious(text: str) -> Iterator[tuple[int, str]]:
    """Yield the place and the name of each character that a reader cannot see or reads differently.

    Beside what `hidden` refuses these are spaces that are none, and the letters of other alphabets
    in the words that `confusing` warns of.
    """
    if text.isascii() and not _CONTROL.search(text):
        return
    for place, character in enumerate(text):
        if character not in "\n\t" and not " " <= character <= "~" and _is_unseen(character):
            yield place, _named(character)
    for word in _WORD.finditer(text):
        if not word[0].isascii() and any(confusing(word[0])):
            for place, letter in enumerate(word[0], word.start()):
                if letter > _LAST_LATIN:
                    yield place, _named(letter)


def _named(character: str) -> str:
    return f"U+{ord(character):04X} {unicodedata.name(character, 'a control character')}"


def _is_unseen(character: str) -> bool:
    return bool(
        unicodedata.category(character) in _HIDDEN_CATEGORIES | {"Zs", "Co", "Cn", "Cs"}
        or _BLANK.match(character)
    )


def confusing(text: str) -> Iterator[str]:
    """Yield a warning for each word that mixes alphabets or only looks like a Latin one."""
    if text.isascii():
        return
    for word in dict.fromkeys(_WORD.findall(text)):
        if word.isascii():
            continue
        alphabets = sorted({_alphabet(letter) for letter in word if letter.isalpha()})
        others = [each for each in alphabets if each not in _EAST_ASIAN]
        strange = ", ".join(
            f"{letter} U+{ord(letter):04X}"
            for letter in dict.fromkeys(word)
            if letter > _LAST_LATIN
        )
        if len(others) > 1:
            yield f"{word!r} mixes {' and '.join(others)}: {strange}"
        elif others not in ([], ["LATIN"]) and all(
            letter in _LATIN_LOOKALIKES for letter in word if letter.isalpha()
        ):
            yield f"{word!r} looks like a Latin word and is {others[0]}: {strange}"


def _alphabet(letter: str) -> str:
    return "LATIN" if letter <= _LAST_LATIN else unicodedata.name(letter, "UNKNOWN").split()[0]


def texts_of(parameters: Mapping[str, object]) -> Iterator[str]:
    """Yield the keys and texts of parameters, at any depth."""
    pending: list[object] = [parameters]
    while pending:
        value = pending.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            yield from map(str, value)
            pending += value.values()
        elif isinstance(value, list | tuple):
            pending += value
