"""Names that stand beside the noun that tells what they name: `table orders`, `for user bob`.

Works word by word on the marked words of a message, since most messages have such a noun and one
look at a set costs less than any expression.
"""

import re
from collections.abc import Callable
from typing import Final

from pattern_engine.grouping.v2.marks import VARIABLE
from pattern_engine.grouping.v2.vocabulary import (
    ABSTRACT,
    ACCOUNTS,
    AFTER_NAME,
    ENVIRONMENTS,
    MONTHS,
    NOT_A_NAME,
    NOT_A_VALUE,
    NOUNS,
    REJECTIONS,
    VALUE_NOUNS,
)

__all__ = ["mark_names"]

_WORD: Final = re.compile(r"([A-Za-z_][\w$-]*)((?:\[\])*)([,:;)]*|\.)\Z")
_VALUE: Final = re.compile(r"([\w$:.\x01-]*[\w$\x01])(,|\.?)\Z")
_CONSTANT: Final = re.compile(r"([A-Z]+(?:_[A-Z]+)+)(\W*)\Z")
_CAPITALISED: Final = re.compile(r"[A-Z][\w-]*\Z")
_LOWER: Final = re.compile(r"[a-z-]+\Z")
_IN_BRACKETS: Final = re.compile(r"\[[a-z]+\]")
_PREPOSITIONS: Final = frozenset({"for", "of", "to", "from", "on", "in", "by", "named", "called"})
#: First words of types that have several: `neighbours` knows them.
_LONG_TYPES: Final = frozenset({"timestamp", "time", "double", "character", "bit"})
_CODED: Final = frozenset({"error", "err", "status", "response", "exit", "reason"})
_NOT_AN_ENVIRONMENT: Final = frozenset({"mode", "server", "environment", "build"})


def mark_names(words: list[str]) -> bool:
    """Mark the names among the words, in place; tell whether there is the name of a month."""
    months = False
    for place, rule in enumerate(map(_RULES.get, words[:-1])):
        if rule is not None:
            months = rule(words, place) or months
    return months or words[-1] in MONTHS


def _after_noun(words: list[str], place: int) -> bool:
    """`table orders does not exist`, `permission denied for table orders`, `variable API_KEY`."""
    name = words[place + 1]
    constant = _CONSTANT.match(name)
    if constant:
        words[place + 1] = VARIABLE + constant[2]
        return False
    found = _WORD.match(name)
    if found is None:
        _account(words, place)
        return False
    last = place + 2 == len(words)
    if name[0].isupper() and not last and not found[3] and _join_long_name(words, place):
        return False
    if _is_name(words, place, found[1], found[3]):
        words[place + 1] = VARIABLE + found[3]
    else:
        _account(words, place)
    return False


def _is_name(words: list[str], place: int, name: str, punctuation: str) -> bool:
    if place + 2 < len(words) and _IN_BRACKETS.match(words[place + 2]):
        return name not in NOT_A_VALUE
    if name.endswith(ABSTRACT) and "_" not in name:
        return False
    if _ends_a_clause(words, place, punctuation):
        if words[place] == "type" and name in _LONG_TYPES:
            return False
        return name not in NOT_A_NAME and not _is_participle(name)
    if punctuation or place + 2 < len(words):
        return False
    introduced = _introduction(words, place)
    return (
        name not in (NOT_A_VALUE if introduced == "rejection" else NOT_A_NAME) and introduced != ""
    )


def _ends_a_clause(words: list[str], place: int, punctuation: str) -> bool:
    """Tell whether what follows the name shows that it ended there."""
    if punctuation:
        return True
    if place + 2 >= len(words):
        return False
    following = words[place + 2]
    return following in AFTER_NAME or following.startswith(f"({VARIABLE}")


def _introduction(words: list[str], place: int) -> str:
    """Tell how the noun before a last word is introduced: `for …`, `unknown …`, or not at all."""
    for before in range(place - 1, max(-1, place - 4), -1):
        word = words[before].lower()
        if word in REJECTIONS:
            return "rejection"
        if word in _PREPOSITIONS:
            return "preposition"
        if not _LOWER.match(word):
            break
    return ""


def _join_long_name(words: list[str], place: int) -> bool:
    """`runner GitHub Actions 54 has`: the number ends a name of several words."""
    for end in range(place + 2, min(place + 5, len(words) - 1)):
        if words[end] == VARIABLE:
            words[place + 1 : end] = [VARIABLE] * (end - place - 1)
            return True
        if not _CAPITALISED.match(words[end]):
            return False
    return False


def _is_participle(word: str) -> bool:
    """Tell whether it is what happened to a thing rather than its name: connection closed."""
    return word.endswith(("ed", "ing", "ly")) and len(word) > 3 and "_" not in word


def _values(words: list[str], place: int) -> bool:
    """`unknown parameters: limit, offset`, up to the end of the sentence."""
    if words[place] == "code:" and (not place or words[place - 1].lower() in _CODED):
        return False  # an error's code is protected, a promotion's is not
    end = place + 1
    for end in range(place + 1, len(words)):
        found = _VALUE.match(words[end])
        if found is None:
            return False
        if found[2] != ",":
            break
    else:
        return False
    first = words[place + 1].rstrip(",.")
    finished = end + 1 == len(words) or (words[end].endswith(".") and words[end + 1][:1].isupper())
    told = end > place + 1 or first == "undefined" or not _is_participle(first)
    if finished and told and first not in NOT_A_VALUE:
        dot = "." if words[end].endswith(".") else ""
        words[place + 1 : end + 1] = [""] * (end - place - 1) + [VARIABLE + dot]
    return False


def _list(words: list[str], place: int) -> bool:
    """`columns id, total and note are unknown`: of a list of any length one name is left."""
    end = place + 1
    while end < len(words) and words[end].endswith(",") and _VALUE.match(words[end]):
        end += 1
    if end < len(words) and words[end] in {"and", "or"}:
        end += 1
    finished = end + 1 >= len(words) or words[end + 1] in AFTER_NAME
    if end > place + 1 and end < len(words) and finished and _VALUE.match(words[end]):
        dot = "." if words[end].endswith(".") else ""
        words[place + 1 : end + 1] = [""] * (end - place - 1) + [VARIABLE + dot]
    return False


def _account(words: list[str], place: int) -> bool:
    """`for root`, `Failed password for bob from 10.0.0.1`."""
    name = words[place + 1].rstrip(",.:;)")
    if words[place] not in _ACCOUNT_CUES:
        return False
    from_host = (
        place + 3 < len(words)
        and words[place + 2] == "from"
        and words[place + 3].startswith(VARIABLE)
    )
    if name in ACCOUNTS or (
        from_host and words[place] in _FROM_CUES and _WORD.match(words[place + 1]) is not None
    ):
        words[place + 1] = VARIABLE + words[place + 1][len(name) :]
    return False


def _environment(words: list[str], place: int) -> bool:
    name = words[place + 1].rstrip(",.:;)")
    if name in ENVIRONMENTS and (
        place + 2 >= len(words) or words[place + 2] not in _NOT_AN_ENVIRONMENT
    ):
        words[place + 1] = VARIABLE + words[place + 1][len(name) :]
    elif words[place] in _ACCOUNT_CUES:
        _account(words, place)
    return False


def _month(_words: list[str], _place: int) -> bool:
    return True


_ACCOUNT_CUES: Final = frozenset({"for", "by", "as", "user", "User"})
_FROM_CUES: Final = frozenset({"for", "user", "User"})
_RULES: Final[dict[str, Callable[[list[str], int], bool]]] = {
    **dict.fromkeys(("by", "as"), _account),
    **dict.fromkeys(("to", "in", "on", "for", "from"), _environment),
    **dict.fromkeys((f"{noun}s" for noun in NOUNS), _list),
    **dict.fromkeys(NOUNS, _after_noun),
    **dict.fromkeys((noun.capitalize() for noun in NOUNS), _after_noun),
    **{f"{noun}{end}": _values for noun in (*NOUNS, *VALUE_NOUNS) for end in (":", "s:", "(s):")},
    **dict.fromkeys(MONTHS, _month),
}
